/// A webhook as delivery needs it. It does not change; a changed webhook is a new target with a higher version.
package final class WebhookTarget: Sendable {
    package let key: WebhookKey
    package let id: EntityID
    package let group: EntityID
    package let version: Int64
    package let url: WebhookURL
    package let headers: [Header]
    package let status: WebhookStatus
    /// What of it this version cannot read; it is not called then.
    package let fault: String?
    package let policy: DeliveryPolicy
    package let options: WebhookOptions
    /// The org of its group.
    package let org: EntityID?
    package let plan: RequestPlan
    /// More deliveries than this are of no use in memory: they would wait there for their rate.
    package let mostInMemory: Int
    // What is asked for with every message stands by itself: reading it out of the large values would copy them.

    /// Whether a request is ``requestHead`` and the payload as it came.
    package let isPlain: Bool
    package let batching: Batching?
    /// Whether the thing is told what the receiver answered.
    package let responds: Bool
    /// Whether path and query differ from message to message.
    package let hasVaryingTarget: Bool
    /// Whether every message of the group is sent to it.
    package let takesAllMessages: Bool
    package let filter: TriggerFilter
    package let conditions: ConditionSet?
    package let signingKeys: SigningKeys?
    /// Blocks of addresses that the group may reach beyond those of the installation.
    package let allowedNetworks: [Network]
    /// The part of the request head that is the same for every message, if its plan is plain: request line and headers.
    package let requestHead: [UInt8]
    /// The headers that every request has, whatever its plan.
    package let commonHeaders: [UInt8]

    package init(
        key: WebhookKey, id: EntityID, group: EntityID, version: Int64, url: WebhookURL, headers: [Header],
        status: WebhookStatus = .enabled, policy: DeliveryPolicy = DeliveryPolicy(),
        options: WebhookOptions = WebhookOptions(), org: EntityID? = nil, signingKeys: SigningKeys? = nil,
        allowedNetworks: [Network] = [], fault: String? = nil
    ) {
        self.fault = fault
        self.options = options
        self.org = org
        self.filter = TriggerFilter(options.trigger)
        self.conditions = options.conditions.map(ConditionSet.init)
        self.plan = RequestPlan(stored: url, headers: headers, options: options)
        self.isPlain = self.plan.isPlain
        self.batching = options.batching
        self.responds = options.responds
        self.hasVaryingTarget = self.plan.hasVaryingTarget
        self.takesAllMessages = self.filter.kind == .message && self.filter.isOpen && options.conditions == nil
        self.key = key
        self.id = id
        self.group = group
        self.version = version
        self.url = url
        self.headers = headers
        self.status = status
        self.policy = policy
        self.mostInMemory =
            policy.rateLimit.map { max(1, $0.burst) + Int(max(1, min($0.perSecond.rounded(.up), 1e6))) } ?? .max
        self.signingKeys = signingKeys
        self.allowedNetworks = allowedNetworks
        var common = "host: \(url.authority)\r\n"
        if !headers.contains(where: { $0.name.lowercased() == "user-agent" }) {
            common += "user-agent: \(Self.userAgent)\r\n"
        }
        // A thing's messages go to webhooks of its own group alone.
        common += "x-hookline-group-id: \(group)\r\n"
        if let authorization = options.auth.authorization { common += "authorization: \(authorization)\r\n" }
        self.commonHeaders = Array(common.utf8)
        var head = "POST \(url.requestTarget) HTTP/1.1\r\n" + common
        for header in headers { head += "\(header.name): \(header.value)\r\n" }
        self.requestHead = Array(head.utf8)
        self.setsContentType = headers.contains { $0.name.lowercased() == "content-type" }
    }

    package static let userAgent = "Hookline/0.1 (+webhooks)"
    /// Whether the webhook's own headers say the type, which then wins over the profile's.
    package let setsContentType: Bool

    /// Whether what comes in goes out straight from memory. Otherwise it waits in the database: for the webhook to be
    /// enabled again, or for its turn among the messages of its thing.
    package var isSentFromMemory: Bool { self.status == .enabled && self.policy.ordering == .none }

    /// Whether a thing's messages make it fire; otherwise events do.
    package var isForMessages: Bool { self.filter.kind == .message }
}

extension RequestPlan {
    /// The plan of a webhook that was checked when it was saved.
    init(stored url: WebhookURL, headers: [Header], options: WebhookOptions) {
        do throws(InvalidField) {
            self = try RequestPlan(url: url, headers: headers, options: options, isLenient: true)
        } catch {
            preconditionFailure("a lenient plan takes everything")
        }
    }
}
