/// Whose notices they are.
package enum NoticeOwner: Sendable, Hashable {
    case group(EntityID)
    case org(EntityID)
    /// Of all groups that they are a member of.
    case user(String)

    /// Where their notices are published, if they are.
    package var topic: String {
        switch self {
        case .group(let id): "groups/\(id)/notifications"
        case .org(let id): "orgs/\(id)/notifications"
        case .user(let id): "users/\(id)/notifications"
        }
    }
}

/// Where notices go, and what is needed for that.
package enum NoticeTarget: Sendable {
    case mail(MailAddress)
    /// By mail to the address that a user has given, or that their identity provider has.
    case userMail(String)
    /// What each of them calls an incoming webhook: its url is all that it takes to write there.
    case slack(WebhookURL)
    case teams(WebhookURL)
    case discord(WebhookURL)
    /// On the bus, below what the owner is: nobody chooses what is published with Hookline's rights.
    case bus
    /// JSON by POST, signed like a delivery.
    case post(WebhookURL, SigningKey)

    package enum Kind: String, Sendable, CaseIterable {
        case email, slack, teams, discord, mqtt, post
    }

    package var kind: Kind {
        switch self {
        case .mail, .userMail: .email
        case .slack: .slack
        case .teams: .teams
        case .discord: .discord
        case .bus: .mqtt
        case .post: .post
        }
    }

    /// nil if it is not one that is posted to.
    package var url: WebhookURL? {
        switch self {
        case .slack(let url), .teams(let url), .discord(let url), .post(let url, _): url
        case .mail, .userMail, .bus: nil
        }
    }
}

/// A way in which people are told.
package struct NoticeChannel: Sendable {
    package let id: EntityID
    package let owner: NoticeOwner
    package let name: String
    package let target: NoticeTarget
    package let events: Set<NoticeEvent>
    package let isEnabled: Bool
    /// For how long notices are gathered, to be given together; in seconds.
    package let gatherSeconds: Int32

    package static let gathered: Int32 = 60
    package static let longestGathering: Int32 = 86_400
    /// How many an owner may have.
    package static let most = 20

    package init(
        id: EntityID, owner: NoticeOwner, name: String, target: NoticeTarget, events: Set<NoticeEvent>,
        isEnabled: Bool, gatherSeconds: Int32
    ) {
        self.id = id
        self.owner = owner
        self.name = name
        self.target = target
        self.events = events
        self.isEnabled = isEnabled
        self.gatherSeconds = gatherSeconds
    }
}
