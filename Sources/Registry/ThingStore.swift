internal import Crypto
package import Domain
internal import Postgres
internal import Queue
package import Schema
package import Values

package struct ThingRecord: Sendable {
    package let id: EntityID
    package let group: EntityID
    package let profile: EntityID
    package let name: String
    /// What its owners call it.
    package let externalID: String?
    package let labels: [String]
    /// JSON as it was written.
    package let metadata: String
    /// When its last message came, to a minute or so; nil if none was noted.
    package let lastSeen: Instant?
    /// Whether it is connected, as topic rules tell it; nil if that is not known.
    package let presence: ThingPresence?

    package init(
        id: EntityID, group: EntityID, profile: EntityID, name: String, externalID: String? = nil,
        labels: [String] = [], metadata: String = "{}", lastSeen: Instant? = nil,
        presence: ThingPresence? = nil
    ) {
        self.presence = presence
        self.id = id
        self.group = group
        self.profile = profile
        self.name = name
        self.externalID = externalID
        self.labels = labels
        self.metadata = metadata
        self.lastSeen = lastSeen
    }
}

/// What is to be changed of a thing; what is nil stays as it is.
package struct ThingChange: Sendable {
    package var name: String?
    package var profile: EntityID?
    package var key: StoredKey?
    /// It has none from now on if it is one of nil.
    package var externalID: String??
    package var labels: [String]?
    package var metadata: String?

    package init() {}
}

/// Which things of a group a list shows: those to which all of this applies.
package struct ThingChoice: Sendable {
    /// Those of other groups are none of them.
    package var ids: [EntityID]?
    package var externalID: String?
    package var profile: EntityID?
    package var labels: [String] = []
    /// What their names begin with, in any case.
    package var beginning: String?
    /// Those of which it is known that they are, or are not.
    package var isConnected: Bool?

    package init() {}

    /// Whether it leaves all of them.
    var isOpen: Bool {
        self.ids == nil && self.externalID == nil && self.profile == nil && self.labels.isEmpty && self.beginning == nil
            && self.isConnected == nil
    }

    var condition: Query {
        let ids: Query = self.ids.map { " AND id = ANY(\($0))" } ?? ""
        let external: Query = self.externalID.map { " AND external_id = \($0)" } ?? ""
        let profile: Query = self.profile.map { " AND profile_id = \($0)" } ?? ""
        // Said as the index says it.
        let labels: Query = self.labels.isEmpty ? "" : " AND labels <> '{}' AND labels @> \(self.labels)::text[]"
        // As an index has them that goes by bytes alone.
        let beginning: Query =
            self.beginning.map { text in
                """
                 AND lower(name) COLLATE "C" >= lower(\(text)) AND lower(name) COLLATE "C" < lower(\(text)) || \("\u{10FFFF}")
                """
            } ?? ""
        let connected: Query =
            self.isConnected.map { isConnected in
                """
                 AND id IN (SELECT p.thing_id FROM thing_presence AS p
                    WHERE p.group_id = things.group_id AND p.connected = \(isConnected))
                """
            } ?? ""
        return "\(ids)\(external)\(profile)\(labels)\(beginning)\(connected)"
    }
}

/// A thing's password at the broker, on its way to be stored.
package struct StoredKey: Sendable {
    package let text: String
    /// A random key has 256 bits, which no hash needs to stretch; one that is given should be as hard to guess.
    package let hash: [UInt8]

    package init(_ text: String) {
        self.text = text
        self.hash = Array(SHA256.hash(data: Array(text.utf8)))
    }
}

