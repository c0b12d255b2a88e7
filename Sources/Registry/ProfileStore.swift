package import Domain
internal import Postgres
package import Schema

package struct ProfileRecord: Sendable {
    package let id: EntityID
    package let group: EntityID
    package let name: String
    /// The whole `config` as JSON text, unknown keys included.
    package let configJSON: String
    package let labels: [String]
    /// JSON as it was written.
    package let metadata: String
    /// What of the config this version cannot read.
    package let fault: String?

    package init(
        id: EntityID, group: EntityID, name: String, configJSON: String, labels: [String] = [],
        metadata: String = "{}", fault: String? = nil
    ) {
        self.labels = labels
        self.metadata = metadata
        self.fault = fault
        self.id = id
        self.group = group
        self.name = name
        self.configJSON = configJSON
    }
}

/// Profiles. What their `config` means is the API's to check when writing; here it is JSON.
package struct ProfileStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// All or none; they are of one group if there are descriptor sets.
    ///
    /// - Throws: as ``DescriptorUse/keep(_:of:on:)``.
    package func create(_ profiles: [ProfileRecord], reading descriptors: [DescriptorUse] = []) async throws {
        let groups = Array(Set(profiles.map(\.group)))
        try await TakenName.locating(
            profiles.map(\.name), among: "SELECT name FROM profiles WHERE group_id = ANY(\(groups))", on: self.pool
        ) {
            _ = try await self.pool.transaction { db in
                if let group = profiles.first?.group { try DescriptorUse.keep(descriptors, of: group, on: db) }
                try db.execute(
                    """
                    INSERT INTO profiles (id, group_id, name, config, config_text, labels, metadata)
                    SELECT i, g, n, c, t, string_to_array(l, ','), m
                    FROM unnest(\(profiles.map(\.id)), \(profiles.map(\.group)), \(profiles.map(\.name)),
                        \(profiles.map { JSONText($0.configJSON) }), \(profiles.map(\.configJSON)),
                        \(profiles.map { $0.labels.joined(separator: ",") }), \(profiles.map(\.metadata)))
                        AS r (i, g, n, c, t, l, m)
                    """)
                if let group = profiles.first?.group { try DescriptorUse.forget(descriptors, of: group, on: db) }
            }
        }
    }

    package func find(_ id: EntityID) async throws -> ProfileRecord? {
        try await self.pool.withConnection { db in
            try db.query("SELECT \(Self.columns) FROM profiles WHERE id = \(id)", Self.decode).first
        }
    }

    /// - Parameter labels: which a profile must have, all of them.
    package func list(
        in group: EntityID, ids: [EntityID]? = nil, labels: [String] = [], _ request: PageRequest
    ) async throws -> Page<ProfileRecord> {
        let chosen: Query = ids.map { " AND id = ANY(\($0))" } ?? ""
        let labelled: Query = labels.isEmpty ? "" : " AND labels @> \(labels)::text[]"
        return try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns,
                from: "FROM profiles WHERE group_id = \(group) AND \(request.nameCondition)\(chosen)\(labelled)",
                size: "coalesce(octet_length(config_text), octet_length(config::text)) + octet_length(metadata)",
                request, Self.decode)
        }
    }

    /// Those of a group, by their ids and their names.
    package func find(
        _ ids: [EntityID], named names: [String], in group: EntityID
    ) async throws -> [(id: EntityID, name: String)] {
        try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT id, name FROM profiles
                WHERE group_id = \(group) AND (id = ANY(\(ids)) OR name = ANY(\(names)))
                """
            ) { (id: try $0.entityID(0), name: try $0.string(1)) }
        }
    }

    /// - Parameters:
    ///   - labels: nil leaves them as they are.
    ///   - metadata: nil leaves it as it is.
    ///   - descriptors: that its config names, if it does.
    /// - Throws: as ``DescriptorUse/keep(_:of:on:)``.
    package func update(
        _ id: EntityID, name: String, configJSON: String, labels: [String]? = nil, metadata: String? = nil,
        reading descriptors: DescriptorUse? = nil
    ) async throws -> ProfileRecord? {
        let labelled: Query = labels.map { ", labels = \($0)::text[]" } ?? ""
        return try await StorageError.translate {
            try await self.pool.transaction { db in
                let uses = descriptors.map { [$0] } ?? []
                var group: EntityID?
                if !uses.isEmpty {
                    group = try db.query("SELECT group_id FROM profiles WHERE id = \(id)") { try $0.entityID(0) }.first
                }
                if let group { try DescriptorUse.keep(uses, of: group, on: db) }
                let updated = try db.query(
                    """
                    UPDATE profiles SET name = \(name), config = \(JSONText(configJSON)),
                        config_text = \(configJSON), metadata = coalesce(\(metadata), metadata),
                        updated_at = now()\(labelled)
                    WHERE id = \(id) RETURNING \(Self.columns)
                    """, Self.decode
                ).first
                if let group { try DescriptorUse.forget(uses, of: group, on: db) }
                return updated
            }
        }
    }

    /// - Throws: ``StorageError/inUse(by:)`` while things have it.
    package func remove(_ id: EntityID) async throws -> Bool {
        try await StorageError.translate {
            try await self.pool.withConnection { db in
                try db.execute("DELETE FROM profiles WHERE id = \(id)") == 1
            }
        }
    }

    /// A descriptor set that a group has, in the wire format; nil if it has none of this digest.
    package func descriptors(_ digest: String, in group: EntityID) async throws -> [UInt8]? {
        try await self.pool.withConnection { db in
            try db.query(
                "SELECT descriptors FROM descriptor_sets WHERE digest = \(digest) AND group_id = \(group)"
            ) { try $0.bytes(0) }.first
        }
    }

    /// The config as it was written, unless a version that knows nothing of that has changed it since, or it has escapes that a server
    /// which keeps bytes as they are (SQL_ASCII) cannot read.
    private static let columns: Query = """
        \(StoredProfile.columns), group_id, name,
        CASE WHEN current_setting('server_encoding') <> 'UTF8' AND strpos(config_text, '\\u') > 0 THEN config::text
            WHEN config_text::jsonb = config THEN config_text ELSE config::text END,
        array_to_string(labels, ','), metadata
        """

    private static func decode(_ row: borrowing Row) throws -> ProfileRecord {
        ProfileRecord(
            id: try row.entityID(0), group: try row.entityID(9), name: try row.string(10),
            configJSON: try row.string(11),
            labels: try row.labels(12), metadata: try row.string(13), fault: try StoredProfile.decode(row).fault)
    }
}
