internal import Values

/// A webhook as delivery needs it. It does not change; a changed webhook is a new target with a higher version.
///
/// There may be 100,000, nearly all of them quiet, so it holds what its rows say and what routes ask; what its requests are made
/// of is worked out when there is something to send (``WebhookRequests``).
package final class WebhookTarget: Sendable {
    package let key: WebhookKey
    package let status: WebhookStatus
    // What is asked for with every message stands by itself: reading it out of the large values would copy them.

    package let ordering: DeliveryPolicy.Ordering
    package let overflow: DeliveryPolicy.Overflow
    /// Whether the thing is told what the receiver answered.
    package let responds: Bool
    /// How much of an answer's body decides what it means; nil if nothing of it does.
    package let judgedBody: Int?
    /// Whether every message of the group is sent to it.
    package let takesAllMessages: Bool
    /// What its templates ask of things beyond their ids, and whether they say what a message crossed.
    package let extent: ThingFacts.Extent
    package let needsCrossing: Bool
    /// Whether something of it asks what a publish said of itself.
    package let needsProperties: Bool
    package var needsFacts: Bool { self.extent > .nothing || self.needsCrossing }
    package let id: EntityID
    package let group: EntityID
    package let version: Int64
    package let url: WebhookURL
    package let headers: [Header]
    /// What of it this version cannot read; it is not called then.
    package let fault: String?
    /// The org of its group.
    package let org: EntityID?
    /// More deliveries than this are of no use in memory: they would wait there for their rate.
    package let mostInMemory: Int
    package let batching: Batching?
    package let filter: TriggerFilter
    /// Whether it chooses things by more than their ids.
    package let choosesThings: Bool
    /// What its trigger asks of payloads; nil if nothing.
    package let payloadFilter: PayloadFilter?
    package let conditions: ConditionSet?
    /// What is left out of each thing's messages; nil if nothing is.
    package let thinning: Thinning?
    package let signingKeys: SigningKeys?
    /// Blocks of addresses that the group may reach beyond those of the installation.
    package let allowedNetworks: [Network]
    /// How its requests are secured; nil is as everywhere else.
    package let tls: TLSTerms?
    private let storedPolicy: Stored<DeliveryPolicy>
    private let storedOptions: Stored<WebhookOptions>

    /// Most webhooks say nothing of their own, and have the same one.
    private final class Stored<Value: Equatable & Sendable>: Sendable {
        let value: Value
        init(_ value: Value) { self.value = value }
    }

    private static let usualPolicy = Stored(DeliveryPolicy())
    private static let usualOptions = Stored(WebhookOptions())

    package init(
        key: WebhookKey, id: EntityID, group: EntityID, version: Int64, url: WebhookURL, headers: [Header],
        status: WebhookStatus = .enabled, policy: DeliveryPolicy = DeliveryPolicy(),
        options: WebhookOptions = WebhookOptions(), org: EntityID? = nil, signingKeys: SigningKeys? = nil,
        allowedNetworks: [Network] = [], groupTLS: TLSTerms? = nil, fault: String? = nil
    ) {
        self.tls = options.clientCertificate.map { TLSTerms(own: $0, in: groupTLS) } ?? groupTLS
        self.fault = fault
        self.storedPolicy = policy == Self.usualPolicy.value ? Self.usualPolicy : Stored(policy)
        self.storedOptions = options == Self.usualOptions.value ? Self.usualOptions : Stored(options)
        self.ordering = policy.ordering
        self.overflow = policy.overflow
        self.org = org
        self.filter = TriggerFilter(options.trigger)
        self.choosesThings = options.trigger.choosesThings
        self.payloadFilter = PayloadFilter(options.trigger)
        self.conditions = options.conditions.map(ConditionSet.init)
        self.thinning = self.filter.kind.isOfMessages ? Thinning(policy) : nil
        // Most have no template at all.
        let mayNeedFacts =
            url.text.has("{") || headers.contains { $0.value.has("{") } || options.request != RequestSpec()
        let plan = mayNeedFacts ? RequestPlan(stored: url, headers: headers, options: options) : nil
        self.extent = plan?.extent ?? .nothing
        self.needsCrossing = plan?.needsCrossing ?? false
        self.needsProperties =
            plan?.needsProperties == true || options.conditions?.rules.contains(where: \.isOfProperties) == true
            || options.responds && options.answer.destination == .responseTopic
        self.batching = options.batching
        self.responds = options.responds
        self.judgedBody = policy.judgedBody
        self.takesAllMessages =
            self.filter.kind == .message && self.filter.isOpen && self.payloadFilter == nil
            && options.conditions == nil && self.thinning == nil
        self.key = key
        self.id = id
        self.group = group
        self.version = version
        self.url = url
        self.headers = headers
        self.status = status
        // What is left out leaves the memory at once.
        self.mostInMemory =
            policy.overflow != .wait
            ? .max
            : policy.rateLimit.map { max(1, $0.burst) + Int(max(1, min($0.perSecond.rounded(.up), 1e6))) } ?? .max
        self.signingKeys = signingKeys
        self.allowedNetworks = allowedNetworks
    }

    package var policy: DeliveryPolicy { self.storedPolicy.value }
    package var options: WebhookOptions { self.storedOptions.value }
    /// Whose facts a request with this message names.
    package func subject(of message: Message) -> ThingFacts.Subject {
        let crossing = self.needsCrossing ? DeliveryID(message: message.id, webhook: self.key) : nil
        return ThingFacts.Subject(message.thing, in: message.group, crossing: crossing)
    }

    /// Worked out each time. Who sends has ``WebhookRequests``.
    package var plan: RequestPlan { RequestPlan(stored: self.url, headers: self.headers, options: self.options) }

    package static let userAgent = "Hookline/\(Release.line) (+webhooks)"

    /// Whether what comes in goes out straight from memory. Otherwise it waits in the database: for the webhook to be
    /// enabled again, or for its turn among the messages of its thing.
    package var isSentFromMemory: Bool { self.status == .enabled && self.ordering != .thing }

    /// Whether a thing's message may have to wait for the one before it. Those that go out in one request do not.
    package var isInLine: Bool { self.ordering != .none && self.batching == nil }

    /// Whether a thing's messages make it fire; otherwise events do.
    package var isForMessages: Bool { self.filter.kind.isOfMessages }

    /// Whether what becomes of a thing's message depends on those before it.
    package var remembers: Bool { self.thinning != nil || self.conditions?.hasState == true }

    /// What it asks of a payload; nil if it asks nothing.
    package var askedPaths: [JSONPath]? {
        guard self.thinning != nil || self.payloadFilter != nil else { return self.conditions?.paths }
        return (self.payloadFilter?.paths ?? []) + (self.conditions?.paths ?? []) + (self.thinning?.paths ?? [])
    }

    /// Whether messages come to it, as far as they are for it. To one that Hookline has disabled they do, and wait.
    package var receivesMessages: Bool { self.status != .disabled && self.isForMessages }
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
