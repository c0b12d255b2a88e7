import Domain
import Testing

@Suite("Text of others in a line")
struct PrintableTextTests {
    @Test(
        "has nothing that ends it, that a terminal obeys, or that turns around what stands beside it",
        arguments: [
            ("a\r\nb", "a  b"), ("\u{1B}[2J", " [2J"), ("\u{9B}2J", " 2J"), ("a\u{2028}b\u{2029}c\u{85}", "a b c "),
            ("\u{202E}cba\u{2066}", " cba "), ("Käse 🦊", "Käse 🦊"),
            // Words of Persian are joined so, and a family.
            ("می\u{200C}خواهم", "می\u{200C}خواهم"), ("👩\u{200D}👧", "👩\u{200D}👧"),
        ])
    func printable(text: String, shown: String) {
        #expect(text.printable.unicodeScalars.elementsEqual(shown.unicodeScalars))
    }

    @Test("is cut by what it is made of, of which one character can have any number")
    func cut() {
        let accents = "e" + String(repeating: "\u{301}", count: 10_000)
        #expect(accents.count == 1 && accents.printable(most: 10).unicodeScalars.count == 11)
        #expect("abc".printable(most: 3) == "abc" && "abcd".printable(most: 3) == "abc…" && "".printable(most: 0) == "")
    }
}
