import Domain
import Foundation
import Journal
import Registry
import Testing
import Values

@testable import API

@Suite("Fields that there are not")
struct ShapeTests {
    @Test(
        "are refused by their place at any depth, with what may have been meant",
        arguments: [
            (Shape.list(.webhook), #"[{"name":"a"},{"headres":{}}]"#, "[1].headres", "headers"),
            (.webhook, #"{"trigger":{"subtopic":["a"]}}"#, "trigger.subtopic", "subtopics"),
            (.webhook, #"{"auth":{"type":"bearer","tokne":"x"}}"#, "auth.tokne", "token"),
            (.webhook, #"{"auth":{"header":"x"}}"#, "auth.header", nil),
            (
                .webhook, #"{"conditions":{"rules":[{"path":"a"},{"Operator":"eq"}]}}"#, "conditions.rules[1].Operator",
                "operator"
            ),
            (.webhook, #"{"conditions":[{"vlaue":1}]}"#, "conditions[0].vlaue", "value"),
            (.webhook, #"{"query":[{"key":"a","val":"b"}]}"#, "query[0].val", nil),
            (.webhook, #"{"rate_limit":{"persecond":1}}"#, "rate_limit.persecond", "per_second"),
            (.webhook, #"{"batch":{"max_item":1}}"#, "batch.max_item", "max_items"),
            (.webhook, #"{"max-age":null}"#, "max-age", "max_age"),
            (.test, #"{"webhook":{"mehtod":"GET"}}"#, "webhook.mehtod", "method"),
            (.test, #"{"message":{"sub_topic":"a"}}"#, "message.sub_topic", "subtopic"),
            (.test, #"{"dryrun":true}"#, "dryrun", "dry_run"),
            (.list(.source), #"[{"auth":{"secrt":"x"}}]"#, "[0].auth.secrt", "secret"),
            (.replay, #"{"delivery_id":[]}"#, "delivery_id", "delivery_ids"),
            (.thing, #"{"profile":"x"}"#, "profile", nil),
            (.webhookStatus, #"{"webhooks":[]}"#, "webhooks", nil),
        ] as [(Shape, String, String, String?)])
    func refused(shape: Shape, body: String, place: String, meant: String?) throws {
        let error = #expect(throws: InvalidField.self) { try shape.check(try JSON.decode(body)) }
        #expect(error?.field == place)
        #expect(error?.reason.hasSuffix("did you mean \(meant ?? "")?") == (meant != nil), "\(error?.reason ?? "")")
    }

    @Test(
        "are none in what is the callers' own",
        arguments: [
            (Shape.webhook, #"{"headers":{"any":"x"},"metadata":{"any":{"any":1}},"body":{"any":1},"auth":null}"#),
            (.webhook, #"{"trigger":"MESSAGE","rate_limit":5,"conditions":[],"status":"ENABLED"}"#),
            (.source, #"{"schema":{"any":1},"sample":{"any":1}}"#), (.profile, #"{"name":"p","config":{"any":1}}"#),
            (.sample, #"{"sample":{"any":1}}"#), (.firing, #"{"payload":{"any":1}}"#), (.webhook, "[]"),
            (.webhook, "1"),
        ])
    func taken(shape: Shape, body: String) throws {
        try shape.check(try JSON.decode(body))
    }

    /// Objects of openapi.json and the shapes that they are read as.
    private static let described: [(schema: String, shape: Shape)] = [
        ("WebhookDraft", .webhook), ("GroupDraft", .group), ("Member", .member), ("OrgMember", .member),
        ("ProfileDraft", .profile),
        ("ThingDraft", .thing), ("ThingChange", .thing), ("ThingPatch", .thing),
        ("NewThing", .newThing), ("GroupChange", .group), ("SourceDraft", .source), ("SourceChange", .source),
        ("Grant", .signIn),
        ("GroupTLS", .groupTLS), ("KeyDraft", .key), ("OwnKeyDraft", .ownKey), ("NoticeChannelDraft", .noticeChannel),
    ]

    @Test("are none in what openapi.json describes and in what is answered, so that this can be sent back")
    func known() throws {
        let root = try JSON.decode(String(decoding: PackageResources.openapi_json, as: UTF8.self))
        for (schema, shape) in Self.described {
            let described = Self.example(of: root["components"]["schemas"][schema], in: root)
            #expect(throws: Never.self, "\(schema)") { try shape.check(described) }
        }
        for (answer, shape) in [
            ("Webhook", Shape.webhook), ("Group", .group), ("Member", .member), ("Profile", .profile),
            ("Thing", .thing),
            ("Source", .source), ("Org", .org), ("Me", .me), ("NoticeChannels", .noticeChannels),
        ] {
            let answered = Self.example(of: root["components"]["schemas"][answer], in: root)
            #expect(throws: Never.self, "\(answer)") { try shape.check(answered) }
        }
    }

    @Test("are described if they are there, and their numbers have ends")
    func described() throws {
        let root = try JSON.decode(String(decoding: PackageResources.openapi_json, as: UTF8.self))
        for (schema, shape) in Self.described.filter({
            !["GroupDraft", "ThingChange", "ThingPatch", "GroupChange"].contains($0.schema)
        }) {
            guard case .object(let names, _) = shape,
                case .object(let properties) = root["components"]["schemas"][schema]["properties"]
            else { continue }
            let missing = Set(names.keys).subtracting(properties.keys).subtracting(["allowed_networks"])
            #expect(missing.sorted() == [], "\(schema)")
        }
        Self.expectEnds(root, at: "")
    }

    /// Every integer of openapi.json says between what it is.
    private static func expectEnds(_ value: JSONValue, at path: String) {
        switch value {
        case .array(let values):
            for (index, value) in values.enumerated() { Self.expectEnds(value, at: "\(path)/\(index)") }
        case .object(let fields):
            if fields["type"] == .string("integer") {
                #expect(fields["minimum"] != nil && fields["maximum"] != nil, "\(path)")
            }
            for (name, value) in fields { Self.expectEnds(value, at: "\(path)/\(name)") }
        default: return
        }
    }

    /// A value with every field that the schema names.
    private static func example(of schema: JSONValue, in root: JSONValue) -> JSONValue {
        if case .string(let reference) = schema["$ref"] {
            let target = reference.split(separator: "/").dropFirst().reduce(root) { $0[String($1)] }
            return Self.example(of: target, in: root)
        }
        for kind in ["oneOf", "allOf"] {
            if case .array(let parts) = schema[kind] {
                // The richest of them.
                let examples = parts.map { Self.example(of: $0, in: root) }
                return examples.last { if case .object = $0 { true } else { false } } ?? .null
            }
        }
        if case .object(let properties) = schema["properties"] {
            return .object(
                JSONFields(
                    Dictionary(uniqueKeysWithValues: properties.map { ($0.key, Self.example(of: $0.value, in: root)) }))
            )
        }
        if schema["type"] == .string("array") { return .array([Self.example(of: schema["items"], in: root)]) }
        return .null
    }
}

extension JSONValue {
    fileprivate subscript(_ name: String) -> JSONValue {
        if case .object(let fields) = self { fields[name] ?? .null } else { .null }
    }
}
