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
    package var policy: DeliveryPolicy
    package var version: Int64

    package init(
        id: EntityID, group: EntityID, name: String, url: WebhookURL, headers: [Header],
        status: WebhookStatus = .enabled, statusReason: String? = nil, policy: DeliveryPolicy = DeliveryPolicy(),
        version: Int64 = 1
    ) {
        self.id = id
        self.group = group
        self.name = name
        self.url = url
        self.headers = headers
        self.status = status
        self.statusReason = statusReason
        self.policy = policy
        self.version = version
    }
}

/// What a caller says of a webhook when making or changing one. Making one checks all of it.
package struct WebhookDraft: Sendable {
    package let name: String
    package let url: WebhookURL
    package let headers: [Header]
    package let policy: DeliveryPolicy
    /// nil leaves it to what it was.
    package let isEnabled: Bool?

    /// - Throws: ``InvalidField`` naming the field at fault.
    package init(
        name: String?, url: String?, headers: [Header], policy: DeliveryPolicy = DeliveryPolicy(),
        isEnabled: Bool? = nil
    ) throws(InvalidField) {
        self.name = try Name.checked(name)
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
        self.isEnabled = isEnabled
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

/// The rule that all names follow.
package enum Name {
    package static func checked(_ name: String?, field: String = "name") throws(InvalidField) -> String {
        guard let name, !name.isEmpty else { throw InvalidField(field, "is required") }
        guard name.unicodeScalars.count <= 254 else {
            throw InvalidField(field, "must be at most 254 characters long")
        }
        guard
            name.unicodeScalars.allSatisfy({ scalar in
                switch scalar.properties.generalCategory {
                case .control, .lineSeparator, .paragraphSeparator, .surrogate: false
                default: true
                }
            })
        else { throw InvalidField(field, "must consist of printable characters") }
        return name
    }
}
