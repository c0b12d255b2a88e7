import Domain
import Testing

@Suite("What something may be called by now")
struct ChosenNameTests {
    @Test(
        "shows what it is",
        arguments: [
            ("a", true), ("Pump 1", true), (" a ", true), ("größe", true), ("gr\u{F6}\u{DF}e", true),
            ("\u{5E9}\u{5DC}", true),
            ("\u{645}\u{6CC}\u{200C}\u{62E}", true), ("👩\u{200D}🔧", true), ("❤\u{FE0F}", true),
            ("\u{915}\u{94D}\u{200D}\u{937}", true),
            ("🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}", true),
            ("Pumpe 1\u{FE0F}\u{20E3}", true), ("\u{1820}\u{180B}", true), ("é\u{200D}", false),
            ("é\u{200D}\u{200D}ü", false),
            (" ", false), ("\u{A0}\u{2003}", false), ("\u{2800}", false), ("\u{3164}", false),
            ("ad\u{200B}min", false), ("ad\u{200D}min", false), ("admin\u{FE0F}", false), ("ad\u{AD}min", false),
            ("\u{FEFF}admin", false), ("exe\u{202E}gnp.a", false), ("a\u{2066}b\u{2069}", false), ("a\u{200F}", false),
            ("a\u{2060}b", false), ("a\u{E0041}", false), ("é\u{E0001}", false),
        ])
    func legible(name: String, isLegible: Bool) throws {
        var field: String?
        do throws(InvalidField) { _ = try Name.chosen(name, field: "[0].name") } catch { field = error.field }
        #expect(field == (isLegible ? nil : "[0].name"))
        // Who is called so may be called so on, and changes all else.
        #expect(try Name.chosen(name, insteadOf: name) == name)
        #expect(try Name.checked(name) == name)
        #expect(((try? Name.chosen(name, insteadOf: "another")) != nil) == isLegible)
    }

    @Test("does not turn around what a terminal shows", arguments: [("a\u{202E}b\u{1B}[1m", "a b [1m"), ("é", "é")])
    func printable(text: String, shown: String) {
        #expect(text.printable == shown)
    }
}
