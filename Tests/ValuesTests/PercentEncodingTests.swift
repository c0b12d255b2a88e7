import Testing
import Values

@Suite("Percent-encoding")
struct PercentEncodingTests {
    @Test(
        "is taken off, and what is none stands for itself or is refused",
        arguments: [
            ("", "", true), ("a+b", "a+b", true), ("room%2F1", "room/1", true), ("k%C3%BCche", "küche", true),
            ("%f0%9F%98%80", "😀", true), ("%25FF", "%FF", true), ("%2541", "%41", true), ("%", "%", false),
            ("100%", "100%", false), ("a%2", "a%2", false), ("%zz", "%zz", false), ("%%41", "%A", false),
            ("%4g%41", "%4gA", false), ("%+1", "%+1", false), ("% 1", "% 1", false), ("%4%31", "%41", false),
        ])
    func decoded(encoded: String, text: String, isStrict: Bool) {
        #expect(PercentEncoding.decodeLeniently(encoded.utf8) == Array(text.utf8))
        #expect(PercentEncoding.decode(encoded.utf8) == (isStrict ? Array(text.utf8) : nil))
    }

    @Test("is of every byte, by digits of either case")
    func everyByte() {
        for byte in UInt8.min...UInt8.max {
            let digits = String(byte, radix: 16)
            let both = digits.count == 1 ? "0\(digits)" : digits
            for text in ["%\(both)", "%\(both.uppercased())"] {
                #expect(PercentEncoding.decode(text.utf8) == [byte])
                #expect(PercentEncoding.decodeLeniently(text.utf8) == [byte])
            }
        }
    }

    @Test(
        "is text if it is UTF-8 once it is off",
        arguments: [
            ("", true), ("room/1", true), ("k%C3%BCche", true), ("%F0%9F%98%80", true), ("%f0%9f%98%80%2f", true),
            ("%", true), ("100%", true), ("a%2", true), ("%zz", true), ("%%41", true), ("%FF", false),
            ("k%fcche", false), ("%C3%28", false), ("%E2%82", false), ("%C0%AF", false), ("%ED%A0%80", false),
            ("%25FF", true),
        ])
    func isText(encoded: String, isText: Bool) {
        #expect(PercentEncoding.isText(encoded.utf8) == isText)
    }
}