/// Things. Of their keys the hashes are kept, and the keys themselves only under seal.
package struct ThingStore: Sendable {
    let pool: Pool
    private let box: SecretBox

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    func sealed(_ key: StoredKey, of thing: EntityID) throws -> Bytes? {
        self.box.keyID == nil ? nil : Bytes(try self.box.seal(Array(key.text.utf8), of: thing, in: .thingKey))
    }

    /// All or none. `keys` go with the things by position.
    package func create(_ things: [ThingRecord], keys: [StoredKey]) async throws {
        let sealed = try zip(things, keys).map { try self.sealed($1, of: $0.id) }
        do {
            try await StorageError.translate {
                _ = try await self.pool.withConnection { try Self.insert(things, keys: keys, sealed: sealed, on: $0) }
            }
        } catch StorageError.duplicate(let field) {
            // It may be free again by now.
            guard let group = things.first?.group,
                let conflict = try await self.pool.withConnection({ db in
                    try Self.conflicts(of: things, in: group, on: db).first { $0.field == field }
                })
            else { throw StorageError.duplicate(field: field) }
            throw StorageError.duplicate(field: "[\(conflict.index)].\(field)")
        }
    }

    static func insert(
        _ things: [ThingRecord], keys: [StoredKey], sealed: [Bytes?], on db: isolated Connection
    ) throws {
        try db.execute(
            """
            INSERT INTO things (id, group_id, profile_id, name, external_id, labels, metadata, key_hash, key_sealed)
            SELECT i, g, p, n, e, string_to_array(l, ','), m, h, s
            FROM unnest(\(things.map(\.id)), \(things.map(\.group)), \(things.map(\.profile)), \(things.map(\.name)),
                \(array: things.map(\.externalID)), \(things.map { $0.labels.joined(separator: ",") }),
                \(things.map(\.metadata)), \(keys.map { Bytes($0.hash) }), \(array: sealed))
                AS r (i, g, p, n, e, l, m, h, s)
            """)
    }

    package func find(_ id: EntityID) async throws -> ThingRecord? {
        try await self.pool.withConnection { db in
            try db.query("SELECT \(Self.columns) FROM things WHERE id = \(id)", Self.decode).first
        }
    }

    /// - Parameter mostNames: how many names are looked at for a page of those that have a part of one. Then it may have fewer
    ///   than it could, even none, and go on all the same.
    package func list(
        in group: EntityID, choosing choice: ThingChoice = ThingChoice(), _ request: PageRequest,
        mostNames: Int64 = NameSearch.mostNames
    ) async throws -> Page<ThingRecord> {
        let these: Query = "FROM \(Self.rows(of: group, request.order)) WHERE group_id = \(group)\(choice.condition)"
        let size: Query = "octet_length(metadata)"
        // What is chosen may be found by other indexes than the order's.
        let isInOrder = choice.isOpen && request.order != .updatedAt
        guard request.name?.isEmpty ?? true else {
            let search = { @Sendable (db: isolated Connection) throws in
                try db.search(in: these, request, most: mostNames)
            }
            let found = try await isInOrder ? self.pool.readInOrder(search) : self.pool.withConnection(search)
            return try await self.pool.withConnection { db in
                try db.page(select: Self.columns, from: these, size: size, found: found, request, Self.decode)
            }
        }
        let list = { @Sendable (db: isolated Connection) throws -> Page<ThingRecord> in
            try db.page(select: Self.columns, from: these, size: size, request, Self.decode)
        }
        return try await isInOrder ? self.pool.readInOrder(list) : self.pool.withConnection(list)
    }

    /// In the order in which they were seen there are those that were: an index has them so, and their ids.
    private static func rows(of group: EntityID, _ order: PageRequest.Order) -> Query {
        guard order == .lastSeen else { return "things" }
        // Looked up one by one: to join them, the planner might go through all that there are, of all groups.
        return """
            (SELECT thing_id AS id, seen_at FROM thing_sightings WHERE group_id = \(group)) AS s, LATERAL (
                SELECT group_id, profile_id, name, external_id, labels, metadata, created_at, updated_at FROM things AS t
                WHERE t.id = s.id OFFSET 0) AS things
            """
    }

    /// - Returns: nil if the group does not have it, perhaps not any more.
    package func update(_ id: EntityID, in group: EntityID, _ change: ThingChange) async throws -> ThingRecord? {
        let key: Query =
            try change.key.map { ", key_hash = \(Bytes($0.hash)), key_sealed = \(try self.sealed($0, of: id))" } ?? ""
        let external: Query = change.externalID.map { ", external_id = \($0)" } ?? ""
        let labels: Query = change.labels.map { ", labels = \($0)::text[]" } ?? ""
        return try await StorageError.translate {
            try await self.pool.withConnection { db in
                try db.query(
                    """
                    UPDATE things SET name = coalesce(\(change.name), name),
                        profile_id = coalesce(\(change.profile)::uuid, profile_id),
                        metadata = coalesce(\(change.metadata), metadata), updated_at = now()\(key)\(external)\(labels)
                    WHERE id = \(id) AND group_id = \(group) RETURNING \(Self.columns)
                    """, Self.decode
                ).first
            }
        }
    }

    /// Removes a thing of the group with its sources.
    package func remove(_ id: EntityID, from group: EntityID) async throws -> Bool {
        try await self.pool.transaction {
            try Removal.things("t.group_id = \(group) AND t.id = \(id)", on: $0) == 1
        }
    }

    static let columns: Query = """
        id, group_id, profile_id, name, external_id, array_to_string(labels, ','), metadata,
            (SELECT seen.seen_at FROM thing_sightings AS seen WHERE seen.thing_id = id AND seen.group_id = things.group_id)
                AS last_seen,
            \(ThingPresence.columns)
        """

    static func decode(_ row: borrowing Row) throws -> ThingRecord {
        ThingRecord(
            id: try row.entityID(0), group: try row.entityID(1), profile: try row.entityID(2), name: try row.string(3),
            externalID: row.isNull(4) ? nil : try row.string(4), labels: try row.labels(5),
            metadata: try row.string(6), lastSeen: row.isNull(7) ? nil : try row.instant(7),
            presence: try ThingPresence(row, at: 8))
    }
}
