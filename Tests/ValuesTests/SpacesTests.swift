import Testing
import Values

@Suite("A text with spaces around it")
struct SpacesTests {
    @Test(
        "has them taken off, and nothing else changed",
        arguments: [(" a b ", "a b"), ("\u{301}60 ", "\u{301}60"), (" \u{301}6", "\u{301}6"), ("  ", ""), ("", "")])
    func trimmed(_ text: String, _ bare: String) {
        #expect(Array(text.trimmingSpaces.utf8) == Array(bare.utf8))
    }
}
