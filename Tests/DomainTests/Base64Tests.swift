import Domain
import Testing

@Suite("Base64")
struct Base64Tests {
    @Test(
        "is read with its padding or without, and nothing behind it",
        arguments: [
            ("", []), ("Zg==", [0x66]), ("Zg", [0x66]), ("Zm8=", [0x66, 0x6F]), ("Zm8", [0x66, 0x6F]),
            ("Zm9v", [0x66, 0x6F, 0x6F]),
            ("Zg=", nil), ("Zg===", nil), ("Zm9v=", nil), ("Zm9v====", nil), ("Zg==Zg==", nil), ("Zg==x", nil),
            ("=", nil),
            ("==", nil), ("====", nil), ("Z", nil), ("Zg==\n", nil), ("Z-9_", nil), ("=Zg=", nil),
        ] as [(String, [UInt8]?)])
    func decoded(text: String, bytes: [UInt8]?) {
        #expect(Base64.decode(text) == bytes)
    }

    @Test("Nothing is signed with a secret of which no key is left, which everybody has")
    func emptyKey() {
        let scheme = SignatureScheme(vendor: .standard)
        for secret in ["whsec_==", "whsec_", "whsec_!", "whsec_c2VjcmV0=x"] {
            #expect(!scheme.takes(secret), "\(secret)")
        }
        #expect(scheme.takes("whsec_c2VjcmV0") && scheme.takes("secret key") && scheme.takes("c2VjcmV0"))
    }
}
