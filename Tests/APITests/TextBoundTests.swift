import Domain
import Testing
import Values

@testable import API

/// `openapi.json` counts in code points (JSON Schema Validation, section 6.3.1), and so does what is checked.
@Suite("How long a text may be")
struct TextBoundTests {
    private struct Bound: Hashable {
        /// Of the field or parameter that has the text, or a list of it.
        let name: String
        let most: Int
    }

    private static let root = Result { try JSONValue(reading: PackageResources.openapi_json) }

    /// All that openapi.json has, with what it says of them.
    private static func bounds(of value: JSONValue, _ name: String = "") -> [(Bound, description: String)] {
        switch value {
        case .array(let values): return values.flatMap { Self.bounds(of: $0, name) }
        case .object(let fields):
            var name = name
            if case .string(let own)? = fields["name"], fields["schema"] != nil { name = own }
            var found: [(Bound, description: String)] = []
            if let most = fields["maxLength"].flatMap({ Int($0.text) }) {
                let description = if case .string(let text)? = fields["description"] { text } else { "" }
                found.append((Bound(name: name, most: most), description))
            }
            for (field, inner) in fields {
                found += Self.bounds(of: inner, Self.structure.contains(field) ? name : field)
            }
            return found
        default: return []
        }
    }

    /// What stands around a schema without being a name.
    private static let structure: Set<String> = [
        "items", "schema", "oneOf", "anyOf", "allOf", "properties", "content", "requestBody",
    ]

    /// These take ASCII alone, of which a character is a byte.
    private static let ascii: Set<Bound> = [
        Bound(name: "key", most: 1_024), Bound(name: "forward_properties", most: 100),
        Bound(name: "names", most: 100), Bound(name: "prefix", most: 50), Bound(name: "sha256", most: 64),
        Bound(name: "descriptors", most: 349_528), Bound(name: "type", most: 200),
        Bound(name: "correlation_data", most: 1_368), Bound(name: "email", most: 254), Bound(name: "to", most: 254),
    ]

    /// Filters of lists and ids, and what is read where others are tried below: labels, names and paths.
    private static let others: Set<Bound> = [
        Bound(name: "actor", most: 256), Bound(name: "kind", most: 256), Bound(name: "object", most: 256),
        Bound(name: "text", most: 200), Bound(name: "label", most: 100), Bound(name: "external_ids", most: 254),
        Bound(name: "profile", most: 254), Bound(name: "name", most: 254), Bound(name: "columns", most: 200),
    ]

    private struct Case {
        let bound: Bound
        /// What is sent, with `%` for the text.
        let body: String
        /// How the error names it.
        let field: String
        let read: @Sendable (JSONObject) throws -> Void

        init(
            _ name: String, _ most: Int, _ body: String, _ field: String,
            _ read: @escaping @Sendable (JSONObject) throws -> Void
        ) {
            self.bound = Bound(name: name, most: most)
            (self.body, self.field, self.read) = (body, field, read)
        }

        init(webhook name: String, _ most: Int, _ rest: String, _ field: String) {
            self.init(name, most, #"{"name":"n","url":"https://a.example",\#(rest)}"#, field) {
                _ = try WebhookDraft($0, changing: nil)
            }
        }

        init(rule name: String, _ most: Int, _ rest: String, _ field: String) {
            self.init(name, most, "{\(rest)}", field) { _ = try TopicRule($0) }
        }
    }

