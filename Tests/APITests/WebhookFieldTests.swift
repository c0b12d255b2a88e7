import Domain
import Testing

@testable import API

/// `openapi.json` against the table: what is not the same in both is told by the field's name.
@Suite("The table of a webhook's fields")
struct WebhookFieldTests {
    private struct Row {
        let name: String
        let form: Form
        let initial: JSONValue?
    }

    private static let rows =
        DeliveryPolicy.fields.map { Row(name: $0.name, form: $0.form, initial: $0.initial) }
        + WebhookOptions.fields.map { Row(name: $0.name, form: $0.form, initial: $0.initial) }

    /// What every webhook has, and what Hookline notes of it.
    private static let others: Set<String> = [
        "name", "url", "headers", "status", "secret", "signature", "id", "group_id", "status_reason", "version",
        "created_at", "updated_at", "last_triggered_at", "attempts", "consecutive_failures", "last_status", "skipped",
        "activity", "waiting_for", "health", "org_webhook_id",
    ]

    private static let root = Result {
        try JSONValue(reading: PackageResources.openapi_json)
    }

    private static func member(_ value: JSONValue?, _ name: String) -> JSONValue? {
        if case .object(let fields)? = value { fields[name] } else { nil }
    }

    /// What a reference leads to, and of several forms the whole.
    private static func resolved(_ schema: JSONValue?, in root: JSONValue) -> JSONValue? {
        if case .string(let reference)? = Self.member(schema, "$ref") {
            return Self.resolved(Self.target(of: reference, in: root), in: root)
        }
        for kind in ["oneOf", "anyOf"] {
            if case .array(let parts)? = Self.member(schema, kind) { return Self.resolved(parts.last, in: root) }
        }
        return schema
    }

    private static func isNullable(_ schema: JSONValue?, in root: JSONValue) -> Bool {
        if Self.member(schema, "nullable") == .bool(true) { return true }
        guard case .string(let reference)? = Self.member(schema, "$ref") else { return false }
        return Self.isNullable(Self.target(of: reference, in: root), in: root)
    }

    private static func target(of reference: String, in root: JSONValue) -> JSONValue? {
        reference.split(separator: "/").dropFirst().reduce(root) { Self.member($0, String($1)) }
    }

    private static let said = [
        "type", "enum", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "required",
    ]

    private static func differences(_ form: JSONFields, _ found: JSONValue?, at place: String, in root: JSONValue)
        -> [String]
    {
        guard let schema = Self.resolved(found, in: root) else { return ["\(place) is not described"] }
        guard form["type"] != nil else { return [] }
        var differences: [String] = []
        for name in Self.said {
            let (here, there) = (form[name], Self.member(schema, name))
            let isSame = [here, there].map { $0.flatMap { RawJSON(Array($0.text.utf8))?.canonicalText } }
            if isSame[0] != isSame[1] {
                differences.append("\(place): \(name) is \(here?.text ?? "none"), and there \(there?.text ?? "none")")
            }
        }
        if case .object(let items)? = form["items"] {
            differences += Self.differences(items, Self.member(schema, "items"), at: "\(place)[]", in: root)
        }
        if case .object(let members)? = form["properties"] {
            let there = Self.member(schema, "properties")
            for (name, member) in members {
                guard case .object(let member) = member else { continue }
                differences += Self.differences(member, Self.member(there, name), at: "\(place).\(name)", in: root)
            }
            if case .object(let others)? = there {
                differences += Set(others.keys).subtracting(members.keys).map { "\(place).\($0) is no field" }
            }
        }
        return differences
    }

    @Test(
        "is what openapi.json says of each, in what is sent and in what is answered",
        arguments: ["WebhookDraft", "Webhook"])
    func described(schema: String) throws {
        let root = try Self.root.get()
        let described = Self.member(Self.member(Self.member(root, "components"), "schemas"), schema)
        let properties = Self.member(described, "properties")
        for row in Self.rows {
            let property = Self.member(properties, row.name)
            #expect(
                Self.differences(row.form.schema, property, at: row.name, in: root) == [], "\(schema).\(row.name)")
            guard schema == "WebhookDraft" else { continue }
            #expect(Self.isNullable(property, in: root), "\(row.name) can be null, which is its default")
        }
        guard case .object(let names)? = properties else { return }
        #expect(Set(names.keys).subtracting(Self.rows.map(\.name)).subtracting(Self.others) == [])
    }

    @Test("has the defaults that openapi.json says")
    func defaults() throws {
        let root = try Self.root.get()
        for schema in ["WebhookDraft", "Webhook"] {
            let described = Self.member(Self.member(Self.member(root, "components"), "schemas"), schema)
            for row in Self.rows {
                let said = Self.member(Self.member(Self.member(described, "properties"), row.name), "default")
                switch row.form {
                case .choice, .flag, .integer: #expect(said == row.initial, "\(schema).\(row.name)")
                default: #expect(said == nil || said == row.initial, "\(schema).\(row.name)")
                }
            }
        }
    }

    @Test("names each field once")
    func once() {
        let names = Self.rows.map(\.name)
        #expect(Set(names).count == names.count && Self.others.isDisjoint(with: names))
        #expect(names.count > 18)
    }

    @Test("keeps what is masked for viewers under the seal")
    func secrets() {
        #expect(DeliveryPolicy.fields.filter(\.isSecret).map(\.name) == [])
        #expect(
            Set(WebhookOptions.fields.filter(\.isSecret).map(\.name))
                == ["query", "body", "auth", "client_certificate"])
    }
}
