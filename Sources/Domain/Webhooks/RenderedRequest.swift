internal import Values

/// One request of a webhook for one message, or for several together.
package struct RenderedRequest: Sendable {
    package let method: String
    /// Path and query.
    package let target: [UInt8]
    /// What the webhook's owners and its format ask for; Hookline's own are not among them.
    package let headers: [(name: String, value: [UInt8])]
    /// nil if there is no body, or one of the headers says it.
    package let contentType: String?
    /// nil if there is none.
    package let body: [UInt8]?

    /// The longest path and query that is sent.
    package static let longestTarget = 8_192
}

/// Why no request can be made of a message, in words for the webhook's owners.
package struct RenderFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String
}

extension RequestPlan {
    /// Fills the templates in.
    package func render(_ message: Message, org: EntityID?, facts: ThingFacts) throws(RenderFailure) -> RenderedRequest
    {
        let values = TemplateValues(message, org: org, facts: facts)
        let body: [UInt8]? =
            switch self.body {
            case .none: nil
            case .payload: message.payload
            case .json(let template), .text(let template): template.render(values)
            case .form(let rows): Self.encoded(rows, values)
            }
        return try self.request(values, body: body, of: message)
    }

    /// Several messages in one request: the elements of an array, or a line each.
    package func render(
        batch messages: [Message], org: EntityID?, facts: (Message) -> ThingFacts
    ) throws(RenderFailure) -> RenderedRequest {
        let isArray = self.batching?.form != .ndjson
        var body: [UInt8] = isArray ? [UInt8(ascii: "[")] : []
        for (index, message) in messages.enumerated() {
            if index > 0 { body.append(isArray ? UInt8(ascii: ",") : UInt8(ascii: "\n")) }
            let values = TemplateValues(
                message, org: org, facts: self.needsFacts ? facts(message) : ThingFacts.unknown)
            if case .json(let template) = self.body {
                let item = template.render(values)
                // A line break inside an item would make two lines of it.
                body += isArray ? item : item.filter { $0 != 0x0A && $0 != 0x0D }
            } else {
                Self.envelope.render(values, into: &body)
            }
        }
        body.append(isArray ? UInt8(ascii: "]") : UInt8(ascii: "\n"))
        let first = messages[0]
        return try self.request(TemplateValues(first, org: org), body: body, of: first)
    }

    /// What stands for a message in a batch unless the webhook has a template of its own.
    private static let envelope: Template = {
        let text = """
            {"message_id":"{message_id}","thing_id":{thing_id},"subtopic":"{subtopic}","received_at":{received_at},\
            "payload":{payload}}
            """
        guard let template = try? Template(text, kind: .json) else { preconditionFailure("the envelope is a template") }
        return template
    }()

    private func request(
        _ values: TemplateValues, body: [UInt8]?, of message: Message
    ) throws(RenderFailure) -> RenderedRequest {
        var headers = self.headers.map { (name: $0.name, value: $0.value.render(values)) }
        if self.format == .cloudEvents { headers += CloudEvent.headers(of: message) }
        let setsType = headers.contains { $0.name.lowercased() == "content-type" }
        let type: String =
            if let batching { batching.form == .ndjson ? "application/x-ndjson" : "application/json" } else {
                self.contentType.mediaType ?? message.contentType
            }
        return RenderedRequest(
            method: self.method.rawValue, target: try self.renderTarget(values), headers: headers,
            contentType: body == nil || setsType ? nil : type, body: body)
    }

    private func renderTarget(_ values: TemplateValues) throws(RenderFailure) -> [UInt8] {
        var target = self.target.render(values)
        // What a device sends must not lead to another place of the receiver than its owners meant.
        if self.target.hasPlaceholders, Self.hasDotSegment(target) {
            throw RenderFailure(description: "render: the url's path has a segment of dots once it is filled in")
        }
        if !self.query.isEmpty {
            target.append(target.contains(UInt8(ascii: "?")) ? UInt8(ascii: "&") : UInt8(ascii: "?"))
            target += Self.encoded(self.query, values)
        }
        guard target.count <= RenderedRequest.longestTarget else {
            throw RenderFailure(
                description: "render: the url is over \(RenderedRequest.longestTarget) bytes once it is filled in")
        }
        return target
    }

    private static func hasDotSegment(_ target: [UInt8]) -> Bool {
        target.prefix { $0 != UInt8(ascii: "?") }.split(separator: UInt8(ascii: "/")).contains { segment in
            let text = String(decoding: segment, as: UTF8.self).lowercased()
            return [".", "..", "%2e", ".%2e", "%2e.", "%2e%2e"].contains(text)
        }
    }

    /// `key=value&…`.
    private static func encoded(_ rows: [(key: String, value: Template)], _ values: TemplateValues) -> [UInt8] {
        var out: [UInt8] = []
        for (index, row) in rows.enumerated() {
            if index > 0 { out.append(UInt8(ascii: "&")) }
            out.appendPercentEncoded(row.key.utf8)
            out.append(UInt8(ascii: "="))
            row.value.render(values, into: &out)
        }
        return out
    }
}

/// CloudEvents 1.0 in HTTP's binary content mode
/// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md).
enum CloudEvent {
    static func headers(of message: Message) -> [(name: String, value: [UInt8])] {
        let source = message.hasThing ? "/things/\(message.thing)" : "/groups/\(message.group)"
        var headers = [
            ("ce-specversion", "1.0"), ("ce-id", String(message.id.rawValue)), ("ce-source", source),
            ("ce-type", "io.hookline.\((message.event ?? .message).rawValue.lowercased())"),
            ("ce-time", message.id.time.text),
        ]
        if !message.subtopic.isEmpty { headers.append(("ce-subject", message.subtopic)) }
        if let traceparent = message.traceparent { headers.append(("ce-traceparent", traceparent)) }
        return headers.map { (name: $0.0, value: Self.encoded($0.1)) }
    }

    /// Section 3.1.3.2: all but visible ASCII is percent-encoded, and so are quote and percent sign.
    private static func encoded(_ text: String) -> [UInt8] {
        var out: [UInt8] = []
        for byte in text.utf8 {
            if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "%") {
                out.append(byte)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                out += Array("%\(digits.count == 1 ? "0" : "")\(digits)".utf8)
            }
        }
        return out
    }
}
