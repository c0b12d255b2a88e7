/// How a webhook's requests are made: templates are read, what never changes is put together, and keys are ready to sign.
package final class WebhookRequests: Sendable {
    package let target: WebhookTarget
    package let plan: RequestPlan
    /// Whether a request is ``head`` and the payload as it came.
    package let isPlain: Bool
    /// Whether path and query differ from message to message.
    package let hasVaryingTarget: Bool
    /// The part of the request head that is the same for every message, if the plan is plain: request line and headers.
    package let head: [UInt8]
    /// The headers that every request has, whatever the plan.
    package let commonHeaders: [UInt8]
    /// Whether the webhook's own headers say the type, which then wins over the profile's.
    package let setsContentType: Bool
    /// Whether bodies are sent compressed, if that makes them smaller.
    package let isCompressed: Bool
    /// nil for a webhook from before there were keys, until the service has started once.
    package let signer: RequestSigner?

    /// Makes the key that goes with each request, if its receiver is given one.
    package let commands: CommandKeys?

    package init(_ target: WebhookTarget, commands: CommandKeys? = nil) {
        self.commands = target.options.sendsCommandKey ? commands : nil
        self.target = target
        self.plan = target.plan
        self.isPlain = self.plan.isPlain
        self.hasVaryingTarget = self.plan.hasVaryingTarget
        var common = "host: \(target.url.authority)\r\n"
        if !target.headers.contains(where: { $0.name.lowercased() == "user-agent" }) {
            common += "user-agent: \(WebhookTarget.userAgent)\r\n"
        }
        // A thing's messages go to webhooks of its own group alone.
        common += "x-hookline-group-id: \(target.group)\r\n"
        if let authorization = target.options.auth.authorization { common += "authorization: \(authorization)\r\n" }
        self.commonHeaders = Array(common.utf8)
        var head = "POST \(target.url.requestTarget) HTTP/1.1\r\n" + common
        for header in target.headers { head += "\(header.name): \(header.value)\r\n" }
        self.head = Array(head.utf8)
        self.setsContentType = target.headers.contains { $0.name.lowercased() == "content-type" }
        self.isCompressed = target.options.compression == .gzip
        self.signer = target.signingKeys.map(RequestSigner.init)
    }
}
