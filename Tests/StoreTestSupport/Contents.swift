internal import Postgres
package import Schema

/// What is in the tables that are written to all the time, as lines that can be compared: without times, and without ids that
/// are new each time.
package enum Contents {
    private static let lease: Query = """
        CASE WHEN leased_by IS NULL THEN 'free' WHEN leased_by IN (SELECT id FROM sessions) THEN 'leased'
            ELSE 'leased to nobody' END
        """

    private static let tables: [(name: String, rows: Query)] = [
        ("messages", "SELECT id, thing_id, payload FROM messages"),
        ("transient", "SELECT id, thing_id, payload, event FROM transient_messages"),
        (
            "deliveries",
            """
            SELECT message_id, webhook_key, batch_id, attempts, failed_at IS NOT NULL, failure, \(lease), due_at,
                blocked_until, resent IS NOT NULL FROM deliveries
            """
        ),
        (
            "batches",
            """
            SELECT batch_id, webhook_key, message_ids, done, deliveries, payload_bytes, \(lease) FROM delivery_batches
            """
        ),
        ("memory", "SELECT webhook_key, thing_id, rule, value FROM condition_memory"),
        (
            "alarms",
            "SELECT webhook_key, thing_id, is_active, value, due_at IS NOT NULL, payload IS NOT NULL FROM alarms"
        ), ("crossings", "SELECT message_id, webhook_key, state, since FROM alarm_crossings"),
        ("thinned", "SELECT webhook_key, thing_id, memory FROM thinned_things"),
        ("attempts", "SELECT message_id, webhook_key, number, status, succeeded FROM attempts"),
        ("attempts together", "SELECT webhook_key, attempts, message_ids, status FROM attempt_batches"),
        (
            "counters",
            "SELECT webhook_key, attempts, succeeded, failed, consecutive_failures, skipped FROM webhook_counters"
        ),
        ("webhooks", "SELECT name, status, status_reason, version FROM webhooks"),
        ("notices", "SELECT users, payload - 'at' FROM notifications"),
        ("webhook stats", "SELECT * FROM webhook_stats"), ("group stats", "SELECT * FROM group_stats"),
        (
            "resends",
            """
            SELECT webhook_key, selection, first_id, end_id, behind, is_walked, cancelled_at IS NOT NULL, open, had_failed,
                selected, selected_bytes, skipped, succeeded, failed FROM resends
            """
        ), ("resend memory", "SELECT thing_id, rule, value FROM resend_memory"),
        ("skips", "SELECT webhook_key, message_id, reason FROM skips"),
        ("events", "SELECT message_id, kind FROM events"), ("sign-ins", "SELECT user_id FROM sign_ins"),
        ("activity", "SELECT thing_id FROM thing_activity"),
        ("sessions", "SELECT client_id, shared_group, stopped_at IS NOT NULL, expires_at < now() FROM sessions"),
        ("abandoned", "SELECT client_id, shared_group, adopted_by IS NULL FROM abandoned_clients"),
        ("source events", "SELECT source_key, thing_id, subtopic, payload FROM source_events"),
        ("source ids", "SELECT source_key, event_hash FROM source_event_ids"),
        ("heard", "SELECT name, heard, listening_until IS NULL FROM sources"),
        ("accepted", "SELECT source_key, accepted FROM source_counters"),
        ("source log", "SELECT source_key, outcome, event_id FROM source_log WHERE outcome = 'accepted'"),
    ]

    package static func read(_ database: Database) async throws -> [String] {
        try await database.pool.withConnection { db in
            var lines: [String] = []
            for (name, rows) in self.tables {
                lines += try db.query("SELECT r::text FROM (\(rows)) AS r ORDER BY 1") {
                    "\(name): \(try $0.string(0))"
                }
            }
            return lines
        }
    }

    /// Leaves what the ground began with.
    package static func clear(_ database: Database) async throws {
        try await database.pool.withConnection { db in
            try db.executeScript(
                """
                DELETE FROM messages; DELETE FROM transient_messages; DELETE FROM deliveries;
                DELETE FROM delivery_batches; DELETE FROM condition_memory; DELETE FROM thinned_things; DELETE FROM resends; DELETE FROM attempts;
                DELETE FROM attempt_batches; DELETE FROM webhook_counters; DELETE FROM notifications;
                DELETE FROM webhook_notices; DELETE FROM alarms; DELETE FROM alarm_crossings;
                DELETE FROM webhook_stats; DELETE FROM group_stats; DELETE FROM skips; DELETE FROM events;
                DELETE FROM thing_activity; DELETE FROM sessions; DELETE FROM abandoned_clients;
                DELETE FROM source_events; DELETE FROM source_event_ids; DELETE FROM source_counters;
                DELETE FROM source_log; UPDATE sources SET heard = NULL; DELETE FROM sign_ins;
                UPDATE webhooks SET status = 'ENABLED', status_reason = NULL, version = 1;
                """)
        }
    }
}
