import Testing
import Values

@testable import Domain

private typealias Fixtures = CertificateFixtures

@Suite("A client certificate")
struct CertificateTests {
    @Test("says of itself what openssl says of it")
    func facts() throws {
        let client = ClientCertificate(chain: Fixtures.p256, privateKey: Fixtures.p256Key)
        let certificate = try #require(client.certificate)
        #expect(certificate.subject == "C=DE, O=Example, CN=device-7" && certificate.issuer == "CN=Test CA")
        #expect(certificate.validFrom.text.hasPrefix("2026-11-26T14:32:06"))
        #expect(certificate.validUntil.text.hasPrefix("2126-11-02T14:32:06"))
        #expect(
            certificate.fingerprint
                == "89:84:0D:EB:B3:9A:8F:B4:3E:37:34:A6:10:01:B9:B3:2A:AF:42:80:45:7F:5A:60:92:86:EC:5C:91:F6:7C:1B")
    }

    @Test(
        "is taken with its key, of each kind and form",
        arguments: [
            (Fixtures.p256, Fixtures.p256Key), (Fixtures.p384, Fixtures.p384Key), (Fixtures.p521, Fixtures.p521Key),
            (Fixtures.rsa, Fixtures.rsaKey), (Fixtures.rsa, Fixtures.rsaPKCS1), (Fixtures.p256, Fixtures.p256SEC1),
            ("Bag Attributes\n  x\n" + Fixtures.p256 + Fixtures.authority, "\r\n" + Fixtures.p256Key),
            (Fixtures.p256.replacing("\n", with: "\r\n"), Fixtures.p256 + Fixtures.p256Key),
        ])
    func taken(chain: String, key: String) throws {
        var options = WebhookOptions()
        try options.change(by: Self.object(chain, key))
        try options.clientCertificate?.check()
        #expect(options.clientCertificate?.certificate != nil)
    }

    @Test(
        "is refused with the place and in words, and without a word of the key",
        arguments: [
            ("", Fixtures.p256Key, "certificate", "1 to 10 certificates"),
            (Fixtures.p256Key, Fixtures.p256Key, "certificate", "1 to 10 certificates"),
            (String(Fixtures.p256.prefix(200)), Fixtures.p256Key, "certificate", "in PEM"),
            (
                "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", Fixtures.p256Key, "certificate",
                "cannot be read: number 1"
            ),
            (Fixtures.p256, Fixtures.p384Key, "private_key", "does not belong to the certificate of C=DE"),
            (Fixtures.rsa, Fixtures.p256Key, "private_key", "does not belong"),
            (Fixtures.p256, Fixtures.encryptedKey, "private_key", "without a passphrase"),
            (Fixtures.p256, Fixtures.ed25519Key, "private_key", "P-256, P-384, P-521 or RSA"),
            (Fixtures.p256, "x", "private_key", "one private key"),
            (Fixtures.p256, Fixtures.p256Key + Fixtures.p384Key, "private_key", "one private key"),
            (
                Fixtures.authority + Fixtures.p256, Fixtures.p256Key, "certificate",
                "CN=Test CA is signed by CN=Test CA, and not by C=DE"
            ),
        ])
    func refused(chain: String, key: String, place: String, words: String) throws {
        var options = WebhookOptions()
        let error = #expect(throws: InvalidField.self) {
            try options.change(by: Self.object(chain, key))
            try options.clientCertificate?.check()
        }
        #expect(
            error?.field == "client_certificate.\(place)" && error?.reason.contains(words) == true, "\(error as Any)")
        for line in key.split(separator: "\n") where !line.hasPrefix("-----") && line.count > 4 {
            #expect(error?.reason.contains(line) != true)
        }
    }

    @Test("keeps its key where none is given, and shows it to nobody")
    func masked() throws {
        var options = WebhookOptions()
        try options.change(by: Self.object(Fixtures.p256, Fixtures.p256Key))
        let kept = options
        for key in [nil, "***"] as [String?] {
            try options.change(by: Self.object(Fixtures.p256, key))
            #expect(options == kept)
        }
        let answer = Dictionary(options.answer(seenBy: .owner)) { first, _ in first }["client_certificate"]
        let text = try #require(answer).text
        #expect(text.contains(#""private_key":"***""#) && text.contains(#""subject":"C=DE, O=Example, CN=device-7""#))
        #expect(!text.contains("PRIVATE KEY") && !"\(options)\(kept.clientCertificate as Any)".contains("PRIVATE KEY"))
        let none = #expect(throws: InvalidField.self) {
            var empty = WebhookOptions()
            try empty.change(by: Self.object(Fixtures.p256, "***"))
        }
        #expect(none?.reason == "is required: the certificate's key in PEM")
    }

    @Test("that has ended is told so")
    func ended() throws {
        let client = ClientCertificate(chain: Fixtures.p256, privateKey: Fixtures.p256Key)
        let end = try #require(client.certificate?.validUntil)
        #expect(throws: Never.self) { try client.checkIsValid(at: end - .seconds(1)) }
        let error = #expect(throws: InvalidField.self) { try client.checkIsValid(at: end) }
        #expect(error?.description == "client_certificate.certificate has expired, on 2126-11-02")
    }

    @Test("of a group, and its authorities, are changed one by one; connections on other terms are others")
    func group() throws {
        var tls = GroupTLS()
        #expect(TLSTerms(tls) == nil)
        let authorities = JSONValue.string(Fixtures.authority + Fixtures.rsa)
        try tls.change(by: JSONObject(.object(["authorities": authorities, "minimum": .string("1.3")]), at: ""))
        #expect(tls.trusted.map(\.subject) == ["CN=Test CA", "CN=rsa"] && tls.minimum == .v13)
        let before = try #require(TLSTerms(tls))
        try tls.change(by: Self.object(Fixtures.p256, Fixtures.p256Key))
        #expect(tls.trusted.count == 2)
        let terms = try #require(TLSTerms(tls))
        #expect(terms != before && terms == TLSTerms(tls))
        let own = ClientCertificate(chain: Fixtures.rsa, privateKey: Fixtures.rsaKey)
        #expect(TLSTerms(own: own, in: terms) == TLSTerms(own: own, in: before))
        try tls.change(
            by: JSONObject(
                .object(["authorities": .null, "minimum": .null, "client_certificate": .null]), at: ""))
        #expect(tls.isEmpty)
        let error = #expect(throws: InvalidField.self) {
            try tls.change(by: JSONObject(.object(["authorities": .string("x")]), at: ""))
        }
        #expect(error?.field == "authorities")
    }

    @Test("is no certificate where bytes are missing or others, and nothing ends the process")
    func nonsense() throws {
        let bytes = try #require(PEM.blocks(of: Fixtures.p256)?.first?.bytes)
        for count in 0..<bytes.count { #expect(Certificate(der: Array(bytes.prefix(count))) == nil) }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            var other = bytes
            for _ in 0..<3 { other[Int.random(in: 0..<bytes.count, using: &generator)] = .random(in: 0...255) }
            _ = Certificate(der: other)
        }
    }

    private static func object(_ chain: String, _ key: String?) throws -> JSONObject {
        var fields: JSONFields = ["certificate": .string(chain)]
        if let key { fields["private_key"] = .string(key) }
        return try JSONObject(.object(["client_certificate": .object(fields)]), at: "")
    }
}
