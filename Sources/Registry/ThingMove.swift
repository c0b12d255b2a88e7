package import Domain
internal import Postgres
internal import Queue
internal import Schema

extension ThingStore {
    /// Moves a thing with its key to another group, for which that is a new thing, as it is a removed one for the first.
    ///
    /// What waits for the first group's webhooks is delivered as it came, filled in with what the thing was; messages that were
    /// kept stay there.
    ///
    /// - Parameter profile: one of that group.
    /// - Returns: nil if it is not in the first group any more.
    /// - Throws: ``StorageError``: it has sources, which are of the first group; or that group has its name.
    package func move(
        _ id: EntityID, from group: EntityID, to other: EntityID, profile: EntityID
    ) async throws -> ThingRecord? {
        try await StorageError.translate {
            try await self.pool.transaction { db in
                let present = try db.query(
                    "SELECT id FROM things WHERE id = \(id) AND group_id = \(group) FOR UPDATE"
                ) { try $0.entityID(0) }
                guard !present.isEmpty else { return nil }
                let sources = try db.query("SELECT count(*) FROM sources WHERE thing_id = \(id)") { try $0.int64(0) }
                guard sources == [0] else { throw StorageError.inUse(by: "sources") }
                try db.note(AuditNote(.moved, .thing(id)))
                try Self.leave(id, on: db)
                let moved = try db.query(
                    """
                    UPDATE things SET group_id = \(other), profile_id = \(profile), updated_at = now()
                    WHERE id = \(id) RETURNING \(Self.columns)
                    """, Self.decode
                ).first
                try Self.tell("THING_CREATED", of: id, on: db)
                return moved
            }
        }
    }

    /// As triggers do for one that is removed.
    private static func leave(_ id: EntityID, on db: isolated Connection) throws {
        try Self.tell("THING_REMOVED", of: id, on: db)
        try db.execute(
            """
            INSERT INTO former_things (thing_id, group_id, profile_id, name, external_id, labels, metadata,
                profile_labels, profile_metadata)
            SELECT t.id, t.group_id, t.profile_id, t.name, t.external_id, t.labels, t.metadata, p.labels, p.metadata
            FROM things AS t JOIN profiles AS p ON p.id = t.profile_id
            WHERE t.id = \(id)
                AND EXISTS (SELECT FROM webhooks AS w WHERE w.group_id = t.group_id AND w.needs_names)
            ON CONFLICT (thing_id, group_id) DO UPDATE SET profile_id = excluded.profile_id, name = excluded.name,
                external_id = excluded.external_id, labels = excluded.labels, metadata = excluded.metadata,
                profile_labels = excluded.profile_labels, profile_metadata = excluded.profile_metadata,
                removed_at = excluded.removed_at
            """)
        try db.execute("DELETE FROM condition_memory WHERE thing_id = \(id)")
        try db.execute("DELETE FROM thinned_things WHERE thing_id = \(id)")
        try db.execute("DELETE FROM alarms WHERE thing_id = \(id)")
        try db.execute("DELETE FROM thing_silences WHERE thing_id = \(id)")
        try db.execute("DELETE FROM thing_sightings WHERE thing_id = \(id)")
        try db.execute("DELETE FROM thing_presence WHERE thing_id = \(id)")
        try db.execute("DELETE FROM thing_activity WHERE thing_id = \(id)")
        // What sources of the group have accepted for it, and is not on the bus yet.
        try db.execute("DELETE FROM source_events WHERE thing_id = \(id)")
        try Removal.commands("thing_id = \(id)", on: db)
    }

    private static func tell(_ event: String, of id: EntityID, on db: isolated Connection) throws {
        try db.execute(
            """
            INSERT INTO events (kind, group_id, thing_id, details, webhook_keys)
            SELECT \(event), t.group_id, t.id, thing_details(t.name, t.profile_id, t.external_id, t.labels), w.keys
            FROM things AS t JOIN webhooks_of_event(\(event)) AS w USING (group_id) WHERE t.id = \(id)
            """)
    }
}
