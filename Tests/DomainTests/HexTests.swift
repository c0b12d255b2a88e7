import Domain
import Testing

@Suite("Hexadecimal digits")
struct HexTests {
    @Test("every byte comes back")
    func everyByte() {
        let bytes = (0...255).map { UInt8($0) }
        #expect(Hex.decode(Hex.encode(bytes)) == bytes)
        #expect(Hex.encode([0, 10, 255]) == "000aff")
    }

    @Test(
        "digits of either case are read, and nothing else",
        arguments: [
            ("", []), ("0aFf", [10, 255]), ("0", nil), ("0g", nil), ("+1", nil), (" 1", nil), ("é1", nil),
        ] as [(String, [UInt8]?)])
    func decoding(text: String, expected: [UInt8]?) {
        #expect(Hex.decode(text) == expected)
    }
}
