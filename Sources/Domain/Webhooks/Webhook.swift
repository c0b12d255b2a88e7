package import Values

/// A webhook as its owners see it.
package struct Webhook: Sendable {
    package let id: EntityID
    package let group: EntityID
    package var name: String
    package var url: WebhookURL
    package var headers: [Header]
    package var status: WebhookStatus
    /// Why Hookline disabled it.
    package var statusReason: String?
    /// What of it this version cannot read, in words for its owners. What cannot be read has its default here.
    package var fault: String?
    package var policy: DeliveryPolicy
    package var options: WebhookOptions
    package var version: Int64
    /// What has become of it so far.
    package var record: WebhookRecord
    /// The webhook of its group's org that it is a copy of; nil if it is the group's own.
    package let definition: EntityID?

    package init(
        id: EntityID, group: EntityID, name: String, url: WebhookURL, headers: [Header],
        status: WebhookStatus = .enabled, statusReason: String? = nil, fault: String? = nil,
        policy: DeliveryPolicy = DeliveryPolicy(),
        options: WebhookOptions = WebhookOptions(), version: Int64 = 1, record: WebhookRecord = WebhookRecord(),
        definition: EntityID? = nil
    ) {
        self.definition = definition
        self.id = id
        self.group = group
        self.name = name
        self.url = url
        self.headers = headers
        self.status = status
        self.statusReason = statusReason
        self.fault = fault
        self.policy = policy
        self.options = options
        self.version = version
        self.record = record
    }

    /// Whether its templates name things.
    package var needsNames: Bool {
        RequestPlan(stored: self.url, headers: self.headers, options: self.options).needsFacts
    }
}

/// What Hookline notes of a webhook.
package struct WebhookRecord: Sendable {
    package var createdAt = Instant.first
    package var updatedAt = Instant.first
    /// nil if it was never called.
    package var lastTriggeredAt: Instant?
    /// Requests made, tests included.
    package var attempts: Int64 = 0
    package var consecutiveFailures: Int64 = 0
    /// Of the last answer; nil if there was none.
    package var lastStatus: Int?
    /// Messages that did not meet its conditions, or were left out for newer ones.
    package var skipped: Int64 = 0

    package init() {}
}

/// What a caller says of a webhook when making or changing one. Making one checks all of it.
package struct WebhookDraft: Sendable {
    package let name: String
    package let url: WebhookURL
    package let headers: [Header]
    package let policy: DeliveryPolicy
    package let options: WebhookOptions
    /// nil leaves it to what it was.
    package let isEnabled: Bool?

    /// - Parameter former: what it is called already.
    /// - Throws: ``InvalidField`` naming the field at fault.
    package init(
        name: String?, insteadOf former: String? = nil, url: String?, headers: [Header],
        policy: DeliveryPolicy = DeliveryPolicy(),
        options: WebhookOptions = WebhookOptions(), isEnabled: Bool? = nil
    ) throws(InvalidField) {
        self.name = try Name.chosen(name, insteadOf: former)
        guard let url, !url.isEmpty else { throw InvalidField("url", "is required") }
        do throws(WebhookURL.Refusal) {
            self.url = try WebhookURL(url)
        } catch {
            throw InvalidField("url", error.reason)
        }
        if let refusal = Header.refusal(of: headers) {
            throw InvalidField("headers.\(refusal.name)", refusal.reason)
        }
        self.headers = headers
        try policy.check()
        self.policy = policy
        try options.check(headers: headers)
        if !options.trigger.kind.isOfMessages, policy.perThing != nil || policy.duplicates != nil {
            throw InvalidField(
                policy.duplicates == nil ? "rate_limit.per_thing" : "duplicates",
                "goes with the triggers MESSAGE and LOG_EVENT alone")
        }
        guard options.batching == nil || policy.ordering != .thing else {
            throw InvalidField("batch", "does not go with the ordering thing")
        }
        _ = try RequestPlan(url: self.url, headers: headers, options: options)
        self.options = options
        self.isEnabled = isEnabled
    }

    package var needsNames: Bool {
        RequestPlan(stored: self.url, headers: self.headers, options: self.options).needsFacts
    }

    /// The status after saving. Saving starts afresh: what Hookline disabled is enabled again.
    package func status(after status: WebhookStatus) -> WebhookStatus {
        switch self.isEnabled {
        case true?: .enabled
        case false?: .disabled
        case nil: status == .disabled ? .disabled : .enabled
        }
    }
}

/// A value that cannot be taken: which one, and what was expected.
package struct InvalidField: Error, Sendable, Equatable, CustomStringConvertible {
    package let field: String
    package let reason: String

    package init(_ field: String, _ reason: String) {
        self.field = field
        self.reason = reason
    }

    package var description: String { "\(self.field) \(self.reason)" }

    /// The same fault, as seen from the list it stands in.
    package func inside(_ container: String) -> InvalidField {
        InvalidField("\(container).\(self.field)", self.reason)
    }
}
