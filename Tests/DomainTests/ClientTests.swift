import Domain
import Testing

@Suite("What people ask an installation by commands")
struct ClientTests {
    private static let choices = [("1", "Boiler"), ("2", "boiler"), ("3", "Pump"), ("4", "Pump"), ("5", "Valve")]
        .map { (id: $0.0, name: $0.1) }

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
        #expect(throws: InvalidField.self) { try ClientContexts(reading: Array(#"{"contexts":{"a":{}}}"#.utf8)) }
    }
}
