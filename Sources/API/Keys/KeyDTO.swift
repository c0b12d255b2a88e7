internal import Domain
internal import Registry
internal import Values

struct APIKeyDTO: Encodable {
    let id: String
    /// Absent in a user's own.
    let group_id: String?
    let name: String
    let role: String
    let ends_with_creator: Bool
    let created_by: String
    let created_at: Int64
    let expires_at: Int64
    let last_used_at: Int64?
    let status: String
    let ended_at: Int64?
    /// Only in the answer that makes it.
    let key: String?

    init(_ record: APIKeyRecord, key: APIKey? = nil) {
        self.id = record.id.description
        self.group_id = record.group?.description
        self.name = record.name
        self.role = record.role.rawValue
        self.ends_with_creator = record.endsWithCreator
        self.created_by = record.creator
        self.created_at = record.createdAt.milliseconds
        self.expires_at = record.expiresAt.milliseconds
        self.last_used_at = record.lastUsedAt?.milliseconds
        self.status =
            switch record.standing {
            case .good: "ACTIVE"
            case .expired: "EXPIRED"
            case .revoked: "REVOKED"
            case .membershipEnded: "MEMBERSHIP_ENDED"
            case .ended: "ENDED"
            case .unreadable: "UNREADABLE"
            }
        self.ended_at = record.endedAt?.milliseconds
        self.key = key?.text
    }
}

/// The key that a call is made with.
struct CallersKeyDTO: Encodable {
    let id: String
    let name: String
    let group_id: String?
    /// The most that it may do now.
    let role: String

    init(_ key: Caller.Key) {
        self.id = key.id.description
        self.name = key.name
        self.group_id = key.group?.description
        self.role = key.role.rawValue
    }
}

extension APIKeyRecord {
    private static let lifetime: Duration = .seconds(90 * 86_400)
    private static let longestLifetime: Duration = .seconds(366 * 86_400)

    /// A group's key. Nobody gives away more than they have.
    ///
    /// - Parameter callersRole: in the group.
    init(
        _ object: JSONObject, in group: EntityID, by caller: Caller, of callersRole: Role, at now: Instant
    ) throws {
        guard let role = try Self.role(object) else {
            throw InvalidField(object.name("role"), "is required: one of \(Self.roles)")
        }
        guard role <= callersRole else { throw APIError.forbidden(role) }
        self.init(
            group: group, name: try Name.chosen(try object.string("name"), field: object.name("name")), role: role,
            creator: caller.id, endsWithCreator: try object.bool("ends_with_creator") ?? true, createdAt: now,
            expiresAt: try Self.end(object, now))
    }

    /// A user's own: whatever its role, it does no more than the user may.
    init(_ object: JSONObject, ownOf caller: Caller, at now: Instant) throws {
        self.init(
            group: nil, name: try Name.chosen(try object.string("name"), field: object.name("name")),
            role: try Self.role(object) ?? .owner, creator: caller.id, endsWithCreator: false, createdAt: now,
            expiresAt: try Self.end(object, now))
    }

    private static let roles = Role.allCases.map(\.rawValue).joined(separator: ", ")

    private static func role(_ object: JSONObject) throws(InvalidField) -> Role? {
        guard let text = try object.string("role") else { return nil }
        guard let role = Role(rawValue: text) else {
            throw InvalidField(object.name("role"), "must be one of \(Self.roles)")
        }
        return role
    }

    private static func end(_ object: JSONObject, _ now: Instant) throws(InvalidField) -> Instant {
        guard let end = try object.time("expires_at") else { return now + Self.lifetime }
        guard end > now, end <= now + Self.longestLifetime else {
            throw InvalidField(object.name("expires_at"), "must be a time to come, at most 366 days from now")
        }
        return end
    }
}
