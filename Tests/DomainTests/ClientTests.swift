import Domain
import Testing

@Suite("What people ask an installation by commands")
struct ClientTests {
    private static let choices = [("1", "Boiler"), ("2", "boiler"), ("3", "Pump"), ("4", "Pump"), ("5", "Valve")]
        .map { (id: $0.0, name: $0.1) }

    /// Two that look alike, an é of one code point and one of two.
    private static let alike = [(id: "6", name: "\u{E9}"), (id: "7", name: "e\u{301}")]

    @Test("is named byte by byte where names look alike", arguments: [("\u{E9}", "6"), ("e\u{301}", "7")])
    func exactly(_ name: String, _ id: String) throws {
        #expect(try NamedChoice.id(of: name, .things, among: Self.alike) == id)
    }

    @Test(
        "is named as it is written, or in any case if nothing is written so",
        arguments: [("Boiler", "1"), ("boiler", "2"), ("VALVE", "5")])
    func found(_ name: String, _ id: String) throws {
        #expect(try NamedChoice.id(of: name, .things, among: Self.choices) == id)
    }

    @Test(
        "says what else there is if a name is nobody's, and the ids if it is several",
        arguments: [
            ("Valv", "there is no thing \"Valv\"; did you mean \"Valve\"?"),
            ("Pump", "2 things are called \"Pump\", so name one by its id: 3, 4"),
            ("BOILER", "2 things are called \"BOILER\", so name one by its id: 1, 2"),
        ])
    func notFound(_ name: String, _ words: String) {
        let problem = #expect(throws: ClientProblem.self) {
            try NamedChoice.id(of: name, .things, among: Self.choices)
        }
        #expect(problem?.description == words)
    }

    @Test(
        "completes a word by names, and by ids where a name would not do",
        arguments: [
            ("", ["Boiler", "boiler", "3", "4", "Valve"]), ("5", ["Boiler", "boiler", "3", "4", "Valve", "5"]),
        ])
    func completed(_ begun: String, _ offered: [String]) {
        #expect(NamedChoice.completions(of: begun, among: Self.choices) == offered)
    }

    @Test("completes no word by a name that would be an option, an id or no text", arguments: ["-x", "", "a\nb", id])
    func unnameable(_ name: String) {
        #expect(NamedChoice.completions(of: "", among: [(id: "1", name: name)]) == ["1"])
    }

    private static let id = "00000000-0000-4000-8000-000000000001"

    private struct Line: Sendable {
        let words: [String]
        let index: Int
        var begun = ""
        var context: String?
        var url: String?
        var key: String?
        var kind: ResourceKind?
        var before: String?
    }

    private static let lines = [
        Line(words: ["hookline", "enable", "Pi"], index: 2, begun: "Pi", before: "enable"),
        Line(
            words: ["hookline", "delete", "webhook", ""], index: 3, kind: .webhooks, before: "webhook"),
        Line(
            words: ["hookline", "delete", "--context", "thing", "webhook", "--group", "x", ""], index: 7,
            context: "thing", kind: .webhooks, before: "x"),
        Line(
            words: ["hookline", "get", "log", "--webhook", "", "--context=a b"], index: 4, context: "a b",
            before: "--webhook"),
        // As bash parts it.
        Line(
            words: ["hookline", "get", "log", "--url", "http", ":", "//127.0.0.1", ":", "9021", "--webhook", "=", "x"],
            index: 11, begun: "x", url: "http://127.0.0.1:9021", before: "--webhook"),
        Line(
            words: ["hookline", "test", #"my\ "ho"#, "--key-file", "=", "~/k", "--context", #"'it'\''s'"#], index: 2,
            begun: "my ho", context: "it's", key: "/home/me/k", before: "test"),
        // The word that is to be completed is no value yet.
        Line(words: ["hookline", "test", "--context", "ho"], index: 3, begun: "ho", before: "--context"),
        Line(words: ["hookline", "test", "--context"], index: 3, before: "--context"),
        Line(words: [], index: 0), Line(words: ["a"], index: -1), Line(words: ["="], index: 1, before: nil),
    ]

    @Test("is asked of the installation that a line names while it is typed", arguments: lines.indices)
    func typed(_ index: Int) {
        let line = Self.lines[index]
        let typed = TypedWords(line.words, at: line.index, home: "/home/me")
        #expect(typed.begun == line.begun && typed.before == line.before && typed.kind == line.kind)
        #expect(typed.value(of: "--context") == line.context && typed.value(of: "--url") == line.url)
        #expect(typed.value(of: "--key-file") == line.key)
    }

    @Test("is told a shell as what it is, whatever it is called")
    func written() {
        #expect(CompletingShell.bash.written("it's $(id)") == #"'it'\''s $(id)'"#)
        #expect(CompletingShell.zsh.written("a:b:") == #"a\:b\:"#)
        #expect(CompletingShell.fish.written("a:b 'c'") == "a:b 'c'")
    }

    @Test("is of a kind that is named in the singular or the plural")
    func kinds() {
        for kind in ResourceKind.allCases {
            #expect(ResourceKind(naming: kind.rawValue) == kind && ResourceKind(naming: kind.one) == kind)
        }
        #expect(ResourceKind(naming: "orgs") == nil && ResourceKind(naming: "") == nil)
    }

    @Test("is shown in columns or a field on each line, and as nothing but text")
    func text() {
        let objects: [JSONFields] = [
            ["id": .string("1"), "name": .string("a\u{1B}b"), "n": .integer(5)],
            ["id": .string("10"), "name": .null],
        ]
        #expect(
            ClientText.table(objects, columns: ["id", "name", "n"]) == """
                ID  NAME  N
                1   a b   5
                10  -     -
                """)
        #expect(ClientText.table([], columns: ["id"]) == "ID")
        #expect(ClientText.fields(["name": .string("x"), "b": .null, "id": .integer(1)]) == "id    1\nname  x")
    }

    @Test("contexts are read as they are written, and those that are not there are told")
    func contexts() throws {
        var contexts = ClientContexts()
        contexts.places = [
            "home": .init(url: "http://h", keyFile: "/k"), "a \"b\"": .init(url: "https://x", keyFile: "/y"),
        ]
        contexts.current = "home"
        #expect(try ClientContexts(reading: Array(contexts.text.utf8)) == contexts)
        #expect(try contexts.place(nil).url == "http://h" && contexts.place("a \"b\"").keyFile == "/y")
        #expect(throws: ClientProblem("there is no context \"x\"; there are: a \"b\", home")) {
            try contexts.place("x")
        }
        #expect(throws: ClientProblem.self) { try ClientContexts().place(nil) }
        try contexts.remove("home")
        #expect(contexts.places.keys.sorted() == ["a \"b\""] && contexts.current == nil)
        #expect(throws: ClientProblem.self) { try contexts.remove("home") }
        #expect(throws: ClientProblem(#"no context is used: hookline context use NAME; there are: a "b""#)) {
            try contexts.place(nil)
        }
        #expect(throws: InvalidField.self) { try ClientContexts(reading: Array(#"{"contexts":{"a":{}}}"#.utf8)) }
    }
}
