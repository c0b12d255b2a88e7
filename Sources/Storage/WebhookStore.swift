package import Domain
internal import Postgres

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Webhooks, as their owners see them.
package struct WebhookStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// All or none.
    package func create(_ webhooks: [Webhook]) async throws {
        let headers = try webhooks.map { try HeaderJSON.encode($0.headers) }
        try await StorageError.translate {
            _ = try await self.pool.withConnection { db in
                try db.execute(
                    """
                    INSERT INTO webhooks (id, group_id, name, url, headers)
                    SELECT * FROM unnest(\(webhooks.map(\.id)), \(webhooks.map(\.group)), \(webhooks.map(\.name)),
                                         \(webhooks.map(\.url.text)), \(headers))
                    """)
            }
        }
    }

    package func find(_ id: EntityID) async throws -> Webhook? {
        try await self.pool.withConnection { db in
            try db.query("SELECT \(Self.columns) FROM webhooks WHERE id = \(id)", Self.decode).first
        }
    }

    /// The groups that these webhooks belong to; an id that is not there has none.
    package func groups(of ids: [EntityID]) async throws -> [EntityID: EntityID] {
        let pairs = try await self.pool.withConnection { db in
            try db.query("SELECT id, group_id FROM webhooks WHERE id = ANY(\(ids))") { row in
                (try row.entityID(0), try row.entityID(1))
            }
        }
        return Dictionary(pairs) { first, _ in first }
    }

    package func list(in group: EntityID, _ request: PageRequest) async throws -> Page<Webhook> {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns, from: "FROM webhooks WHERE group_id = \(group) AND \(request.nameCondition)",
                request, Self.decode)
        }
    }

    /// The webhooks of all groups that `member` belongs to, or of all groups.
    package func list(visibleTo member: String?, org: EntityID?, _ request: PageRequest) async throws -> Page<Webhook> {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns,
                from: """
                    FROM webhooks WHERE group_id IN (SELECT id FROM groups WHERE \(GroupStore.visible(to: member, org: org)))
                    AND \(request.nameCondition)
                    """, request, Self.decode)
        }
    }

    package func update(_ id: EntityID, to draft: WebhookDraft) async throws -> Webhook? {
        let headers = try HeaderJSON.encode(draft.headers)
        return try await StorageError.translate {
            try await self.pool.withConnection { db in
                try db.query(
                    """
                    UPDATE webhooks SET name = \(draft.name), url = \(draft.url.text), headers = \(headers),
                        version = version + 1, updated_at = now()
                    WHERE id = \(id) RETURNING \(Self.columns)
                    """, Self.decode
                ).first
            }
        }
    }

    /// Removes those of the ids that exist, with what is waiting for them.
    package func remove(_ ids: [EntityID]) async throws {
        try await self.pool.transaction { db in
            let keys = try db.query("DELETE FROM webhooks WHERE id = ANY(\(ids)) RETURNING key") { try $0.int32(0) }
            try db.execute("DELETE FROM deliveries WHERE webhook_key = ANY(\(keys)) AND leased_by IS NULL")
            try db.execute("DELETE FROM webhook_counters WHERE webhook_key = ANY(\(keys))")
        }
    }

    private static let columns: Query = "id, group_id, name, url, headers"

    private static func decode(_ row: borrowing Row) throws -> Webhook {
        Webhook(
            id: try row.entityID(0), group: try row.entityID(1), name: try row.string(2),
            url: try StoredURL.decode(row.string(3)), headers: try HeaderJSON.decode(row.json(4)))
    }
}

/// A url was checked before it was stored; one that no longer passes was stored by other hands.
enum StoredURL {
    static func decode(_ text: String) throws -> WebhookURL {
        do throws(WebhookURL.Refusal) {
            return try WebhookURL(text)
        } catch {
            throw PostgresError(.decoding, "a stored url \(error.reason)")
        }
    }
}

/// Headers as the JSON object they are stored as.
enum HeaderJSON {
    static func encode(_ headers: [Header]) throws -> JSONText {
        let object = Dictionary(headers.map { ($0.name, $0.value) }) { first, _ in first }
        return JSONText(String(decoding: try JSONEncoder().encode(object), as: UTF8.self))
    }

    /// In the order of the names, so that requests look the same every time.
    static func decode(_ json: String) throws -> [Header] {
        try JSONDecoder().decode([String: String].self, from: Data(json.utf8))
            .map { Header(name: $0.key, value: $0.value) }
            .sorted { $0.name < $1.name }
    }
}
