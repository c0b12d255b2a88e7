internal import Values

/// Why no request can be made of a message, in words for the webhook's owners.
package struct RenderFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ reason: String) {
        self.description = "render: \(reason)"
    }
}

/// What the placeholders of a template stand for, for one message.
package struct TemplateValues: Sendable {
    private let message: Message
    private let org: EntityID?
    private let facts: ThingFacts
    private let payload: PayloadIndex

    /// - Parameter paths: what the templates ask of the payload.
    package init(_ message: Message, org: EntityID?, facts: ThingFacts = .unknown, paths: PathSet = PathSet()) {
        self.message = message
        self.org = org
        self.facts = facts
        self.payload = PayloadIndex(of: message, paths: paths)
    }

    /// Whether the payload is text: JSON, or anything else in UTF-8.
    var isText: Bool { self.payload.json != nil || Self.isText(self.message.payload) }

    private static func isText(_ bytes: [UInt8]) -> Bool { String(validating: bytes, as: UTF8.self) != nil }

    private enum Value {
        case missing
        case text(String)
        /// The payload, which is no JSON.
        case bytes([UInt8])
        case number(Int64)
        case json(RawJSON)
    }

    private func value(of placeholder: Placeholder) throws(RenderFailure) -> Value {
        switch placeholder {
        case .thingID: return self.message.hasThing ? .text(self.message.thing.description) : .missing
        case .thingName: return self.ofEvent("thing_name") ?? self.facts.name.map(Value.text) ?? .missing
        case .groupID: return .text(self.message.group.description)
        case .orgID: return self.org.map { .text($0.description) } ?? .missing
        case .userID: return self.ofEvent("user_id") ?? .missing
        case .profileID:
            return self.ofEvent("profile_id") ?? self.facts.profile.map { .text($0.description) } ?? .missing
        case .externalID:
            return self.ofEvent("external_id") ?? self.facts.externalID.map(Value.text) ?? .missing
        case .metadata(let holder, let path):
            return self.facts.annotations?[holder].metadata?.value(at: path).map(Value.json) ?? .missing
        case .labels(let holder, let key):
            guard let annotations = self.facts.annotations?[holder] else { return .missing }
            let found = key.map(annotations.value(of:)) ?? annotations.list
            return found.map(Value.json) ?? .missing
        case .mqtt(let path): return self.message.properties?.json.value(at: path).map(Value.json) ?? .missing
        case .topic: return self.message.event == nil ? .text(self.message.topic) : .missing
        case .subtopic: return .text(self.message.subtopic)
        case .messageID: return .text(String(self.message.id.rawValue))
        case .receivedAt: return .number(self.message.id.millisecondsSince1970)
        case .state: return self.ofEvent("state") ?? self.facts.crossing.map { .text($0.state.rawValue) } ?? .missing
        case .since: return self.facts.crossing.map { .number($0.since.milliseconds) } ?? .missing
        case .previous: return self.facts.crossing.map { .text($0.previous.rawValue) } ?? .missing
        case .payloadBase64: return .text(Base64.encode(self.message.payload))
        case .payloadHex: return .text(Hex.encode(self.message.payload))
        case .payload(let path):
            guard self.payload.json != nil else {
                if path.steps.isEmpty { return .bytes(self.message.payload) }
                throw self.needsJSON(placeholder)
            }
            return self.payload.value(at: path).map(Value.json) ?? .missing
        case .value(let path): return try self.measured(path, placeholder)
        }
    }

    private func measured(_ path: JSONPath, _ placeholder: Placeholder) throws(RenderFailure) -> Value {
        guard let json = self.payload.json else {
            // Plain text is its own only value.
            if path.steps.isEmpty || path.steps == [.element(0)] { return .bytes(self.message.payload) }
            if path.steps.count == 1, case .element = path.steps[0] { return .missing }
            throw self.needsJSON(placeholder)
        }
        let member = self.payload.value(at: Placeholder.valueMember)
        let value = member ?? json
        if value.kind != .array, path.steps == [.element(0)] { return .json(value) }
        let whole = member == nil ? path : Placeholder.valueMember.appending(path)
        return self.payload.value(at: whole).map(Value.json) ?? .missing
    }

    private func needsJSON(_ placeholder: Placeholder) -> RenderFailure {
        let why = self.payload.failure.map { ": \($0)" } ?? ""
        return RenderFailure("\(placeholder.text) is of a payload that is JSON, which this one is not\(why)")
    }

    private static func needsText(_ placeholder: Placeholder) -> RenderFailure {
        RenderFailure(
            "\(placeholder.text) stands where text is needed, and the payload is none; "
                + "{payload_base64} and {payload_hex} stand for any bytes")
    }

    /// What an event says of itself; nil for a message.
    private func ofEvent(_ member: String) -> Value? {
        guard self.message.event != nil else { return nil }
        return self.payload.value(at: JSONPath(member: member)).map(Value.json)
    }

    /// A value as text: a string without its quotes, a number as it was written, what is missing or null empty.
    private func text(of placeholder: Placeholder) throws(RenderFailure) -> [UInt8] {
        switch try self.value(of: placeholder) {
        case .missing: return []
        case .text(let text): return Array(text.utf8)
        case .bytes(let bytes):
            guard Self.isText(bytes) else { throw Self.needsText(placeholder) }
            return bytes
        case .number(let number): return Array(String(number).utf8)
        case .json(let json):
            switch json.kind {
            case .string:
                guard let text = json.string else {
                    throw RenderFailure("\(placeholder.text) has half of a surrogate pair, which is no text")
                }
                return Array(text.utf8)
            case .null: return []
            default: return Array(json.text)
            }
        }
    }

    /// A value as JSON; null if it is missing.
    private func json(of placeholder: Placeholder) throws(RenderFailure) -> [UInt8] {
        switch try self.value(of: placeholder) {
        case .missing: return Array("null".utf8)
        case .number(let number): return Array(String(number).utf8)
        case .json(let json): return Array(json.text)
        case .text, .bytes:
            var bytes: [UInt8] = [UInt8(ascii: "\"")]
            bytes.appendJSONEscaped(try self.text(of: placeholder))
            bytes.append(UInt8(ascii: "\""))
            return bytes
        }
    }

    /// - Parameter takesBytes: whether bytes that are no text may stand where text does, as they are.
    func append(
        _ placeholder: Placeholder, in place: Template.Place, takesBytes: Bool, to out: inout [UInt8]
    ) throws(RenderFailure) {
        switch place {
        case .text:
            if takesBytes, case .bytes(let bytes) = try self.value(of: placeholder) { return out += bytes }
            out += try self.text(of: placeholder)
        case .percent:
            // Any bytes can be written so.
            if case .bytes(let bytes) = try self.value(of: placeholder) { return out.appendPercentEncoded(bytes) }
            out.appendPercentEncoded(try self.text(of: placeholder))
        // A line break would begin another header.
        case .header: out += try self.text(of: placeholder).map { $0 < 0x20 || $0 == 0x7F ? 0x20 : $0 }
        case .jsonString:
            // A string's own escapes say what it says.
            if case .json(let json) = try self.value(of: placeholder), json.kind == .string {
                return out += json.inside
            }
            out.appendJSONEscaped(try self.text(of: placeholder))
        case .jsonValue: out += try self.json(of: placeholder)
        }
    }
}

extension Template {
    /// - Parameters:
    ///   - longest: how long `out` may become, in bytes.
    ///   - what: what is being made, for who is told that it is too long.
    ///   - takesBytes: whether bytes that are no text may stand where text does, as they are.
    func render(
        _ values: TemplateValues, into out: inout [UInt8], longest: Int, what: String, takesBytes: Bool = false
    ) throws(RenderFailure) {
        for part in self.parts {
            switch part {
            case .literal(let bytes): out += bytes
            case .placeholder(let placeholder, let place):
                try values.append(placeholder, in: place, takesBytes: takesBytes, to: &out)
            }
            guard out.count <= longest else {
                throw RenderFailure("\(what) is over \(longest) bytes once it is filled in")
            }
        }
    }

    /// What is longer than a body may be is not made.
    package func render(_ values: TemplateValues) throws(RenderFailure) -> [UInt8] {
        var out: [UInt8] = []
        try self.render(values, into: &out, longest: RenderedRequest.longestBody, what: "it")
        return out
    }
}
