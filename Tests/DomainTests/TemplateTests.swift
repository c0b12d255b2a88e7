import Domain
import TestSupport
import Testing

/// A message of a thing whose ids are all ones.
private func message(
    _ payload: String, subtopic: String = "room/1", event: TriggerKind? = nil, thing: EntityID? = nil
) -> Message {
    Message(
        id: MessageID(rawValue: 4_194_304_000), thing: thing ?? EntityID("11111111-1111-4111-8111-111111111111")!,
        group: EntityID("22222222-2222-4222-8222-222222222222")!, subtopic: subtopic, contentType: "application/json",
        payload: Array(payload.utf8), traceparent: nil, isKept: false, receivedNanoseconds: nil, event: event)
}

private func render(
    _ text: String, _ kind: Template.Kind, _ payload: String, event: TriggerKind? = nil
) throws -> String {
    let values = TemplateValues(
        message(payload, event: event), org: EntityID("33333333-3333-4333-8333-333333333333"),
        facts: ThingFacts(name: "Boiler \"2\"", profile: EntityID("44444444-4444-4444-8444-444444444444")))
    return String(decoding: try Template(text, kind: kind).render(values), as: UTF8.self)
}

@Suite("Templates")
struct TemplateTests {
    @Test(
        "are filled in with what stands for a message, escaped for the place it stands in",
        arguments: [
            // Numbers keep their text.
            ("{payload.t}", Template.Kind.text, #"{"t":21.70}"#, "21.70"),
            (#"{"t":{payload.t}}"#, .json, #"{"t":21.70}"#, #"{"t":21.70}"#),
            (#"{"t":"{payload.t} °C"}"#, .json, #"{"t":1e400}"#, #"{"t":"1e400 °C"}"#),
            // Strings are quoted where a JSON value stands, and escaped inside of quotes.
            (#"{"s":{payload.s}}"#, .json, #"{"s":"a\"b"}"#, #"{"s":"a\"b"}"#),
            (#"{"s":"<{payload.s}>"}"#, .json, #"{"s":"a\"b\n"}"#, #"{"s":"<a\"b\n>"}"#),
            ("{payload.s}", .text, #"{"s":"a\"bä"}"#, "a\"bä"),
            (#"{"n":{thing_name}}"#, .json, "{}", #"{"n":"Boiler \"2\""}"#),
            ("{thing_name}", .url, "{}", "Boiler%20%222%22"),
            // What is missing is empty, or null where a JSON value stands.
            ("<{payload.no}>", .text, "{}", "<>"),
            (#"[{payload.no},"{payload.no}"]"#, .json, "{}", #"[null,""]"#),
            ("<{payload.n}>", .text, #"{"n":null}"#, "<>"),
            // Objects and arrays are their text.
            ("{payload.a}", .text, #"{"a":[1, {"b":2.0}]}"#, #"[1, {"b":2.0}]"#),
            (#"{"a":{payload.a},"all":{payload}}"#, .json, #"{"a":[1.0]}"#, #"{"a":[1.0],"all":{"a":[1.0]}}"#),
            (#"{"a":"{payload.a}"}"#, .json, #"{"a":["x"]}"#, #"{"a":"[\"x\"]"}"#),
            // Paths.
            ("{payload.a.b[1].c}", .text, #"{"a":{"b":[0,{"c":"x"}]}}"#, "x"),
            (#"{payload["odd key"][0]}"#, .text, #"{"odd key":[true]}"#, "true"),
            ("{payload[0]}", .text, "[7.50]", "7.50"),
            ("{payload.a}", .text, #"{"a":1,"a":2}"#, "2"),
            ("{payload.u}", .text, #"{"u":"\u00e9\ud83d\ude00\/"}"#, "é😀/"),
            // The value: a member of that name, or else the payload itself.
            ("{value}", .text, #"{"value":1.50,"unit":"C"}"#, "1.50"), ("{value}", .text, "3.0", "3.0"),
            ("{value}", .text, "plain", "plain"), ("{value[0]}", .text, "plain", "plain"),
            ("{value[1]}", .text, "plain", ""), ("{value[1]}", .text, "[1,2.0]", "2.0"),
            ("{value[0]}", .text, "5", "5"), ("{value[1]}", .text, #"{"value":[1,"b"]}"#, "b"),
            ("a/pin/b/pin[1]/c", .text, "[1.0,2.0]", "a[1.0,2.0]b2.0c"),
            // In a url's path it may be a part of the path; behind the question mark it is not.
            ("/pin/x", .url, "5", "/pin/x"), ("/a//pin/", .url, "5", "/a/5"),
            ("/a?v=/pin/", .url, "5 %", "/a?v=5%20%25"),
            // Ids and the like.
            ("{thing_id}", .text, "", "11111111-1111-4111-8111-111111111111"),
            ("{device_id}", .text, "", "11111111-1111-4111-8111-111111111111"),
            ("{group_id}", .text, "", "22222222-2222-4222-8222-222222222222"),
            ("{org_id}", .text, "", "33333333-3333-4333-8333-333333333333"),
            ("{profile_id}", .text, "", "44444444-4444-4444-8444-444444444444"),
            ("{topic}", .text, "", "things/11111111-1111-4111-8111-111111111111/messages/room/1"),
            ("{subtopic}", .text, "", "room/1"), ("{subtopic}", .url, "", "room%2F1"),
            (#"{"at":{received_at},"id":{message_id}}"#, .json, "", #"{"at":1704067201000,"id":"4194304000"}"#),
            ("{user_id}", .text, "{}", ""),
            // A payload that is no JSON is itself, and a string where a JSON value stands.
            (#"{"p":{payload}}"#, .json, "a \"b\"", #"{"p":"a \"b\""}"#),
            (#"{"b":"{payload_base64}","h":{payload_hex}}"#, .json, "a°", #"{"b":"YcKw","h":"61c2b0"}"#),
            // What some add to any text is not part of it.
            (#"{"p":{payload}}"#, .json, "\u{FEFF}{\"a\":1}\0\0", #"{"p":{"a":1}}"#),
            // Of several of one name the last counts, and what is in it.
            ("<{payload.a.b}>", .text, #"{"a":{"b":1},"a":{"c":2}}"#, "<>"),
            ("{payload.a.b}", .text, #"{"a":{"b":1},"a":{"b":2}}"#, "2"),
            // What a string's escapes are, they stay.
            (#"{"s":"{payload.s}"}"#, .json, #"{"s":"\u0000\ud800\/"}"#, #"{"s":"\u0000\ud800\/"}"#),
            // What no request line may have.
            ("/a\"b{{c}|[d]^`%zz%20%", .url, "", "/a%22b%7Bc%7D%7C%5Bd%5D%5E%60%25zz%20%25"),
            ("/{{payload.k}", .url, "{}", "/%7Bpayload.k%7D"),
            // A line break does not begin another header.
            ("a {payload.s}", .header, #"{"s":"x\r\nEvil: 1"}"#, "a x  Evil: 1"),
            // Forms.
            ("{payload.s}", .form, #"{"s":"a b&c=ä+"}"#, "a%20b%26c%3D%C3%A4%2B"), ("x y", .form, "", "x%20y"),
            // Braces that are none of ours.
            ("{ return 1 }", .text, "", "{ return 1 }"), (#"{"a":{"b":1}}"#, .json, "", #"{"a":{"b":1}}"#),
            ("{{thing_id}", .text, "", "{thing_id}"), ("{1}", .text, "", "{1}"), ("{open", .text, "", "{open"),
            (#"{"k":"\"{payload.x}"}"#, .json, #"{"x":1}"#, #"{"k":"\"1"}"#),
            // What an escape consists of cannot come from a message: this becomes no JSON, and is refused when it is saved.
            (#"{"k":"\u00{payload.x}41"}"#, .json, #"{"x":"zz"}"#, #"{"k":"\u00{payload.x}41"}"#),
            // What is joined to the character before it does not hide that.
            ("{\"k\":\"\u{301}{payload.s}\"}", .json, #"{"s":"a\"b"}"#, "{\"k\":\"\u{301}a\\\"b\"}"),
            ("{{\u{301}", .text, "", "{\u{301}"), ("{open\r\n}", .text, "", "{open\r\n}"),
            ("/a//pin/\u{301}", .url, "5", "/a/5%CC%81"),
        ])
    func rendered(text: String, kind: Template.Kind, payload: String, expected: String) throws {
        #expect(try render(text, kind, payload) == expected)
    }

    @Test("of events know whom they are about from the event itself")
    func events() throws {
        let payload = #"{"thing_name":"Gone","profile_id":"p","user_id":"u"}"#
        #expect(
            try render("{thing_name} {profile_id} {user_id}{topic}", .text, payload, event: .thingRemoved) == "Gone p u"
        )
        let nobody = TemplateValues(message("{}", event: .memberAdded, thing: Message.noThing), org: nil)
        #expect(try Template("{thing_id}{org_id}", kind: .text).render(nobody).isEmpty)
    }

    @Test(
        "with a name that does not exist are refused, with its position and what was probably meant",
        arguments: [
            ("a {thingid}", 3, "thing_id"), ("{devise_id}", 1, "device_id"), ("{Payload.x}", 1, "payload"),
            ("{thing_id}{paylod.a}", 11, "payload"), ("{valu}", 1, "value"), ("{subtopics}", 1, "subtopic"),
            ("{timestamp_of_it}", 1, ""), ("{payload..x}", 1, "payload"), ("{payload[x]}", 1, "payload"),
            ("{thing_id.x}", 1, "thing_id"),
        ])
    func refused(text: String, position: Int, meant: String) throws {
        let refusal = try #require(throws: Template.Refusal.self) { try Template(text, kind: .text) }
        #expect(refusal.position == position)
        #expect(refusal.reason.contains("at position \(position)"))
        #expect(refusal.reason.contains("did you mean {\(meant)}?") == !meant.isEmpty, "\(refusal.reason)")
    }
}

@Suite("Raw JSON")
struct RawJSONTests {
    @Test(
        "is what RFC 8259 says",
        arguments: [
            ("{}", true), (" [1, 2.5e-3 ,\"\\u00e9\"] ", true), ("-0.0", true), ("\"\"", true), ("null", true),
            (#"{"a":{"b":[]}}"#, true), ("", false), ("{", false), ("[1,]", false), (#"{"a" 1}"#, false),
            (#"{"a":1,}"#, false), ("01", false), ("1.", false), ("+1", false), (".5", false), ("1e", false),
            ("tru", false), ("nul", false), ("\"\n\"", false), (#""\x""#, false), (#""\u12g4""#, false), ("\"a", false),
            ("{} {}", false), ("'a'", false), ("NaN", false), ("{a:1}", false), ("[1 2]", false),
            ("\u{FEFF}{}", false), ("{}\0", false), ("[1,2", false), (#"{"a":1"#, false), (#"["a]"#, false),
        ])
    func valid(text: String, isValid: Bool) {
        #expect((RawJSON(Array(text.utf8)) != nil) == isValid)
    }

    @Test(
        "is in UTF-8",
        arguments: [
            ([0xB0], false), ([0xC3, 0xA9], true), ([0xC3], false), ([0xC3, 0x22], false), ([0xC0, 0x80], false),
            ([0xE0, 0x9F, 0xBF], false), ([0xE0, 0xA0, 0x80], true), ([0xED, 0xA0, 0x80], false),
            ([0xED, 0x9F, 0xBF], true),
            ([0xF0, 0x8F, 0xBF, 0xBF], false), ([0xF0, 0x9F, 0x98, 0x80], true), ([0xF4, 0x90, 0x80, 0x80], false),
            ([0xF5, 0x80, 0x80, 0x80], false), ([0xE2, 0x82], false), ([0xFF], false),
        ] as [([UInt8], Bool)])
    func encoding(bytes: [UInt8], isValid: Bool) {
        #expect((RawJSON(Array(#"{"a":""#.utf8) + bytes + Array(#""}"#.utf8)) != nil) == isValid)
        #expect((String(validating: bytes, as: UTF8.self) != nil) == isValid)
        #expect(RawJSON(#"{"a":1}"#.utf16.flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8)] }) == nil, "UTF-16")
    }

    @Test("has the same values by an index of paths as by going there, whatever it holds")
    func index() {
        var generator = Seeded(7)
        let names = [#""a""#, #""b""#, #""\u0061""#]
        func value(_ depth: Int) -> String {
            let kind = Int.random(in: 0..<(depth > 3 ? 3 : 6), using: &generator)
            if kind == 0 { return String(Int.random(in: 0...9, using: &generator)) }
            if kind == 1 { return #""\u0061""# }
            if kind == 2 { return "null" }
            var parts: [String] = []
            for _ in 0..<Int.random(in: 0...3, using: &generator) {
                let name = names[Int.random(in: 0..<3, using: &generator)]
                parts.append(kind == 3 ? value(depth + 1) : name + ": " + value(depth + 1))
            }
            let inside = parts.joined(separator: " ,")
            return kind == 3 ? "[" + inside + "]" : "{" + inside + "}"
        }
        var texts = [""]
        for _ in 0..<3 {
            for text in texts { texts += [text + ".a", text + ".b", text + "[0]", text + "[1]"] }
        }
        let paths = Set(texts).compactMap { JSONPath($0) }
        for _ in 0..<2_000 {
            let text = Array(value(0).utf8)
            let (json, index) = (RawJSON(text), PayloadIndex(text, paths: PathSet(paths)))
            for path in paths {
                #expect(json?.value(at: path).map { Array($0.text) } == index.value(at: path).map { Array($0.text) })
            }
        }
    }

    @Test("is not followed deeper than it is safe to")
    func depth() {
        for (depth, isRead) in [(64, true), (65, false)] {
            let array = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            let object =
                String(repeating: #"{"a":"#, count: depth) + "0" + String(repeating: "}", count: depth)
            for text in [array, object] {
                #expect((RawJSON(Array(text.utf8)) != nil) == isRead)
                let paths = PathSet([JSONPath("a.a.a")!, JSONPath("[0][0]")!])
                #expect((PayloadIndex(Array(text.utf8), paths: paths).json != nil) == isRead)
            }
        }
        #expect(RawJSON(Array(String(repeating: "[", count: 1_000_000).utf8)) == nil)
    }
}

@Suite("Requests from templates")
struct RequestPlanTests {
    private func plan(
        _ url: String, headers: [Header] = [], _ change: (inout WebhookOptions) -> Void = { _ in }
    ) throws -> RequestPlan {
        var options = WebhookOptions()
        change(&options)
        return try RequestPlan(url: try WebhookURL(url), headers: headers, options: options)
    }

    @Test("have query, form and headers put together")
    func parts() throws {
        let plan = try self.plan(
            "https://h/a/{payload.id}?x=1", headers: [Header(name: "X-T", value: "t={payload.t}")]
        ) {
            $0.request.method = .put
            $0.request.query = [.init(key: "q r", value: "{payload.t}&"), .init(key: "e", value: "")]
            $0.request.contentType = .form
            $0.request.body = .form([.init(key: "temp", value: "{payload.t}"), .init(key: "s", value: "a b")])
        }
        let request = try plan.render(message(#"{"id":"a/b","t":21.70}"#), org: nil, facts: .unknown)
        #expect(request.method == "PUT")
        #expect(String(decoding: request.target, as: UTF8.self) == "/a/a%2Fb?x=1&q%20r=21.70%26&e=")
        #expect(request.headers.map { "\($0.name)=\(String(decoding: $0.value, as: UTF8.self))" } == ["X-T=t=21.70"])
        #expect(request.contentType == "application/x-www-form-urlencoded")
        #expect(request.body.map { String(decoding: $0, as: UTF8.self) } == "temp=21.70&s=a%20b")
    }

    @Test("without a body have none, nor a type for it")
    func bodiless() throws {
        for method in [RequestSpec.Method.get, .delete] {
            let request = try self.plan("https://h/") { $0.request.method = method }
                .render(message("{}"), org: nil, facts: .unknown)
            #expect(request.body == nil && request.contentType == nil)
        }
    }

    @Test("do not lead elsewhere, whatever a device sends", arguments: ["..", ".", "%2e%2e", "../..", "x/../y"])
    func traversal(value: String) throws {
        let plan = try self.plan("https://h/a/{payload}/b")
        let leads = [".", ".."].contains(value)
        do throws(RenderFailure) {
            let request = try plan.render(message(value), org: nil, facts: .unknown)
            let target = String(decoding: request.target, as: UTF8.self)
            #expect(!leads && target.hasPrefix("/a/") && target.hasSuffix("/b"))
            #expect(target.split(separator: "/").count == 3, "\(target)")
        } catch {
            #expect(leads)
        }
        // What the owners wrote themselves is theirs.
        _ = try self.plan("https://h/a/../b").render(message("{}"), org: nil, facts: .unknown)
    }

    @Test("that grow too long are not made")
    func tooLong() throws {
        let plan = try self.plan("https://h/?x={payload}")
        #expect(throws: RenderFailure.self) {
            try plan.render(message(String(repeating: "x", count: 9_000)), org: nil, facts: .unknown)
        }
        let long = message("\"\(String(repeating: "x", count: 6_000))\"")
        func failure(_ headers: [Header] = [], _ change: (inout WebhookOptions) -> Void = { _ in }) throws -> String? {
            let plan = try self.plan("https://h/", headers: headers, change)
            do throws(RenderFailure) { _ = try plan.render(long, org: nil, facts: .unknown) } catch {
                return error.description
            }
            return nil
        }
        #expect(
            try failure([Header(name: "A", value: "{payload}{payload}")])
                == "render: the header A is over 8192 bytes once it is filled in")
        let six = (0..<6).map { Header(name: "A\($0)", value: "{payload}") }
        #expect(try failure(six) == "render: the headers are over 32768 bytes once they are filled in")
        #expect(try failure(Array(six.prefix(5))) == nil)
        let many = String(repeating: "{payload}", count: 1_000)
        let rows = (0..<3).map { _ in
            RequestSpec.Row(key: "a", value: String(repeating: "{payload}", count: 400))
        }
        let tooLarge = "render: the body is over 4194304 bytes once it is filled in"
        #expect(try failure { $0.request.body = .text(many) } == tooLarge)
        #expect(try failure { $0.request.body = .json("\"\(many)\"") } == tooLarge)
        #expect(try failure { $0.request.body = .form(rows) } == tooLarge)
        #expect(
            try failure { $0.request.query = [.init(key: "a", value: "{payload}{payload}")] }
                == "render: the url is over 8192 bytes once it is filled in")
    }

    @Test("say why none can be made of a payload that is not what a template needs")
    func unsuitable() throws {
        let latin = Message(
            id: MessageID(rawValue: 1), thing: Message.noThing, group: Message.noThing, subtopic: "",
            contentType: "a/b",
            payload: Array(#"{"u":""#.utf8) + [0xB0] + Array(#""}"#.utf8), traceparent: nil, isKept: false,
            receivedNanoseconds: nil)
        func body(_ message: Message, _ change: (inout WebhookOptions) -> Void) throws -> String {
            let plan = try self.plan("https://h/", change)
            do throws(RenderFailure) {
                let request = try plan.render(message, org: nil, facts: .unknown)
                return Base64.encode(request.body ?? [])
            } catch {
                return error.description
            }
        }
        let noJSON = "render: {payload.u} is of a payload that is JSON, which this one is not"
        #expect(try body(latin) { $0.request.body = .json(#"{"u":{payload.u}}"#) } == noJSON)
        #expect(try body(message("no json")) { $0.request.body = .text("{payload.u}") } == noJSON)
        for text in [#"{"all":{payload}}"#, #"{"all":"{payload}"}"#] {
            #expect(try body(latin) { $0.request.body = .json(text) }.hasPrefix("render: {payload} stands where text"))
        }
        #expect(
            try body(latin) {
                $0.request.body = .text("{payload}")
                $0.request.contentType = .text
            }.hasPrefix("render: {payload} stands where text"))
        let bytes = Base64.encode(latin.payload)
        #expect(
            try body(latin) { $0.request.body = .json("\"{payload_base64}\"") } == Base64.encode("\"\(bytes)\"".utf8))
        // Who leaves the type to the profile means the bytes.
        #expect(
            try body(latin) {
                $0.request.body = .text("{payload}")
                $0.request.contentType = .profile
            } == bytes)
        let half = message(#"{"s":"\ud800"}"#)
        #expect(try body(half) { $0.request.body = .text("{payload.s}") }.contains("half of a surrogate pair"))
    }

    @Test("of several messages are an array or lines, with an envelope unless there is a template")
    func batches() throws {
        let messages = [message(#"{"t":1.0}"#), message("text")]
        func body(_ batch: RenderedBatch) -> String? {
            batch.request?.body.map { String(decoding: $0, as: UTF8.self) }
        }
        let envelope = try self.plan("https://h/") { $0.batching = Batching(mostItems: 2, longestWait: 10) }
            .render(batch: messages, org: nil) { _ in .unknown }
        let id = "11111111-1111-4111-8111-111111111111"
        func item(_ payload: String) -> String {
            #"{"message_id":"4194304000","thing_id":"\#(id)","subtopic":"room/1","received_at":1704067201000,"payload":\#(payload)}"#
        }
        #expect(envelope.request?.contentType == "application/json")
        #expect(
            body(envelope)
                == "[\(item(#"{"t":1.0}"#)),\(item(#""text""#))]")
        let lines = try self.plan("https://h/") {
            $0.batching = Batching(mostItems: 2, longestWait: 10, form: .ndjson)
            $0.request.body = .json("{\n\"t\":{payload.t}}")
        }.render(batch: messages, org: nil) { _ in .unknown }
        #expect(lines.request?.contentType == "application/x-ndjson")
        #expect(body(lines) == "{\"t\":1.0}\n", "what no item can be made of keeps the others from nothing")
        #expect(lines.taken == 2 && lines.failures.map(\.index) == [1])
    }

    @Test("of several messages hold bytes that are no text in base64, and no more than a request may have")
    func binaryBatches() throws {
        let plan = try self.plan("https://h/") { $0.batching = Batching(mostItems: 10, longestWait: 10) }
        let bytes: [UInt8] = [0xB0, 0x00, 0xFF]
        let binary = Message(
            id: MessageID(rawValue: 1), thing: Message.noThing, group: Message.noThing, subtopic: "",
            contentType: "a/b",
            payload: bytes, traceparent: nil, isKept: false, receivedNanoseconds: nil)
        let mixed = try plan.render(batch: [message("1.0"), binary], org: nil) { _ in .unknown }
        let items = try #require(mixed.request?.body.flatMap { RawJSON($0) }).elements
        #expect(items.count == 2 && items[1].member("payload")?.kind == .null)
        #expect(items[1].member("payload_base64")?.string == Base64.encode(bytes))
        #expect(items[0].member("payload_base64") == nil)
        let large = message("\"\(String(repeating: "x", count: 1_500_000))\"")
        let cut = try plan.render(batch: [large, large, large], org: nil) { _ in .unknown }
        #expect(cut.taken == 2 && cut.failures.isEmpty)
        #expect(cut.request?.body.flatMap { RawJSON($0) }?.elements.count == 2)
        let huge = message("\"\(String(repeating: "x", count: 5_000_000))\"")
        let rest = try plan.render(batch: [huge, large], org: nil) { _ in .unknown }
        #expect(rest.taken == 2 && rest.failures.map(\.index) == [0])
    }

    @Test("are refused when they are saved, with the field at fault")
    func refused() throws {
        typealias Change = @Sendable (inout WebhookOptions) -> Void
        let cases: [(String, [Header], Change, String)] = [
            ("https://h/{nothing}", [], { _ in }, "url"),
            ("https://h/", [Header(name: "A", value: "{paylod}")], { _ in }, "headers.A"),
            ("https://h/", [], { $0.request.query = [.init(key: "", value: "")] }, "query[0].key"),
            (
                "https://h/", [], { $0.request.query = [.init(key: String(repeating: "k", count: 101), value: "")] },
                "query[0].key"
            ),
            ("https://h/", [], { $0.request.query = [.init(key: "k", value: "{x}")] }, "query[0].value"),
            ("https://h/", [], { $0.request.body = .json("{") }, "body"),
            ("https://h/", [], { $0.request.body = .json("{\"a\":x{payload}}") }, "body"),
            ("https://h/", [], { $0.request.body = .text("{vallue}") }, "body"),
            ("https://h/", [], { $0.request.body = .form([.init(key: "k", value: "{x}")]) }, "body[0].value"),
            (
                "https://h/", [],
                {
                    $0.request.method = .get
                    $0.request.body = .text("x")
                }, "body"
            ),
            ("https://h/{thing_id}", [], { $0.batching = Batching(mostItems: 2, longestWait: 1) }, "batch"),
            (
                "https://h/", [Header(name: "CE-Id", value: "x")], { $0.request.format = .cloudEvents },
                "headers.CE-Id"
            ),
        ]
        for (url, headers, change, field) in cases {
            let error = #expect(throws: InvalidField.self) { try self.plan(url, headers: headers, change) }
            #expect(error?.field == field, "\(error?.description ?? "")")
        }
        let refusal = #expect(throws: WebhookURL.Refusal.self) { try WebhookURL("https://{payload.h}.example.com/") }
        #expect(refusal?.reason == "must not have a placeholder in its host")
    }
}
