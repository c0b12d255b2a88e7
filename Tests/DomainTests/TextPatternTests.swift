import Domain
import Testing

@Suite("A pattern of texts")
struct TextPatternTests {
    @Test(
        "takes what it describes, as a whole",
        arguments: [
            ("", ["": true, "a": false]), ("*", ["": true, "äb\nc": true]),
            ("ok", ["ok": true, "OK": false, "oka": false]),
            ("*ok*", ["ok": true, "took it": true, "o k": false]),
            ("a*b*c", ["abc": true, "a-bb-c": true, "acb": false]),
            ("?", ["ä": true, "": false, "ab": false]), ("[1-9]*", ["7": true, "0": false, "12": true, "": false]),
            ("[!0]", ["1": true, "0": false, "": false]), ("[a-cx]", ["b": true, "x": true, "-": false]),
            ("[a-]", ["-": true, "a": true, "b": false]), ("\\*", ["*": true, "a": false]),
            ("ä[ö-ü]", ["äö": true, "äa": false]), ("**a", ["a": true, "ba": true, "ab": false]),
            (String(repeating: "a", count: 63), [String(repeating: "a", count: 63): true, "a": false]),
        ] as [(String, [String: Bool])])
    func taken(pattern: String, texts: [String: Bool]) throws {
        let pattern = try #require(TextPattern(pattern))
        for (text, isTaken) in texts { #expect(pattern.matches(text) == isTaken, "\(text)") }
    }

    @Test(
        "is none with a bracket that is open, empty or backwards, a backslash at its end, or over 63 characters",
        arguments: ["[a", "[", "[]", "[!]", "[z-a]", "a\\", String(repeating: "a", count: 64)])
    func refused(text: String) {
        #expect(TextPattern(text) == nil)
    }
}
