/// A kind of thing: how its messages are to be treated.
package struct ProfileConfig: Sendable, Equatable {
    package var contentType: String
    /// Whether what a publish says of its type goes before that.
    package var takesPublishedType = false
    /// Whether messages are kept and can be read through the API.
    package var write: Bool
    /// Whether messages go to the group's webhooks.
    package var webhook: Bool
    /// What makes JSON of messages; nil if they are JSON, or whatever they are.
    package var decoder: PayloadDecoder?
    /// Whether messages of which no JSON can be made are refused.
    package var refusesUndecoded = false

    package static let defaultContentType = "application/json"
    /// In the place of a type: each message has the one that it was published with, or else ``defaultContentType``.
    package static let typeAsPublished = "as_published"

    package init(contentType: String = Self.defaultContentType, write: Bool = false, webhook: Bool = false) {
        self.contentType = contentType
        self.write = write
        self.webhook = webhook
    }

    /// A type that a profile may have: one, or ``typeAsPublished``.
    package static func checkedOwnType(_ text: String) throws(InvalidField) -> String {
        text == Self.typeAsPublished ? text : try Self.checkedContentType(text)
    }

    /// The type of a message that was published with this one.
    package func type(published text: String?) -> String {
        guard let text else { return self.contentType }
        do throws(InvalidField) { return try Self.checkedContentType(text) } catch { return self.contentType }
    }

    /// What becomes of messages of which no JSON can be made.
    package enum DecodeFailure: String, Sendable, CaseIterable {
        case deliver, refuse

        package static func checked(_ text: String) throws(InvalidField) -> DecodeFailure {
            guard let failure = DecodeFailure(rawValue: text) else {
                throw InvalidField("config.decode_failure", "must be deliver or refuse")
            }
            return failure
        }
    }

    /// The type becomes a header's value, so it must be one: `type/subtype` and parameters, printable ASCII.
    package static func checkedContentType(_ text: String) throws(InvalidField) -> String {
        let parts = text.split(separator: ";", maxSplits: 1)[...].first?.split(
            separator: "/", omittingEmptySubsequences: false)
        guard text.utf8.count <= 200, text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }), parts?.count == 2,
            parts?.allSatisfy({ !$0.isEmpty }) == true
        else { throw InvalidField("config.content_type", "must be a media type such as application/json") }
        return text
    }
}

/// What a member of a group may do; each role may do what the ones before it may.
package enum Role: String, Sendable, CaseIterable, Comparable {
    case viewer, editor, admin, owner

    private var rank: Int {
        switch self {
        case .viewer: 0
        case .editor: 1
        case .admin: 2
        case .owner: 3
        }
    }

    package static func < (lhs: Role, rhs: Role) -> Bool { lhs.rank < rhs.rank }
}
