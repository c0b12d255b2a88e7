package import Domain
internal import Journal
internal import Postgres
internal import Queue
package import Schema
package import Values

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// What a source's callers show who they are with, on its way to be stored.
package enum SourceSecret: Sendable {
    /// The SHA-256 of an API key.
    case keyHash([UInt8])
    /// What signatures are made with.
    case signing(String)
}

/// Inbound webhooks, as their owners see them.
package struct SourceStore: Sendable {
    let pool: Pool
    let box: SecretBox

    package init(_ database: Database, box: SecretBox) {
        self.pool = database.pool
        self.box = box
    }

    /// All or none.
    package func create(_ sources: [(source: Source, secret: SourceSecret)]) async throws {
        let columns = try sources.map { try self.columns(of: $0.secret, for: $0.source.id) }
        let rows = sources.map(\.source)
        let settings = try rows.map { try Self.json($0.settings) }
        let groups = Set(rows.map(\.group)).sorted()
        let present: Query = "SELECT name FROM sources WHERE group_id = ANY(\(groups))"
        try await self.translate {
            try await TakenName.locating(rows.map(\.name), among: present, on: self.pool) {
                _ = try await self.pool.transaction { db in
                    for group in groups {
                        try Self.require(Set(rows.lazy.filter { $0.group == group }.map(\.thing)), of: group, on: db)
                    }
                    return try db.execute(
                        """
                        INSERT INTO sources (id, group_id, thing_id, name, is_enabled, settings, key_hash, secret, created_at,
                            updated_at, secret_key)
                        SELECT *, \(self.box.keyID)::int FROM unnest(\(rows.map(\.id)), \(rows.map(\.group)),
                            \(rows.map(\.thing)), \(rows.map(\.name)), \(rows.map(\.isEnabled)), \(settings),
                            \(array: columns.map(\.hash)), \(array: columns.map(\.sealed)),
                            \(rows.map(\.createdAt)),
                            \(rows.map(\.updatedAt)))
                        """)
                }
            }
        }
    }

    /// Who moves one of them waits until this is done, and finds the source.
    ///
    /// - Throws: ``StorageError/missing``.
    private static func require(_ things: Set<EntityID>, of group: EntityID, on db: isolated Connection) throws {
        let found = try db.query(
            "SELECT id FROM things WHERE group_id = \(group) AND id = ANY(\(Array(things))) ORDER BY id FOR KEY SHARE"
        ) { try $0.entityID(0) }
        guard found.count == things.count else { throw StorageError.missing(field: "thing_id") }
    }

    private func columns(of secret: SourceSecret, for id: EntityID) throws -> (hash: Bytes?, sealed: Bytes?) {
        switch secret {
        case .keyHash(let hash): (Bytes(hash), nil)
        case .signing(let text): (nil, Bytes(try self.box.seal(Array(text.utf8), of: id, in: .sourceSecret)))
        }
    }

    package func find(_ id: EntityID) async throws -> Source? {
        try await self.pool.withConnection { db in
            try db.query("SELECT \(Self.columns) FROM \(Self.tables) WHERE id = \(id)", self.decode).first
        }
    }

    package func list(in group: EntityID, _ request: PageRequest) async throws -> Page<Source> {
        try await self.pool.withConnection { db in
            try db.page(
                select: Self.columns,
                from: "FROM \(Self.tables) WHERE group_id = \(group) AND \(request.nameCondition)",
                request, self.decode)
        }
    }

    /// - Parameters:
    ///   - change: made on the source as it is, which is locked meanwhile.
    ///   - secret: nil leaves it as it is.
    package func update(
        _ id: EntityID, secret: SourceSecret? = nil, _ change: @Sendable @escaping (inout Source) throws -> Void
    ) async throws -> Source? {
        let columns = try secret.map { try self.columns(of: $0, for: id) }
        return try await self.translate {
            try await self.pool.transaction { db in
                let found = try db.query(
                    "SELECT \(Self.columns) FROM \(Self.tables) WHERE id = \(id) FOR UPDATE OF s", self.decode)
                guard var source = found.first else { return nil }
                let former = source.thing
                try change(&source)
                if source.thing != former { try Self.require([source.thing], of: source.group, on: db) }
                let secrets: Query =
                    columns.map { columns in
                        ", key_hash = \(columns.hash), secret = \(columns.sealed), secret_key = \(self.box.keyID)"
                    } ?? ""
                try db.execute(
                    """
                    UPDATE sources SET name = \(source.name), thing_id = \(source.thing), is_enabled = \(source.isEnabled),
                        settings = \(try Self.json(source.settings)), version = version + 1, updated_at = now()\(secrets)
                    WHERE id = \(id)
                    """)
                return try db.query("SELECT \(Self.columns) FROM \(Self.tables) WHERE id = \(id)", self.decode).first
            }
        }
    }

    package func remove(_ id: EntityID) async throws -> Bool {
        try await self.pool.transaction { try Removal.sources("id = \(id)", on: $0) == 1 }
    }

    // MARK: Listening

    /// Has the source take the next event as a sample, until then.
    package func listen(_ id: EntityID, for duration: Duration) async throws {
        try await self.pool.transaction { db in
            try db.note(AuditNote(.listened, .source(id)))
            try db.execute(
                """
                UPDATE sources SET heard = NULL,
                    listening_until = now() + make_interval(secs => \(duration.milliseconds) / 1000.0)
                WHERE id = \(id)
                """)
        }
    }

    package func stopListening(_ id: EntityID) async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute("UPDATE sources SET heard = NULL, listening_until = NULL WHERE id = \(id)")
        }
    }

    /// The event that came since then; nil if none did.
    package func heard(by id: EntityID) async throws -> String? {
        try await self.pool.withConnection { db in
            try db.query("SELECT heard FROM sources WHERE id = \(id) AND heard IS NOT NULL") { try $0.string(0) }.first
        }
    }

    // MARK: Log

    /// What came, the newest first. Nothing tells two events of the same moment apart but the place where they are stored.
    package static let logKey: [PageCursor.KeyPart] = [.time, .number, .number]
    package static let logOrder = "date desc"

    /// - Parameter start: if it is a cursor, one whose key is ``logKey``.
    package func log(
        of id: EntityID, from: Instant?, to: Instant?, start: PageStart, limit: Int64
    ) async throws -> Page<SourceLogEntry> {
        let (from, to) = (from ?? .first, to ?? .last)
        let these: Query = """
            FROM source_log WHERE source_key = (SELECT key FROM sources WHERE id = \(id)) AND at >= \(from) AND at < \(to)
            """
        let isBehind: Query =
            start.cursor?.numbers(Self.logKey).map { key in
                let time = Instant(clampingMicroseconds: key[0])
                let place = "(\(UInt32(clamping: key[1])),\(UInt16(clamping: key[2])))"
                return "at <= \(time) AND (at, ctid) < (\(time), \(place)::text::tid)"
            } ?? "true"
        return try await self.pool.withConnection { db in
            let found = try db.query(
                """
                SELECT at, outcome, reason, event_id, subtopic, bytes, split_part(trim('()' FROM ctid::text), ',', 1),
                    split_part(trim('()' FROM ctid::text), ',', 2)
                \(these) AND \(isBehind) ORDER BY at DESC, ctid DESC LIMIT \(limit + 1) OFFSET \(start.offset)
                """
            ) { row in
                let at = try row.instant(0)
                let entry = SourceLogEntry(
                    at: at, outcome: try row.string(1), reason: row.isNull(2) ? nil : try row.string(2),
                    eventID: row.isNull(3) ? nil : try row.string(3), subtopic: row.isNull(4) ? nil : try row.string(4),
                    bytes: Int(try row.int32(5)))
                return (item: entry, key: [String(at.microseconds)] + (try row.texts(6..<8)))
            }
            return try Page(found, from: start, limit: limit, order: Self.logOrder) { most in
                try db.query("SELECT count(*) FROM (SELECT \(these) ORDER BY at DESC LIMIT \(most)) AS counted") {
                    try $0.int64(0)
                }[0]
            }
        }
    }

    // MARK: Rows

    private static let tables: Query = "sources AS s LEFT JOIN source_counters AS c ON c.source_key = s.key"
    private static let columns: Query = """
        id, group_id, name, thing_id, is_enabled, settings, version, created_at, updated_at, coalesce(c.accepted, 0),
        coalesce(c.ignored, 0), coalesce(c.rejected, 0), c.last_event_at, secret
        """

    private func decode(_ row: borrowing Row) throws -> Source {
        var counters = SourceCounters()
        counters.accepted = try row.int64(9)
        counters.ignored = try row.int64(10)
        counters.rejected = try row.int64(11)
        counters.lastEventAt = row.isNull(12) ? nil : try row.instant(12)
        let id = try row.entityID(0)
        var faults: [String] = []
        let settings = Self.settings(try row.json(5), &faults)
        let isReadable = faults.isEmpty
        if !row.isNull(13) { _ = self.box.secret(of: id, try row.bytes(13), &faults) }
        return Source(
            id: id, group: try row.entityID(1), name: try row.string(2), thing: try row.entityID(3),
            isEnabled: try row.bool(4), settings: settings, version: try row.int64(6),
            createdAt: try row.instant(7),
            updatedAt: try row.instant(8), counters: counters,
            fault: faults.isEmpty ? nil : faults.joined(separator: "; "), hasUnreadableSettings: !isReadable)
    }

    private static func json(_ settings: SourceSettings) throws -> JSONText {
        JSONText(String(decoding: try JSONEncoder().encode(settings), as: UTF8.self))
    }

    /// What cannot be read is added to `faults`, and then these are the defaults.
    static func settings(_ json: String, _ faults: inout [String]) -> SourceSettings {
        do {
            let settings = try JSONDecoder().decode(SourceSettings.self, from: Data(json.utf8))
            // What nothing can be counted with.
            try settings.rateLimit?.check()
            return settings
        } catch {
            let place = (error as? DecodingError)?.place ?? (error as? InvalidField)?.field ?? ""
            faults.append("this version cannot read its settings\(place.isEmpty ? "" : ": \(place)")")
            return SourceSettings()
        }
    }

    private func translate<T: Sendable>(_ body: @Sendable () async throws -> T) async throws -> T {
        do {
            return try await StorageError.translate(body)
        } catch StorageError.missing {
            throw StorageError.missing(field: "thing_id")
        }
    }
}

package struct SourceLogEntry: Sendable {
    package let at: Instant
    package let outcome: String
    package let reason: String?
    package let eventID: String?
    package let subtopic: String?
    package let bytes: Int
}
