import Testing
import Values

@Suite("A digit of base 16")
struct HexDigitTests {
    @Test("is one of 0 to 9, a to f and A to F, and nothing else")
    func all() {
        for byte in UInt8.min...UInt8.max {
            let expected = Unicode.Scalar(byte).isASCII ? UInt8(String(Unicode.Scalar(byte)), radix: 16) : nil
            #expect(HexDigit.value(of: byte) == expected, "\(byte)")
        }
    }
}