    private static let cases: [Case] = [
        Case("Name", 254, #"{"name":"%","url":"https://a.example"}"#, "name") {
            _ = try WebhookDraft($0, changing: nil)
        },
        Case(webhook: "description", 2_000, #""description":"%""#, "description"),
        Case(webhook: "path", 254, #""success":{"path":"%","equals":1}"#, "success.path"),
        Case(webhook: "matches", 254, #""success":{"matches":"%"}"#, "success.matches"),
        Case(webhook: "path", 254, #""duplicates":{"path":"%"}"#, "duplicates.path"),
        Case(
            webhook: "bypass", 254, #""rate_limit":{"per_second":1,"per_thing":{"every":1,"bypass":["%"]}}"#,
            "rate_limit.per_thing.bypass[0]"),
        Case(webhook: "key", 100, #""query":[{"key":"%","value":"v"}]"#, "query[0].key"),
        Case(webhook: "value", 4_096, #""query":[{"key":"k","value":"%"}]"#, "query[0].value"),
        Case(webhook: "notify", 254, #""notify":["%"]"#, "notify[0]"),
        Case(webhook: "topic", 254, #""respond":{"topic":"%"}"#, "respond.topic"),
        Case(webhook: "paths", 254, #""trigger":{"type":"MESSAGE","paths":["%"]}"#, "trigger.paths[0]"),
        Case("labels", 100, #"{"labels":["%"]}"#, "labels[0]") { _ = try AnnotationDraft($0) },
        Case("external_id", 254, #"{"external_id":"%"}"#, "external_id") { _ = try ThingDraft($0) },
        Case("subtopic", 254, #"{"subtopic":"%"}"#, "subtopic") {
            _ = try SourceSettings($0, changing: SourceSettings())
        },
        Case(rule: "subtopic", 254, #""filter":"a/{thing}","subtopic":"%""#, "subtopic"),
        Case(rule: "thing", 254, #""filter":"a/b","thing":"%""#, "thing"),
        Case(rule: "split_path", 254, #""filter":"a/b","split":"keys","split_path":"%""#, "split_path"),
        Case(rule: "online", 128, #""filter":"a/{thing}","presence":{"online":["%"]}"#, "presence.online[0]"),
        Case(rule: "offline", 128, #""filter":"a/{thing}","presence":{"offline":["%"]}"#, "presence.offline[0]"),
    ]

    /// So many characters of four bytes, which are letters.
    private static func text(_ count: Int, of bound: Bound) -> String {
        // A pattern may be about fewer characters than it is written with.
        bound.name == "matches" ? "[\(String(repeating: "𐐀", count: count - 2))]" : String(repeating: "𐐀", count: count)
    }

    @Test("is counted in characters of however many bytes: so many are taken, and one more is refused by its field")
    func characters() throws {
        for one in Self.cases {
            for (count, isTaken) in [(one.bound.most, true), (one.bound.most + 1, false)] {
                let body = one.body.replacing("%", with: Self.text(count, of: one.bound))
                let object = try JSONObject(try JSONValue(reading: Array(body.utf8)), at: "")
                var refusal: InvalidField?
                do { try one.read(object) } catch let error as InvalidField { refusal = error }
                if isTaken {
                    #expect(refusal == nil, "\(one.field)")
                } else {
                    #expect(refusal?.field == one.field, "\(refusal?.reason ?? "taken")")
                }
            }
        }
    }

    /// Those of one character at the least, wherever openapi.json has them, by the longest that they may be.
    private static func filled(in value: JSONValue, _ name: String = "") -> [(Bound, isFilled: Bool)] {
        switch value {
        case .array(let values): return values.flatMap { Self.filled(in: $0, name) }
        case .object(let fields):
            var found = fields.flatMap { field, inner in
                Self.filled(in: inner, Self.structure.contains(field) ? name : field)
            }
            if let most = fields["maxLength"].flatMap({ Int($0.text) }) {
                found.append((Bound(name: name, most: most), fields["minLength"] != nil))
            }
            return found
        default: return []
        }
    }

    @Test("is one character at the least where openapi.json says so: the field is named")
    func empty() throws {
        let bounds = Self.filled(in: try Self.root.get())
        let filled = Set(bounds.filter(\.isFilled).map(\.0)).subtracting(bounds.filter { !$0.isFilled }.map(\.0))
        let tried = Self.cases.filter { filled.contains($0.bound) }
        #expect(tried.contains { $0.field == "success.matches" } && tried.count > 5, "\(tried.map(\.field))")
        for one in tried {
            let object = try JSONObject(
                try JSONValue(reading: Array(one.body.replacing("%", with: "").utf8)), at: "")
            let refusal = #expect(throws: InvalidField.self, "\(one.field)") { try one.read(object) }
            #expect(refusal?.field == one.field, "\(refusal?.reason ?? "")")
        }
    }

    @Test("is not asked of what an older build has taken, until it is changed")
    func stored() throws {
        func draft(_ more: String, _ webhook: Webhook?) throws -> WebhookDraft {
            let body = #"{"name":"n","url":"https://a.example"\#(more)}"#
            return try WebhookDraft(JSONObject(JSONValue(reading: Array(body.utf8)), at: ""), changing: webhook)
        }
        let policy = {
            var policy = DeliveryPolicy()
            policy.success = SuccessRule(matches: "")
            return policy
        }()
        let older = try WebhookDraft(name: "n", url: "https://a.example", headers: [], policy: policy).webhook(
            in: .random(), at: Instant(clampingMilliseconds: 0))
        for more in ["", #","max_attempts":3"#, #","success":{"matches":""}"#] {
            #expect(try draft(more, older).policy.success == policy.success)
        }
        #expect(throws: InvalidField.self) { try draft(#","success":{"path":"a","matches":""}"#, older) }
        #expect(throws: InvalidField.self) { try draft(#","success":{"matches":""}"#, nil) }
    }

    @Test("is tried above for each bound of openapi.json, or it says there that it counts bytes")
    func complete() throws {
        let tried = Set(Self.cases.map(\.bound)).union(Self.ascii).union(Self.others)
        for (bound, description) in Self.bounds(of: try Self.root.get()) where !tried.contains(bound) {
            #expect(description.contains("counted in bytes"), "\(bound.name), \(bound.most)")
        }
    }

    @Test("and what no text has, a zero byte and half of a surrogate pair, are refused")
    func noText() {
        for text in [#"{"description":"a\u0000"}"#, #"{"description":"a\ud800"}"#] {
            #expect(throws: InvalidField.self) {
                _ = try JSONObject(try JSONValue(reading: Array(text.utf8)), at: "")
            }
        }
    }
}
