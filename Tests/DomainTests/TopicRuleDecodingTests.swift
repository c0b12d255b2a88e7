import Domain
import Testing
import Values

@Suite("Topic rules that decode payloads")
struct TopicRuleDecodingTests {
    typealias Draft = TopicRule.Draft

    private func taken(_ draft: Draft, _ payload: [UInt8], topic: String = "up") throws -> TopicRule.Taken {
        let rule = try TopicRule(draft)
        #expect(rule.pattern.filter.matches(topic))
        return rule.take(
            try #require(TopicLevels(topic)), payload, received: try #require(Instant(seconds: 1_700_000_000)))
    }

    /// Things with what they say: the payload as it came is `raw`.
    private func words(_ taken: TopicRule.Taken, _ payload: [UInt8]) -> [String] {
        taken.parts.map { part in
            let text = part.origin == .made ? String(decoding: part.payload, as: UTF8.self) : "other bytes"
            return "\(part.thing) \(part.origin == .published && part.payload == payload ? "raw" : text)"
        } + taken.refused.map(\.rawValue)
    }

    private static func bytes(_ hex: String) -> [UInt8] { Hex.decode(hex.filter { $0 != " " }) ?? [] }

    private static let named = Draft(filter: "up", thing: "id")
    private static let list = Draft(filter: "up", thing: "id", split: "array")
    private static let keys = Draft(filter: "up", split: "keys")
    private static let binaryCases: [(String, Draft, String, [String])] = [
        ("cbor", named, "a1 626964 6161", ["a raw"]), ("cbor", named, "a1 626964 07", ["7 raw"]),
        ("cbor", named, "a1 626964 80", ["no_thing"]), ("cbor", named, "00", ["no_thing"]),
        (
            "cbor", list, "82 a2 626964 636f6e65 6174 f94d60 a2 626964 6374776f 6174 20",
            [#"one {"id":"one","t":21.5}"#, #"two {"id":"two","t":-1}"#]
        ),
        ("cbor", list, "82 a1 626964 6161 01", [#"a {"id":"a"}"#, "no_thing"]),
        ("cbor", list, "a0", ["not_split"]), ("cbor", list, "80", ["not_split"]),
        (
            "cbor", Draft(filter: "up", thing: "id", split: "array", splitPath: "r"), "a1 6172 81 a1 626964 6178",
            [#"x {"id":"x"}"#]
        ),
        ("cbor", keys, "a2 6161 01 6162 f5", ["a 1", "b true"]), ("cbor", keys, "a1 01 02", ["1 2"]),
        ("cbor", keys, "81 01", ["not_split"]),
        ("cbor", list, "82", ["undecoded"]), ("cbor", named, "", ["undecoded"]), ("cbor", keys, "ff", ["undecoded"]),
        ("msgpack", named, "82 a26964 a161 a16e 01", ["a raw"]),
        ("msgpack", list, "92 81 a26964 a161 81 a26964 a162", [#"a {"id":"a"}"#, #"b {"id":"b"}"#]),
        ("msgpack", keys, "81 a161 93 01 02 03", ["a [1,2,3]"]), ("msgpack", list, "c1", ["undecoded"]),
        ("senml", Draft(filter: "up", thing: "name", split: "array"), "a0", ["undecoded"]),
        (
            "sparkplug_b", Draft(filter: "up", thing: "metrics[0].name"),
            "08eaf2f5a8a02b121c0a094d79204d6574726963100118eaf2f5a8a02b200350fdffffff0f1802", ["My Metric raw"]
        ),
        (
            "sparkplug_b", Draft(filter: "up", thing: "name", split: "array", splitPath: "metrics"),
            "08eaf2f5a8a02b121c0a094d79204d6574726963100118eaf2f5a8a02b200350fdffffff0f1802",
            [
                #"My Metric {"name":"My Metric","alias":1,"timestamp":1486144502122,"datatype":"Int32","value":-3}"#
            ]
        ),
        ("sparkplug_b", named, "1a", ["undecoded"]), ("text", named, "ff", ["undecoded"]),
    ]

    @Test("find things in bytes, send on what is whole as it came, and make JSON of parts", arguments: Self.binaryCases)
    func binary(decode: String, draft: Draft, hex: String, expected: [String]) throws {
        var draft = draft
        draft.decode = decode
        let payload = Self.bytes(hex)
        let taken = try self.taken(draft, payload)
        #expect(self.words(taken, payload) == expected)
        #expect((taken.undecoded != nil) == (expected == ["undecoded"]))
        if let undecoded = taken.undecoded { #expect(undecoded.format.rawValue == decode) }
    }

    private static let textCases: [(String, Draft, String, [String])] = [
        (
            "senml", Draft(filter: "up", thing: "name", split: "array"),
            #"[{"bn":"urn:","n":"x","v":1,"t":-5},{"n":"y","vb":true}]"#,
            [
                #"urn:x {"name":"urn:x","time":1699999995000000000,"value":1}"#,
                #"urn:y {"name":"urn:y","time":1700000000000000000,"bool_value":true}"#,
            ]
        ),
        ("senml", Draft(filter: "up", thing: "[0].name"), #"[{"n":"x","v":1}]"#, ["x raw"]),
        ("csv", list, "id;t\na;21.70\n7;x\n", [#"a {"id":"a","t":21.70}"#, #"7 {"id":7,"t":"x"}"#]),
        ("csv", list, "id,t\n,1\n", ["no_thing"]), ("csv", list, "", ["not_split"]),
        ("csv", list, "id\n\"a", ["undecoded"]), ("csv", Draft(filter: "up", thing: "[0].id"), "id\na\n", ["a raw"]),
        ("text", Draft(filter: "up", thing: ""), "kitchen", ["kitchen raw"]), ("text", named, "kitchen", ["no_thing"]),
        ("text", list, "kitchen", ["not_split"]),
        ("json", named, #"{"id":"a"}"#, ["a raw"]), ("json", named, "no json", ["not_json"]),
    ]

    @Test("find things in texts, and what they say in parts", arguments: Self.textCases)
    func text(decode: String, draft: Draft, payload: String, expected: [String]) throws {
        var draft = draft
        draft.decode = decode
        let payload = Array(payload.utf8)
        #expect(self.words(try self.taken(draft, payload), payload) == expected)
    }

    @Test("say what is wrong with a payload, and where")
    func reason() throws {
        let taken = try self.taken(Draft(filter: "up", thing: "id", decode: "cbor"), Self.bytes("82"))
        #expect(taken.undecoded?.description == "cbor: it ends in the middle, at byte 1")
        // Of several rules one that cannot is told, beside what another makes of it.
        var all = try self.taken(Draft(filter: "up", thing: "", decode: "text"), Array("a".utf8))
        all.add(taken)
        #expect(all.undecoded == taken.undecoded && all.parts.count == 1 && all.refused == [.undecoded])
    }

    @Test("make so many messages of one and no more, and none of a payload that would become too long")
    func bounds() throws {
        let draft = Draft(filter: "up/{thing}", split: "array", decode: "cbor")
        for (count, isTaken) in [(TopicRule.mostParts, true), (TopicRule.mostParts + 1, false)] {
            let payload: [UInt8] = [0x99, UInt8(count >> 8), UInt8(count & 0xFF)] + Array(repeating: 0, count: count)
            let taken = try self.taken(draft, payload, topic: "up/x")
            #expect(taken.parts.count == (isTaken ? count : 0) && taken.refused == (isTaken ? [] : [.notSplit]))
        }
        // Names of columns are written in every row.
        let columns = (0..<20).map { String(repeating: "n", count: 180) + "\($0)" }.joined(separator: ",")
        let rows = String(repeating: String(repeating: ",", count: 19) + "\n", count: 500)
        var table = draft
        table.decode = "csv"
        let taken = try self.taken(table, Array("\(columns)\n\(rows)".utf8), topic: "up/x")
        #expect(taken.parts.isEmpty && taken.refused == [.undecoded])
    }

    @Test("hear of a presence what a path in the payload says, and of a last will that is a text")
    func presence() throws {
        let told = TopicPresence.Draft(path: "s", online: ["on"], offline: ["gone"])
        for deliver in [nil, true, false] {
            var draft = Draft(filter: "a/{thing}", presence: told, decode: "cbor")
            draft.presence?.deliver = deliver
            func parts(_ payload: [UInt8]) throws -> TopicRule.Taken { try self.taken(draft, payload, topic: "a/x") }
            for (payload, isConnected) in [
                (Self.bytes("a1 6173 626f6e"), true), (Self.bytes("a1 6173 64676f6e65"), false),
                (Array("gone".utf8), false),
            ] {
                let taken = try parts(payload)
                #expect(taken.parts.map(\.isConnected) == [isConnected] && taken.refused.isEmpty)
                #expect(self.words(taken, payload) == ["x raw"])
                #expect(taken.parts.map(\.isDelivered) == [deliver != false])
            }
            // What says nothing of it is a message all the same, or counted if it is to be none.
            let broken = try parts(Self.bytes("ff"))
            #expect(broken.parts.count == (deliver == false ? 0 : 1))
            #expect(broken.refused == (deliver == false ? [.undecoded] : []))
            #expect(try parts(Self.bytes("a0")).refused.isEmpty)
        }
        let parts = Draft(filter: "up", thing: "id", split: "array", presence: told, decode: "cbor")
        #expect(
            try self.taken(parts, Self.bytes("81 a2 626964 6161 6173 626f6e")).parts.map(\.isConnected) == [true])
    }

    /// Payloads by rules without `decode`, and by what a profile's decoders their parts are JSON and nothing else.
    private static let cutCases: [(Draft, String, [String])] = [
        (list, #"[{"id":"a","t":1},{"id":"b"}]"#, [#"a {"id":"a","t":1}"#, #"b {"id":"b"}"#]),
        (keys, #"{"a":5,"b":"x"}"#, ["a 5", #"b "x""#]),
        (
            Draft(filter: "up", split: "keys", splitPath: "r"), #"{"r":{"a":[{"n":"t","v":1}]}}"#,
            [#"a [{"n":"t","v":1}]"#]
        ),
    ]

    @Test("cut JSON into JSON, of which only a format that is JSON makes more", arguments: Self.cutCases)
    func cut(draft: Draft, payload: String, expected: [String]) throws {
        let taken = try self.taken(draft, Array(payload.utf8))
        #expect(taken.parts.map { "\($0.thing) \(String(decoding: $0.payload, as: UTF8.self))" } == expected)
        for part in taken.parts {
            #expect(part.origin == .cut && !part.isJSON(beside: nil))
            for decode in ["cbor", "msgpack", "sparkplug_b", "text", "csv"] {
                let decoder = try #require(PayloadDecoder.of(decode))
                #expect(part.isJSON(beside: decoder), "\(decode)")
            }
            let senml = try #require(PayloadDecoder.of("senml"))
            #expect(!part.isJSON(beside: senml))
        }
    }

    @Test("leave it to the profile what is whole, and to nobody what they have decoded and cut")
    func whole() throws {
        let payload = Self.bytes("81 a1 626964 6161")
        let cbor = try #require(PayloadDecoder.of("cbor"))
        let senml = try #require(PayloadDecoder.of("senml"))
        for (draft, topic) in [
            (Draft(filter: "up/{thing}"), "up/a"), (Draft(filter: "up", thing: "[0].id", decode: "cbor"), "up"),
        ] {
            let part = try #require(try self.taken(draft, payload, topic: topic).parts.first)
            #expect(part.origin == .published && !part.isJSON(beside: cbor) && !part.isJSON(beside: nil))
        }
        var draft = Self.list
        draft.decode = "cbor"
        let part = try #require(try self.taken(draft, payload).parts.first)
        #expect(part.origin == .made && [nil, cbor, senml].allSatisfy { part.isJSON(beside: $0) })
    }

    @Test("are JSON where they say nothing, or say that")
    func json() throws {
        var draft = Self.named
        let plain = try TopicRule(draft)
        draft.decode = "json"
        #expect(try TopicRule(draft) == plain && plain.draft.decode == nil)
        draft.decode = "cbor"
        let cbor = try TopicRule(draft)
        draft.decode = "msgpack"
        #expect(try cbor != plain && cbor != TopicRule(draft) && cbor.draft.decode == "cbor")
        for format in TopicRule.formats {
            draft.decode = format.rawValue
            _ = try TopicRule(draft)
        }
    }

    @Test(
        "say what is wrong with them",
        arguments: [
            (Draft(filter: "a", thing: "id", decode: "protobuf"), "decode must be one of json, cbor, "),
            (Draft(filter: "a", thing: "id", decode: ""), "decode must be one of json, cbor, "),
            (Draft(filter: "a/{thing}", decode: "cbor"), "decode is for rules that look into payloads"),
            (Draft(filter: "a/{thing}", decode: "json"), "decode is for rules that look into payloads"),
            (
                Draft(filter: "a/{thing}", presence: .init(online: ["1"]), decode: "cbor"),
                "decode is for rules that look into payloads"
            ),
            (
                Draft(filter: "a/{thing}", presence: .init(always: "online"), decode: "cbor"),
                "decode is for rules that look into payloads"
            ),
        ])
    func wrong(draft: Draft, expected: String) {
        do throws(InvalidField) {
            _ = try TopicRule(draft)
            Issue.record("it is taken")
        } catch {
            #expect(error.description.hasPrefix(expected), "\(error)")
        }
    }
}
