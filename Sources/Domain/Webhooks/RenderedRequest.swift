internal import Values

/// One request of a webhook for one message, or for several together.
package struct RenderedRequest: Sendable {
    package let method: String
    /// Path and query.
    package let target: [UInt8]
    /// The same as the log keeps it; nil if that of every message is the same.
    package let loggedTarget: [UInt8]?
    /// What the webhook's owners and its format ask for; Hookline's own are not among them.
    package let headers: [(name: String, value: [UInt8])]
    /// nil if there is no body, or one of the headers says it.
    package let contentType: String?
    /// nil if there is none.
    package let body: [UInt8]?
    /// How many user properties that were to become headers could not.
    package var unforwarded = 0

    // What is longer is not made, in bytes; a payload that is sent as it is is bounded where it comes in.

    package static let longestBody = 4 * 1024 * 1024
    /// A header's value, and the names and values of all headers.
    package static let longestHeader = 8_192
    package static let longestHeaders = 32 * 1024
    /// Path and query.
    package static let longestTarget = 8_192
}

extension RequestPlan {
    /// Fills the templates in.
    package func render(_ message: Message, org: EntityID?, facts: ThingFacts) throws(RenderFailure) -> RenderedRequest
    {
        let values = TemplateValues(message, org: org, facts: facts, paths: self.paths)
        return try self.request(values, body: try self.renderBody(message, values), of: message)
    }

    private func renderBody(_ message: Message, _ values: TemplateValues) throws(RenderFailure) -> [UInt8]? {
        var body: [UInt8] = []
        let longest = RenderedRequest.longestBody
        switch self.body {
        case .none: return nil
        case .payload: return message.payload
        case .json(let template): try template.render(values, into: &body, longest: longest, what: "the body")
        case .text(let template):
            // Who says that it is text means it; otherwise it is what the thing's profile says.
            try template.render(
                values, into: &body, longest: longest, what: "the body", takesBytes: self.contentType == .profile)
        case .form(let rows): try Self.append(rows, values, to: &body, longest: longest, what: "the body")
        }
        return body
    }

    func request(
        _ values: TemplateValues, body: [UInt8]?, of message: Message
    ) throws(RenderFailure) -> RenderedRequest {
        var headers = try self.renderHeaders(values)
        if self.format == .cloudEvents { headers += CloudEvent.headers(of: message) }
        var unforwarded = 0
        if let forwarding = self.forwarding {
            let used = headers.reduce(0) { $0 + $1.name.utf8.count + $1.value.count }
            let forwarded = forwarding.headers(of: message.properties, room: RenderedRequest.longestHeaders - used)
            headers += forwarded.headers
            unforwarded = forwarded.leftOut
        }
        let setsType = headers.contains { $0.name.lowercased() == "content-type" }
        let type: String =
            if let batching { batching.form == .ndjson ? "application/x-ndjson" : "application/json" } else {
                self.contentType.mediaType ?? message.contentType
            }
        var logged: [UInt8]?
        if let target = self.loggedTarget { logged = try Self.render(target.target, target.query, values) }
        return RenderedRequest(
            method: self.method.rawValue, target: try self.renderTarget(values), loggedTarget: logged, headers: headers,
            contentType: body == nil || setsType ? nil : type, body: body, unforwarded: unforwarded)
    }

    private func renderHeaders(_ values: TemplateValues) throws(RenderFailure) -> [(name: String, value: [UInt8])] {
        var headers: [(name: String, value: [UInt8])] = []
        var size = 0
        for (name, template) in self.headers {
            var value: [UInt8] = []
            try template.render(
                values, into: &value, longest: RenderedRequest.longestHeader, what: "the header \(name)")
            size += name.utf8.count + value.count
            guard size <= RenderedRequest.longestHeaders else {
                throw RenderFailure(
                    "the headers are over \(RenderedRequest.longestHeaders) bytes once they are filled in")
            }
            headers.append((name, value))
        }
        return headers
    }

    private func renderTarget(_ values: TemplateValues) throws(RenderFailure) -> [UInt8] {
        let target = try Self.render(self.target, self.query, values, longest: RenderedRequest.longestTarget)
        // What a device sends must not lead to another place of the receiver than its owners meant.
        if self.target.hasPlaceholders, Self.hasDotSegment(target) {
            throw RenderFailure("the url's path has a segment of dots once it is filled in")
        }
        return target
    }

    /// - Parameter longest: unbounded, but for what the same target has been held to already.
    private static func render(
        _ path: Template, _ query: [(key: String, value: Template)], _ values: TemplateValues, longest: Int = .max
    ) throws(RenderFailure) -> [UInt8] {
        var target: [UInt8] = []
        try path.render(values, into: &target, longest: longest, what: "the url")
        if !query.isEmpty {
            // What a url ends with need not be said again: some receivers take an empty name for a fault.
            if let separator = Self.separator(behind: target) { target.append(separator) }
            try Self.append(query, values, to: &target, longest: longest, what: "the url")
        }
        return target
    }

    private static func separator(behind target: [UInt8]) -> UInt8? {
        guard let start = target.firstIndex(of: UInt8(ascii: "?")) else { return UInt8(ascii: "?") }
        return start == target.count - 1 || target.last == UInt8(ascii: "&") ? nil : UInt8(ascii: "&")
    }

    private static func hasDotSegment(_ target: [UInt8]) -> Bool {
        target.prefix { $0 != UInt8(ascii: "?") }.split(separator: UInt8(ascii: "/")).contains { segment in
            let text = String(decoding: segment, as: UTF8.self).lowercased()
            return [".", "..", "%2e", ".%2e", "%2e.", "%2e%2e"].contains(text)
        }
    }

    /// `key=value&…`.
    private static func append(
        _ rows: [(key: String, value: Template)], _ values: TemplateValues, to out: inout [UInt8], longest: Int,
        what: String
    ) throws(RenderFailure) {
        for (index, row) in rows.enumerated() {
            if index > 0 { out.append(UInt8(ascii: "&")) }
            out.appendPercentEncoded(row.key.utf8)
            out.append(UInt8(ascii: "="))
            try row.value.render(values, into: &out, longest: longest, what: what)
        }
        guard out.count <= longest else { throw RenderFailure("\(what) is over \(longest) bytes once it is filled in") }
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
