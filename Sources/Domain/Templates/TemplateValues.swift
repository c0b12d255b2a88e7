/// What is known of a thing beyond its id.
package struct ThingFacts: Sendable {
    package let name: String?
    package let profile: EntityID?

    package init(name: String?, profile: EntityID?) {
        self.name = name
        self.profile = profile
    }

    package static let unknown = ThingFacts(name: nil, profile: nil)

    /// Whose they are: a thing as this group has or had it. Its id may be another group's by now.
    package struct Subject: Hashable, Sendable {
        package let thing: EntityID
        package let group: EntityID

        package init(_ thing: EntityID, in group: EntityID) {
            self.thing = thing
            self.group = group
        }
    }
}

/// What the placeholders of a template stand for, for one message.
package struct TemplateValues: Sendable {
    private let message: Message
    private let org: EntityID?
    private let facts: ThingFacts
    /// nil if the payload is no JSON.
    private let json: RawJSON?

    package init(_ message: Message, org: EntityID?, facts: ThingFacts = .unknown) {
        self.message = message
        self.org = org
        self.facts = facts
        self.json = RawJSON(message.payload)
    }

    private enum Value {
        case missing
        case text(String)
        case bytes([UInt8])
        case number(Int64)
        case json(RawJSON)
    }

    private func value(of placeholder: Placeholder) -> Value {
        switch placeholder {
        case .thingID: return self.message.hasThing ? .text(self.message.thing.description) : .missing
        case .thingName: return self.ofEvent("thing_name") ?? self.facts.name.map(Value.text) ?? .missing
        case .groupID: return .text(self.message.group.description)
        case .orgID: return self.org.map { .text($0.description) } ?? .missing
        case .userID: return self.ofEvent("user_id") ?? .missing
        case .profileID:
            return self.ofEvent("profile_id") ?? self.facts.profile.map { .text($0.description) } ?? .missing
        case .topic: return self.message.event == nil ? .text(self.message.topic) : .missing
        case .subtopic: return .text(self.message.subtopic)
        case .messageID: return .text(String(self.message.id.rawValue))
        case .receivedAt: return .number(self.message.id.millisecondsSince1970)
        case .payload(let path):
            guard let json = self.json else { return path.steps.isEmpty ? .bytes(self.message.payload) : .missing }
            return json.value(at: path).map(Value.json) ?? .missing
        case .value(let path):
            guard let json = self.json else {
                // Plain text is its own only value.
                let isSelf = path.steps.isEmpty || path.steps == [.element(0)]
                return isSelf ? .bytes(self.message.payload) : .missing
            }
            let value = json.member("value") ?? json
            if value.kind != .array, path.steps == [.element(0)] { return .json(value) }
            return value.value(at: path).map(Value.json) ?? .missing
        }
    }

    /// What an event says of itself; nil for a message.
    private func ofEvent(_ member: String) -> Value? {
        guard self.message.event != nil else { return nil }
        return self.json?.member(member).map(Value.json)
    }

    /// A value as text: a string without its quotes, a number as it was written, what is missing or null empty.
    private func text(of placeholder: Placeholder) -> [UInt8] {
        switch self.value(of: placeholder) {
        case .missing: []
        case .text(let text): Array(text.utf8)
        case .bytes(let bytes): bytes
        case .number(let number): Array(String(number).utf8)
        case .json(let json):
            switch json.kind {
            case .string: Array((json.string ?? "").utf8)
            case .null: []
            default: Array(json.text)
            }
        }
    }

    /// A value as JSON; null if it is missing.
    private func json(of placeholder: Placeholder) -> [UInt8] {
        switch self.value(of: placeholder) {
        case .missing: Array("null".utf8)
        case .number(let number): Array(String(number).utf8)
        case .json(let json): Array(json.text)
        case .text(let text): Self.quoted(text)
        // Bytes that are no text are shown as far as they are.
        case .bytes(let bytes): Self.quoted(String(decoding: bytes, as: UTF8.self))
        }
    }

    private static func quoted(_ text: String) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(ascii: "\"")]
        bytes.appendJSONEscaped(text.utf8)
        bytes.append(UInt8(ascii: "\""))
        return bytes
    }

    func append(_ placeholder: Placeholder, in place: Template.Place, to out: inout [UInt8]) {
        switch place {
        case .text: out += self.text(of: placeholder)
        case .percent: out.appendPercentEncoded(self.text(of: placeholder))
        // A line break would begin another header.
        case .header: out += self.text(of: placeholder).map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }
        case .jsonString: out.appendJSONEscaped(String(decoding: self.text(of: placeholder), as: UTF8.self).utf8)
        case .jsonValue: out += self.json(of: placeholder)
        }
    }
}

extension Template {
    package func render(_ values: TemplateValues, into out: inout [UInt8]) {
        for part in self.parts {
            switch part {
            case .literal(let bytes): out += bytes
            case .placeholder(let placeholder, let place): values.append(placeholder, in: place, to: &out)
            }
        }
    }

    package func render(_ values: TemplateValues) -> [UInt8] {
        var out: [UInt8] = []
        self.render(values, into: &out)
        return out
    }
}
