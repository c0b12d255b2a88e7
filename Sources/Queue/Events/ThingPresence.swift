package import Domain
internal import Postgres
package import Values

/// What was told of whether a thing is connected.
package struct PresenceTold: Sendable, Equatable {
    package let isConnected: Bool
    /// When the message came that says so.
    package let at: Instant
    /// Whether the broker had kept it, so that it may have been so for long.
    package let isRetained: Bool

    package init(isConnected: Bool, at: Instant, isRetained: Bool) {
        self.isConnected = isConnected
        self.at = at
        self.isRetained = isRetained
    }
}

extension EventStore {
    /// Notes whether things are connected, and tells webhooks where that is not what it was: one statement, which compares with
    /// what there is and sets it, so that instances that are told the same at once tell webhooks once, and who does it again does
    /// nothing. What is so already is looked up and writes nothing.
    ///
    /// What came before the last change changes nothing, unless that is in the future: the clock was set back. What the broker had
    /// kept of a thing of which nothing was known fires nothing.
    package func notePresence(_ told: [EntityID: PresenceTold]) async throws {
        guard !told.isEmpty else { return }
        let told = told.sorted { $0.key < $1.key }
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                WITH told AS (
                    SELECT r.thing, r.is_connected, least(r.at, \(self.now)) AS at, r.is_retained
                    FROM unnest(\(told.map(\.key)), \(told.map(\.value.isConnected)), \(told.map(\.value.at)),
                        \(told.map(\.value.isRetained))) AS r (thing, is_connected, at, is_retained)
                    WHERE NOT EXISTS (SELECT FROM thing_presence AS p
                        WHERE p.thing_id = r.thing AND p.connected = r.is_connected)),
                changed AS (
                    INSERT INTO thing_presence AS p (thing_id, group_id, connected, connected_at, disconnected_at)
                    SELECT t.id, t.group_id, r.is_connected, CASE WHEN r.is_connected THEN r.at END,
                        CASE WHEN NOT r.is_connected THEN r.at END
                    FROM told AS r JOIN things AS t ON t.id = r.thing ORDER BY t.id FOR KEY SHARE OF t
                    ON CONFLICT (thing_id) DO UPDATE SET connected = excluded.connected,
                        connected_at = coalesce(excluded.connected_at, p.connected_at),
                        disconnected_at = coalesce(excluded.disconnected_at, p.disconnected_at)
                    WHERE p.connected <> excluded.connected
                        AND (CASE WHEN p.connected THEN p.connected_at ELSE p.disconnected_at END
                                <= coalesce(excluded.connected_at, excluded.disconnected_at)
                            OR CASE WHEN p.connected THEN p.connected_at ELSE p.disconnected_at END > \(self.now))
                    RETURNING p.thing_id, p.connected, p.connected_at, p.disconnected_at)
                INSERT INTO events (kind, group_id, thing_id, details, webhook_keys)
                SELECT w.kind, t.group_id, t.id, thing_details(t.name, t.profile_id, t.external_id, t.labels)
                    || jsonb_strip_nulls(jsonb_build_object(
                        'connected_at', floor(extract(epoch FROM c.connected_at) * 1000)::bigint,
                        'disconnected_at', floor(extract(epoch FROM c.disconnected_at) * 1000)::bigint)), w.keys
                FROM changed AS c JOIN told AS r ON r.thing = c.thing_id JOIN things AS t ON t.id = c.thing_id
                    JOIN (SELECT 'THING_CONNECTED' AS kind, * FROM webhooks_of_event('THING_CONNECTED')
                        UNION ALL
                        SELECT 'THING_DISCONNECTED', * FROM webhooks_of_event('THING_DISCONNECTED')) AS w
                        ON w.group_id = t.group_id
                            AND w.kind = CASE WHEN c.connected THEN 'THING_CONNECTED' ELSE 'THING_DISCONNECTED' END
                WHERE NOT r.is_retained OR (c.connected_at IS NOT NULL AND c.disconnected_at IS NOT NULL)
                """)
        }
    }
}
