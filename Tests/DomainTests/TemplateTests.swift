import Domain
import TestSupport
import Testing

/// A message of a thing whose ids are all ones.
func message(
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
