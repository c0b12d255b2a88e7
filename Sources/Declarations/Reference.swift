package import Domain

/// What stands in a file in the place of a text that is found elsewhere.
package enum Reference: Sendable, Equatable {
    /// `{env: NAME}`: an environment variable.
    case variable(String)
    /// `{file: path}`: a file's text, without a newline at its end.
    case file(String)
    /// `{profile: name}`: the id of one of the group's profiles.
    case profile(String)
    /// `{thing: external_id or name}`: the id of one of the group's things.
    case thing(String)
}

extension DeclaredKind {
    /// Where secrets may be referred to: nowhere does the API take an object there. `*` is each member, `[]` each element.
    fileprivate var secretPlaces: [String] {
        switch self {
        case .webhook:
            ["url", "headers.*", "secret", "auth.*", "client_certificate.*", "query.[].value"]
        case .thing: ["key"]
        case .source: ["auth.secret"]
        case .org: ["notification_url"]
        case .group, .profile, .member, .topicRule: []
        }
    }

    fileprivate var profilePlaces: [String] {
        switch self {
        case .webhook: ["trigger.profiles.[]"]
        case .thing: ["profile_id"]
        case .group: ["new_thing_profile_id"]
        case .org, .profile, .member, .topicRule, .source: []
        }
    }

    fileprivate var thingPlaces: [String] {
        switch self {
        case .webhook: ["trigger.things.[]"]
        case .source: ["thing_id"]
        case .org, .group, .profile, .thing, .member, .topicRule: []
        }
    }
}

extension Declared {
    /// The fields as the API takes them.
    ///
    /// - Parameters:
    ///   - left: fields at the top that are not looked at: what is not sent need not be there.
    ///   - resolve: answers what a reference stands for; it is told where it stands.
    package func resolved(
        leaving left: Set<String> = [],
        _ resolve: (Reference, _ place: String) throws(InvalidField) -> String
    ) throws(InvalidField) -> JSONFields {
        var value = JSONValue.object(self.fields)
        let places =
            self.kind.secretPlaces.map { ($0, ["env", "file"]) } + self.kind.profilePlaces.map { ($0, ["profile"]) }
            + self.kind.thingPlaces.map { ($0, ["thing"]) }
        for (place, names) in places {
            let steps = place.split(separator: ".")
            guard let first = steps.first, !left.contains(String(first)) else { continue }
            value = try Self.replaced(value, along: steps[...], at: self.path, names, resolve)
        }
        guard case .object(let fields) = value else { return self.fields }
        return fields
    }

    private static func replaced(
        _ value: JSONValue, along steps: ArraySlice<Substring>, at path: String, _ names: [String],
        _ resolve: (Reference, String) throws(InvalidField) -> String
    ) throws(InvalidField) -> JSONValue {
        guard let step = steps.first else {
            guard case .object(let fields) = value else { return value }
            return .string(try resolve(try Self.reference(fields, among: names, at: path), path))
        }
        let rest = steps.dropFirst()
        switch value {
        case .array(let values) where step == "[]":
            var replaced: [JSONValue] = []
            for (index, element) in values.enumerated() {
                replaced.append(try Self.replaced(element, along: rest, at: "\(path)[\(index)]", names, resolve))
            }
            return .array(replaced)
        case .object(let fields):
            var changed = fields
            for name in fields.keys.sorted() where step == "*" || step == name {
                guard let member = fields[name] else { continue }
                let new = try Self.replaced(member, along: rest, at: "\(path).\(name)", names, resolve)
                if new != member { changed[name] = new }
            }
            return .object(changed)
        default: return value
        }
    }

    private static func reference(
        _ fields: JSONFields, among names: [String], at path: String
    ) throws(InvalidField) -> Reference {
        let forms = names.map { "{\($0): …}" }.joined(separator: " or ")
        guard fields.keys.count == 1, let name = fields.keys.first, names.contains(name),
            case .string(let text)? = fields[name], !text.isEmpty
        else { throw InvalidField(path, "must be a text, or \(forms)") }
        return switch name {
        case "env": .variable(text)
        case "file": .file(text)
        case "profile": .profile(text)
        default: .thing(text)
        }
    }
}
