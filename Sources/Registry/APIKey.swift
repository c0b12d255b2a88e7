internal import Crypto
package import Domain
package import Values

/// A key that a program calls the API with. It has 256 random bits, which nobody guesses and no hash needs to stretch, and is
/// shown to whoever makes it; nothing else says what it is.
package struct APIKey: Sendable, CustomStringConvertible, CustomReflectable {
    package static let prefix = "hk_"

    /// The key itself: for the answer that shows it, and for nothing that is kept.
    package let text: String

    /// nil if it is not made as keys are.
    package init?(_ text: String) {
        let random = text.utf8.dropFirst(Self.prefix.utf8.count)
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        let letters = UInt8(ascii: "a")...UInt8(ascii: "f")
        guard text.hasPrefix(Self.prefix), random.count == 64,
            random.allSatisfy({ digits.contains($0) || letters.contains($0) })
        else { return nil }
        self.text = text
    }

    private init(random: SymmetricKey) {
        self.text = Self.prefix + random.withUnsafeBytes { Hex.encode($0) }
    }

    package static func random() -> APIKey { APIKey(random: SymmetricKey(size: .bits256)) }

    /// What is kept of it, and what it is found by.
    package var hash: [UInt8] { Array(SHA256.hash(data: Array(self.text.utf8))) }

    package var description: String { "hk_***" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// A key as it is kept.
package struct APIKeyRecord: Sendable {
    package let id: EntityID
    /// nil for a user's own, which does in every group what the user may.
    package let group: EntityID?
    package let name: String
    /// The most that it may do.
    package let role: Role
    /// Who made it.
    package let creator: String
    /// Whether it ends with its creator's membership, and does no more than that allows.
    package let endsWithCreator: Bool
    package let createdAt: Instant
    package let expiresAt: Instant
    package let endedAt: Instant?
    /// To a minute or so; nil if it never was.
    package let lastUsedAt: Instant?
    package let standing: Standing

    /// Whether a key is good. What has ended has ended for good.
    package enum Standing: Sendable, Equatable {
        /// It may do what this role may.
        case good(Role)
        case expired
        case revoked
        /// With its creator's membership.
        case membershipEnded
        /// Why is known to a newer version.
        case ended
        /// A newer version wrote what it may do.
        case unreadable
    }

    /// A new one.
    package init(
        group: EntityID?, name: String, role: Role, creator: String, endsWithCreator: Bool, createdAt: Instant,
        expiresAt: Instant
    ) {
        self.id = .random()
        self.group = group
        self.name = name
        self.role = role
        self.creator = creator
        self.endsWithCreator = endsWithCreator
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.endedAt = nil
        self.lastUsedAt = nil
        self.standing = .good(role)
    }
}

/// Whose keys.
package enum APIKeyScope: Sendable, Equatable {
    case group(EntityID)
    /// A user's own.
    case user(String)
}
