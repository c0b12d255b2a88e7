/// What came of trying a webhook out, step by step.
package struct TestReport: Sendable {
    package struct Step: Sendable {
        /// check (of a dry run), render, token, resolve, address, connect, tls, request or response.
        package let name: String
        /// nil if it went well.
        package let error: String?
        package let detail: String?
        package let microseconds: Int64

        package init(name: String, error: String? = nil, detail: String? = nil, microseconds: Int64) {
            self.name = name
            self.error = error
            self.detail = detail
            self.microseconds = microseconds
        }
    }

    package let steps: [Step]
    /// nil if none could be made.
    package let request: RequestDescription?
    package let status: Int?
    /// What is shown of the answer's headers.
    package let headers: AnswerHeaders?
    /// The beginning of the answer's body.
    package let body: [UInt8]
    /// Whether a delivery would have succeeded.
    package let hasSucceeded: Bool
    package let microseconds: Int64

    package init(
        steps: [Step], request: RequestDescription?, status: Int?, headers: AnswerHeaders? = nil, body: [UInt8],
        hasSucceeded: Bool, microseconds: Int64
    ) {
        self.steps = steps
        self.request = request
        self.status = status
        self.headers = headers
        self.body = body
        self.hasSucceeded = hasSucceeded
        self.microseconds = microseconds
    }
}

/// Tries a webhook out with a message.
///
/// - Parameter sends: whether the request is made; otherwise it is only rendered.
package typealias WebhookTest =
    @Sendable (_ target: WebhookTarget, _ message: Message, _ sends: Bool) async -> TestReport

/// A request as people look at it.
package struct RequestDescription: Sendable {
    package let method: String
    package let url: String
    /// Without what is secret.
    package let headers: [(name: String, value: String)]
    package let body: [UInt8]?

    private static let mask = "***"

    /// The request that a webhook makes of a message, with the values of the headers that its owners set masked: they
    /// are credentials as often as not.
    ///
    /// - Parameter showsHeaders: whether they are shown all the same, to who may see them anyway.
    package init(_ request: RenderedRequest, of message: Message, to target: WebhookTarget, showsHeaders: Bool) {
        self.method = request.method
        self.url = target.url.origin + String(decoding: request.target, as: UTF8.self)
        let owners = Set(target.headers.map { $0.name.lowercased() })
        var headers = request.headers.map { header in
            let isOurs = header.name.hasPrefix("ce-") && !owners.contains(header.name.lowercased())
            let isForwarded = target.options.request.forwarding?.sets(header.name) == true
            let isPlain = showsHeaders || isOurs || isForwarded
            return (name: header.name, value: isPlain ? String(decoding: header.value, as: UTF8.self) : Self.mask)
        }
        if target.options.auth.kind != .none { headers.append((name: "authorization", value: Self.mask)) }
        if let type = request.contentType { headers.append((name: "content-type", value: type)) }
        if target.options.compression == .gzip, request.body?.isEmpty == false {
            headers.append((name: "content-encoding", value: "gzip"))
        }
        headers.append((name: "x-hookline-group-id", value: target.group.description))
        if message.hasThing { headers.append((name: "x-hookline-thing-id", value: message.thing.description)) }
        if !message.subtopic.isEmpty { headers.append((name: "x-hookline-subtopic", value: message.subtopic)) }
        if let event = message.event { headers.append((name: "x-hookline-trigger", value: event.rawValue)) }
        if target.options.sendsCommandKey, message.hasThing {
            headers.append((name: "x-hookline-command-key", value: Self.mask))
        }
        if let trace = message.traceparent { headers.append((name: "traceparent", value: trace)) }
        if target.signingKeys != nil { headers.append((name: "webhook-signature", value: Self.mask)) }
        self.headers = headers
        self.body = request.body
    }
}
