/// What a template can stand for: `{thing_id}`, `{payload.a.b[0]}`.
package enum Placeholder: Sendable, Hashable {
    case thingID, thingName, groupID, orgID, userID, profileID, topic, subtopic, messageID, receivedAt
    /// Of a crossing: what the conditions came to, since when they are met, and what it was before.
    case state, since, previous
    case payload(JSONPath)
    /// The payload's bytes, whatever they are.
    case payloadBase64, payloadHex
    /// What the message measures: the payload's member `value`, or else the payload itself.
    case value(JSONPath)
    /// What its owners call the thing.
    case externalID
    /// Something of what they keep with it, or with its profile.
    case metadata(Holder, JSONPath)
    /// Of what the publish said of itself.
    case mqtt(JSONPath)
    /// The value of a label, by its key; all of them without one.
    case labels(Holder, String?)

    /// Who has labels and metadata.
    package enum Holder: String, Sendable, CaseIterable { case thing, profile }

    /// The names as they are written; `{payload}`, `{value}`, what ends with metadata, labels or user may have a path
    /// behind them.
    package static let names = [
        "thing_id", "device_id", "thing_name", "group_id", "org_id", "user_id", "profile_id", "topic", "subtopic",
        "message_id", "received_at", "payload", "payload_base64", "payload_hex", "value",
        "state", "since", "previous",
        "thing.external_id", "thing.metadata", "thing.labels", "profile.metadata", "profile.labels",
        "mqtt.content_type", "mqtt.user", "mqtt.response_topic", "mqtt.correlation_data", "mqtt.expiry", "mqtt.retain",
        "mqtt.qos", "mqtt.topic",
    ]

    /// - Parameter text: what stands between the braces.
    init?(_ text: Substring) {
        let name = text.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
        let path = JSONPath(text[name.endIndex...])
        switch (name, path) {
        case ("payload", let path?): self = .payload(path)
        case ("value", let path?): self = .value(path)
        case ("thing", let path?) where path.description == ".external_id": self = .externalID
        case ("thing", let path?): self.init(of: .thing, path)
        case ("profile", let path?): self.init(of: .profile, path)
        case ("mqtt", let path?) where MessageProperties.Member.begins(path): self = .mqtt(path)
        case (_, let path?) where path.steps.isEmpty:
            switch name {
            case "thing_id", "device_id": self = .thingID
            case "thing_name": self = .thingName
            case "group_id": self = .groupID
            case "org_id": self = .orgID
            case "user_id": self = .userID
            case "profile_id": self = .profileID
            case "topic": self = .topic
            case "subtopic": self = .subtopic
            case "message_id": self = .messageID
            case "received_at": self = .receivedAt
            case "payload_base64": self = .payloadBase64
            case "payload_hex": self = .payloadHex
            case "state": self = .state
            case "since": self = .since
            case "previous": self = .previous
            default: return nil
            }
        default: return nil
        }
    }

    /// - Parameter path: what stands behind the holder: `.metadata.site.name`, `.labels`, `.labels.site`.
    private init?(of holder: Holder, _ path: JSONPath) {
        let rest = Array(path.steps.dropFirst())
        switch path.steps.first {
        case .member(Array("metadata".utf8))?:
            let description = String(path.description.dropFirst(".metadata".count))
            self = .metadata(holder, JSONPath(steps: rest, description: description))
        case .member(Array("labels".utf8))? where rest.isEmpty: self = .labels(holder, nil)
        case .member(Array("labels".utf8))?:
            guard rest.count == 1, case .member(let key) = rest[0] else { return nil }
            self = .labels(holder, String(decoding: key, as: UTF8.self))
        default: return nil
        }
    }

    /// How much it asks of what is known of the thing.
    var extent: ThingFacts.Extent {
        switch self {
        case .thingName, .profileID, .externalID: .names
        case .metadata, .labels: .annotations
        default: .nothing
        }
    }

    /// Whether it is the same for all messages of a group.
    var isOfGroup: Bool {
        switch self {
        case .groupID, .orgID: true
        default: false
        }
    }

    /// Whether it is of what a publish said of itself.
    var isOfProperties: Bool {
        if case .mqtt = self { true } else { false }
    }

    /// Whether it is of a crossing.
    var isOfCrossing: Bool { [.state, .since, .previous].contains(self) }

    /// Whether it is of what the message carries.
    package var isOfPayload: Bool {
        switch self {
        case .payload, .value, .payloadBase64, .payloadHex: true
        default: false
        }
    }

    /// As it is written.
    var text: String {
        switch self {
        case .payload(let path): Self.text("payload", path)
        case .value(let path): Self.text("value", path)
        case .mqtt(let path): Self.text("mqtt", path)
        case .metadata(let holder, let path): Self.text("\(holder.rawValue).metadata", path)
        case .labels(let holder, let key):
            Self.text("\(holder.rawValue).labels", key.map { JSONPath(steps: [], description: ".\($0)") } ?? JSONPath())
        case .externalID: "{thing.external_id}"
        case .payloadBase64: "{payload_base64}"
        case .payloadHex: "{payload_hex}"
        case .thingID: "{thing_id}"
        case .thingName: "{thing_name}"
        case .groupID: "{group_id}"
        case .orgID: "{org_id}"
        case .userID: "{user_id}"
        case .profileID: "{profile_id}"
        case .topic: "{topic}"
        case .subtopic: "{subtopic}"
        case .messageID: "{message_id}"
        case .receivedAt: "{received_at}"
        case .state: "{state}"
        case .since: "{since}"
        case .previous: "{previous}"
        }
    }

    private static func text(_ name: String, _ path: JSONPath) -> String { "{\(name)\(path.description)}" }

    /// What has to be found in the payload for it.
    var paths: [JSONPath] {
        switch self {
        case .payload(let path): [path]
        case .value(let path): [Self.valueMember, path, Self.valueMember.appending(path)]
        case .thingName: [JSONPath(member: "thing_name")]
        case .externalID: [JSONPath(member: "external_id")]
        case .userID: [JSONPath(member: "user_id")]
        case .profileID: [JSONPath(member: "profile_id")]
        case .state: [JSONPath(member: "state")]
        default: []
        }
    }

    static let valueMember = JSONPath(member: "value")

    /// The name that was probably meant by one that is none.
    static func suggestion(for text: Substring) -> String? {
        let parts = text.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        let isOfHolder = parts.count > 1 && (parts[0] == "mqtt" || Holder(rawValue: String(parts[0])) != nil)
        let whole = isOfHolder ? parts[0] + "." + parts[1] : text
        let name = whole.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." && isOfHolder }.lowercased()
        let squeezed = name.filter { $0 != "_" }
        if let same = Self.names.first(where: { $0.filter { $0 != "_" } == squeezed }) { return same }
        let nearest = Self.names.map { ($0, Self.distance($0, name)) }.min { $0.1 < $1.1 }
        guard let nearest, nearest.1 <= max(2, nearest.0.count / 3) else { return nil }
        return nearest.0
    }

    /// How many letters have to be added, removed or changed (Levenshtein).
    private static func distance(_ a: String, _ b: String) -> Int {
        let b = Array(b)
        var row = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, y) in b.enumerated() {
                let next = min(row[j] + 1, row[j + 1] + 1, diagonal + (x == y ? 0 : 1))
                diagonal = row[j + 1]
                row[j + 1] = next
            }
        }
        return row[b.count]
    }
}
