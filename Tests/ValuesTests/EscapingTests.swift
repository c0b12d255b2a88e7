import Testing
import Values

@Suite("Signs that are written otherwise")
struct EscapingTests {
    @Test(
        "are so wherever they stand, joined to others too",
        arguments: [
            ("", ""), ("a<b", "a&lt;b"), ("<\u{301}", "&lt;\u{301}"), ("\u{0D4E}<", "\u{0D4E}&lt;"),
            ("\u{0D4E}<\u{301}>", "\u{0D4E}&lt;\u{301}>"),
        ])
    func escaped(text: String, expected: String) {
        let escaped = text.escaping { $0 == "<" ? "&lt;" : nil }
        #expect(escaped.unicodeScalars.elementsEqual(expected.unicodeScalars))
    }
}
