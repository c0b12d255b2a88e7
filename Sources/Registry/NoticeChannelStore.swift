package import Domain
internal import Postgres
package import Schema
package import Values

/// A channel as its owner sees it, with what became of what it was given.
package struct NoticeChannelRecord: Sendable {
    package let id: EntityID
    package let name: String
    package let kind: String
    /// What this version does not know is left out.
    package let events: Set<NoticeEvent>
    package let isEnabled: Bool
    package let gatherSeconds: Int32
    /// nil if this version cannot read it.
    package let target: NoticeTarget?
    package let given: Int64
    package let dropped: Int64
    package let lastGivenAt: Instant?
    package let lastError: String?
    package let lastErrorAt: Instant?
}

/// The channels of groups, orgs and users; where they lead under seal.
package struct NoticeChannelStore: Sendable {
    private let pool: Pool
    private let box: SecretBox

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    /// A channel as it is to be.
    package struct Draft: Sendable {
        package let id: EntityID
        package let name: String
        /// nil leaves the one that there is.
        package let target: NoticeTarget?
        package let events: Set<NoticeEvent>
        package let isEnabled: Bool
        package let gatherSeconds: Int32

        package init(
            id: EntityID, name: String, target: NoticeTarget?, events: Set<NoticeEvent>, isEnabled: Bool,
            gatherSeconds: Int32
        ) {
            self.id = id
            self.name = name
            self.target = target
            self.events = events
            self.isEnabled = isEnabled
            self.gatherSeconds = gatherSeconds
        }
    }

    /// In the owner's order.
    package func list(_ owner: NoticeOwner) async throws -> [NoticeChannelRecord] {
        let box = self.box
        return try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT c.id, name, kind, array_to_string(events, ','), is_enabled, gather_seconds, secrets,
                    coalesce(given, 0), coalesce(dropped, 0), last_given_at, last_error, last_error_at
                FROM notice_channels AS c LEFT JOIN notice_channel_uses AS u ON u.channel_id = c.id
                WHERE \(owner.condition) ORDER BY place, c.id
                """
            ) { row in
                let (id, kind) = (try row.entityID(0), try row.string(2))
                return NoticeChannelRecord(
                    id: id, name: try row.string(1), kind: kind, events: Self.events(try row.string(3)),
                    isEnabled: try row.bool(4), gatherSeconds: try row.int32(5),
                    target: try? StoredNoticeTarget.open(try row.bytes(6), by: box, of: id).target(kind),
                    given: try row.int64(7), dropped: try row.int64(8),
                    lastGivenAt: row.isNull(9) ? nil : try row.instant(9),
                    lastError: row.isNull(10) ? nil : try row.string(10),
                    lastErrorAt: row.isNull(11) ? nil : try row.instant(11))
            }
        }
    }

    /// For who sends by it; nil if it is gone.
    ///
    /// - Throws: ``StorageError/unreadable(_:)``.
    package func find(_ id: EntityID) async throws -> NoticeChannel? {
        let box = self.box
        return try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT name, kind, array_to_string(events, ','), is_enabled, gather_seconds, secrets, group_id, org_id,
                    user_id
                FROM notice_channels WHERE id = \(id)
                """
            ) { row in
                let owner: NoticeOwner =
                    if !row.isNull(6) {
                        .group(try row.entityID(6))
                    } else if !row.isNull(7) {
                        .org(try row.entityID(7))
                    } else {
                        .user(try row.string(8))
                    }
                return NoticeChannel(
                    id: id, owner: owner, name: try row.string(0),
                    target: try StoredNoticeTarget.open(try row.bytes(5), by: box, of: id).target(try row.string(1)),
                    events: Self.events(try row.string(2)), isEnabled: try row.bool(3),
                    gatherSeconds: try row.int32(4))
            }.first
        }
    }

    /// Makes these all that the owner has: those that there are are changed, the others made, and what is not among them goes,
    /// with what waits for it.
    ///
    /// - Returns: false if one of them without a target is not the owner's.
    package func replace(_ owner: NoticeOwner, with drafts: [Draft]) async throws -> Bool {
        let box = self.box
        return try await self.pool.transaction { db in
            try db.execute("SELECT pg_advisory_xact_lock(hashtext('hookline notices'), hashtext(\(owner.lockName)))")
            let known = try db.query("SELECT id FROM notice_channels AS c WHERE \(owner.condition) FOR UPDATE") {
                try $0.entityID(0)
            }
            guard drafts.allSatisfy({ known.contains($0.id) || $0.target != nil }) else { return false }
            let gone = known.filter { id in !drafts.contains { $0.id == id } }
            if !gone.isEmpty {
                try db.execute("DELETE FROM notice_channels WHERE id = ANY(\(gone))")
                try db.execute("DELETE FROM notifications WHERE channel = ANY(\(gone))")
            }
            // Who switches one off hears no more of it at once.
            let silent = drafts.filter { !$0.isEnabled }.map(\.id)
            if !silent.isEmpty { try db.execute("DELETE FROM notifications WHERE channel = ANY(\(silent))") }
            for (place, draft) in drafts.enumerated() {
                try Self.save(draft, Int32(clamping: place), of: owner, isNew: !known.contains(draft.id), box, on: db)
            }
            return true
        }
    }

    private static func save(
        _ draft: Draft, _ place: Int32, of owner: NoticeOwner, isNew: Bool, _ box: SecretBox, on db: isolated Connection
    ) throws {
        let events = draft.events.map(\.rawValue).sorted()
        if !isNew {
            try db.execute(
                """
                UPDATE notice_channels SET name = \(draft.name), events = \(events), is_enabled = \(draft.isEnabled),
                    gather_seconds = \(draft.gatherSeconds), place = \(place)
                WHERE id = \(draft.id)
                """)
        }
        guard let target = draft.target else { return }
        let sealed = Bytes(try StoredNoticeTarget.seal(target, by: box, of: draft.id))
        guard isNew else {
            try db.execute(
                """
                UPDATE notice_channels SET kind = \(target.kind.rawValue), secrets = \(sealed), secrets_key = \(box.keyID)
                WHERE id = \(draft.id)
                """)
            return
        }
        let ids = owner.columns
        try db.execute(
            """
            INSERT INTO notice_channels (id, group_id, org_id, user_id, name, kind, events, is_enabled, gather_seconds,
                secrets, secrets_key, place)
            VALUES (\(draft.id), \(ids.group), \(ids.org), \(ids.user), \(draft.name), \(target.kind.rawValue),
                \(events), \(draft.isEnabled), \(draft.gatherSeconds), \(sealed), \(box.keyID), \(place))
            """)
    }

    private static func events(_ text: String) -> Set<NoticeEvent> {
        Set(text.split(separator: ",").compactMap { NoticeEvent(rawValue: String($0)) })
    }
}

extension NoticeOwner {
    fileprivate var columns: (group: EntityID?, org: EntityID?, user: String?) {
        switch self {
        case .group(let id): (id, nil, nil)
        case .org(let id): (nil, id, nil)
        case .user(let id): (nil, nil, id)
        }
    }

    /// On `c`, a channel.
    fileprivate var condition: Query {
        switch self {
        case .group(let id): "c.group_id = \(id)"
        case .org(let id): "c.org_id = \(id)"
        case .user(let id): "c.user_id = \(id)"
        }
    }

    fileprivate var lockName: String {
        switch self {
        case .group(let id), .org(let id): id.description
        case .user(let id): id
        }
    }
}
