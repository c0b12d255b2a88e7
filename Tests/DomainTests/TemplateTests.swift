import Domain
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
            (#"{"p":{payload}}"#, .json, "a \"b\"", #"{"p":"a \"b\""}"#), ("{payload.x}", .text, "no json", ""),
            // A line break does not begin another header.
            ("a {payload.s}", .header, #"{"s":"x\r\nEvil: 1"}"#, "a x  Evil: 1"),
            // Forms.
            ("{payload.s}", .form, #"{"s":"a b&c=ä+"}"#, "a%20b%26c%3D%C3%A4%2B"), ("x y", .form, "", "x%20y"),
            // Braces that are none of ours.
            ("{ return 1 }", .text, "", "{ return 1 }"), (#"{"a":{"b":1}}"#, .json, "", #"{"a":{"b":1}}"#),
            ("{{thing_id}", .text, "", "{thing_id}"), ("{1}", .text, "", "{1}"), ("{open", .text, "", "{open"),
            (#"{"k":"\"{payload.x}"}"#, .json, #"{"x":1}"#, #"{"k":"\"1"}"#),
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
        ])
    func valid(text: String, isValid: Bool) {
        #expect((RawJSON(Array(text.utf8)) != nil) == isValid)
    }

    @Test("is not followed deeper than it is safe to")
    func depth() {
        #expect(RawJSON(Array((String(repeating: "[", count: 128) + String(repeating: "]", count: 128)).utf8)) != nil)
        #expect(RawJSON(Array((String(repeating: "[", count: 129) + String(repeating: "]", count: 129)).utf8)) == nil)
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
    }

    @Test("of several messages are an array or lines, with an envelope unless there is a template")
    func batches() throws {
        let messages = [message(#"{"t":1.0}"#), message("text")]
        let envelope = try self.plan("https://h/") { $0.batching = Batching(mostItems: 2, longestWait: 10) }
            .render(batch: messages, org: nil) { _ in .unknown }
        let id = "11111111-1111-4111-8111-111111111111"
        func item(_ payload: String) -> String {
            #"{"message_id":"4194304000","thing_id":"\#(id)","subtopic":"room/1","received_at":1704067201000,"payload":\#(payload)}"#
        }
        #expect(envelope.contentType == "application/json")
        #expect(
            envelope.body.map { String(decoding: $0, as: UTF8.self) }
                == "[\(item(#"{"t":1.0}"#)),\(item(#""text""#))]")
        let lines = try self.plan("https://h/") {
            $0.batching = Batching(mostItems: 2, longestWait: 10, form: .ndjson)
            $0.request.body = .json("{\n\"t\":{payload.t}}")
        }.render(batch: messages, org: nil) { _ in .unknown }
        #expect(lines.contentType == "application/x-ndjson")
        #expect(lines.body.map { String(decoding: $0, as: UTF8.self) } == "{\"t\":1.0}\n{\"t\":null}\n")
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
