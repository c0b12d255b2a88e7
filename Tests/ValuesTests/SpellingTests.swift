import Testing
import Values

@Suite("Names that are misspelt")
struct SpellingTests {
    @Test(
        "are recognized by what is near",
        arguments: [
            ("headres", "headers"), ("HEADERS", "headers"), ("header", "headers"), ("ulr", "url"),
            ("rate-limit", "rate_limit"),
            ("", nil), ("colour", nil), ("x", nil), (String(repeating: "headers", count: 100_000), nil),
        ])
    func nearest(name: String, expected: String?) {
        #expect(Spelling.nearest(to: name, among: ["headers", "url", "rate_limit", "method"]) == expected)
    }
}
