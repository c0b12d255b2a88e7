import Testing
import Values

@Suite("Texts that are compared by their bytes")
struct ExactTextTests {
    @Test(
        "are the same if these are, and not if Swift takes them for the same",
        arguments: [
            ("a", "a", true), ("", "", true), ("a", "b", false), ("ren\u{E9}", "ren\u{E9}", true),
            ("ren\u{E9}", "rene\u{301}", false), ("K", "\u{212A}", false), (";", "\u{37E}", false),
        ])
    func same(one: String, other: String, isSame: Bool) {
        #expect(one.isExactly(other) == isSame)
        #expect((ExactText(one) == ExactText(other)) == isSame)
        #expect(Set([ExactText(one), ExactText(other)]).count == (isSame ? 1 : 2))
        #expect((ExactText(one) < ExactText(other) || ExactText(other) < ExactText(one)) == !isSame)
    }

    @Test(
        "are parted where the separator stands, whatever is put onto it",
        arguments: [
            ("a/b", ["a", "b"]), ("", [""]), ("/", ["", ""]), ("a", ["a"]), ("a//b/", ["a", "", "b", ""]),
            ("a/\u{301}b", ["a", "\u{301}b"]), ("/\u{20E3}/\u{FE0F}", ["", "\u{20E3}", "\u{FE0F}"]),
        ])
    func parts(text: String, expected: [String]) {
        let parts = text.parts(between: "/")
        #expect(parts.map { Array($0.utf8) } == expected.map { Array($0.utf8) })
        #expect(text.has("/") == (expected.count > 1))
    }
}
