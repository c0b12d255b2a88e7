import Domain
import Testing

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
        #expect((JSONValue.string(one) == .string(other)) == isSame)
    }
}
