import Domain
import Foundation
import Testing

@Suite("A webhook's fields")
struct WebhookFieldStoringTests {
    /// Its key is answered to nobody.
    private static let certificate = JSONValue.object([
        "certificate": .string(CertificateFixtures.p256), "private_key": .string(CertificateFixtures.p256Key),
        "subject": .string("C=DE, O=Example, CN=device-7"), "issuer": .string("CN=Test CA"),
        "expires_at": .integer(4_949_303_526_000),
        "fingerprint": .string(
            "89:84:0D:EB:B3:9A:8F:B4:3E:37:34:A6:10:01:B9:B3:2A:AF:42:80:45:7F:5A:60:92:86:EC:5C:91:F6:7C:1B"),
    ]).text

    private static let everything = """
        {"success_statuses":[302],"success":{"path":"r.code","equals":1.50},"retry_schedule":[5,60],"max_attempts":3,"max_age":3600,"retry_client_errors":false,
        "failure_limit":20,"failure_window":60,"max_in_flight":8,"rate_limit":{"burst":5,"overflow":"drop_oldest",
        "per_second":2.5,"per_thing":{"bypass":["a.b"],"every":5,"keep":"first"}},"duplicates":{"path":"t","within":60},"ordering":"none","method":"PUT","format":"cloudevents","query":[{"key":"a","value":"hidden"}],
        "content_type":"text","body":"hidden","auth":{"password":"hidden","type":"basic","username":"me"},
        "trigger":{"subtopics":["a/#"],"type":"MESSAGE"},"conditions":{"match":"any","rules":[{"operator":"eq",
        "path":"t","value":21.70},{"of":"mqtt","operator":"exists","path":"qos"}]},"notify":["anna"],"respond":{"format":"raw",
        "keep_for":60,"on":"always","qos":0,"retain":true,"to":"response_topic","topic":"a/{status}"},"batch":{"format":"ndjson","max_items":5,
        "max_wait_ms":7},"client_certificate":\(certificate),"compression":"gzip","forward_properties":{"names":["a"],"prefix":"x-"},"command_url":true,"description":"d","metadata":{"b":12345678901234567890,"a":21.70}}
        """

    private static func changed(_ json: String) throws -> (policy: DeliveryPolicy, options: WebhookOptions) {
        let object = try JSONObject(JSONValue(reading: Array(json.utf8)), at: "")
        var (policy, options) = (DeliveryPolicy(), WebhookOptions())
        try policy.change(by: object)
        try options.change(by: object)
        return (policy, options)
    }

    private static func answer(_ policy: DeliveryPolicy, _ options: WebhookOptions, to role: Role) -> String {
        let fields = policy.answer(seenBy: role) + options.answer(seenBy: role)
        return fields.map { "\"\($0.name)\":\($0.value.text)" }.joined(separator: ",")
    }

    @Test("are answered as they were given, and as they were stored in between")
    func roundTrip() throws {
        let given = try #require(RawJSON(Array(Self.everything.utf8))?.canonicalText)
        let (policy, options) = try Self.changed(Self.everything)
        let names = Set(DeliveryPolicy.fields.map(\.name) + WebhookOptions.fields.map(\.name))
        let said = try JSONObject(JSONValue(reading: Array(Self.everything.utf8)), at: "")
        #expect(names == Set(said.fields.keys), "each is tried")
        let stored = try (
            JSONDecoder().decode(DeliveryPolicy.self, from: JSONEncoder().encode(policy)),
            JSONDecoder().decode(WebhookOptions.self, from: JSONEncoder().encode(options))
        )
        #expect(stored.0 == policy && stored.1 == options)
        let answer = "{\(Self.answer(stored.0, stored.1, to: .editor))}"
        let key = JSONValue.string(CertificateFixtures.p256Key).text
        let shown = try #require(
            RawJSON(Array(Self.everything.replacing(key, with: "\"***\"").utf8))?.canonicalText)
        #expect(RawJSON(Array(answer.utf8))?.canonicalText == shown && shown != given)
        #expect(answer.contains(#""metadata":{"b":12345678901234567890,"a":21.70}"#))
    }

    @Test("go back to their defaults where null is given, and stay where nothing is")
    func defaults() throws {
        let (policy, options) = try Self.changed(Self.everything)
        var (back, optionsBack) = (policy, options)
        let nothing = try JSONObject(.object([:]), at: "")
        try back.change(by: nothing)
        try optionsBack.change(by: nothing)
        #expect(back == policy && optionsBack == options)
        let names = DeliveryPolicy.fields.map(\.name) + WebhookOptions.fields.map(\.name)
        let nulls = try JSONObject(.object(JSONFields(Dictionary(names.map { ($0, .null) }) { $1 })), at: "")
        try back.change(by: nulls)
        try optionsBack.change(by: nulls)
        #expect(back == DeliveryPolicy() && optionsBack == WebhookOptions())
        #expect(policy.differences(from: back).count == DeliveryPolicy.fields.count)
        #expect(options.differences(from: optionsBack).count == WebhookOptions.fields.count)
    }

    @Test("that are secret are masked for who may not change them")
    func masked() throws {
        let (policy, options) = try Self.changed(Self.everything)
        #expect(Self.answer(policy, options, to: .editor).contains("hidden"))
        #expect(!Self.answer(policy, options, to: .viewer).contains("hidden"))
    }

    @Test("are read as the versions before wrote them, with what these did not write as the default")
    func former() throws {
        let policy = Data(#"{"successStatuses":[302],"retriesClientErrors":false,"ordering":"thing","new":1}"#.utf8)
        let read = try JSONDecoder().decode(DeliveryPolicy.self, from: policy)
        #expect(read.successStatuses == [302] && !read.retriesClientErrors && read.ordering == .thing)
        #expect(read.failureLimit == DeliveryPolicy.defaultFailureLimit)
        let options = Data(
            #"{"request":{"method":"PUT","contentType":"text","body":{"text":{"_0":"x"}},"query":[],"format":"plain"},"responds":true}"#
                .utf8)
        let known = try JSONDecoder().decode(WebhookOptions.self, from: options)
        #expect(known.request.method == .put && known.request.body == .text("x") && known.responds)
        #expect(known.metadata == "{}")
        let error = #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(DeliveryPolicy.self, from: Data(#"{"maxAge":"long"}"#.utf8))
        }
        guard case .typeMismatch(_, let context)? = error else { return }
        #expect(context.codingPath.map(\.stringValue) == ["maxAge"], "what cannot be read is named")
    }
}
