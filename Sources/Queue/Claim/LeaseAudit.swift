internal import Domain
internal import Postgres
internal import Schema

/// Finds leases that nobody holds: a value that is told when to doubt, and what was found, and says what to release.
///
/// A claim whose answer was lost, or a commit that was given up, may have leased deliveries to this session without their
/// being in its memory. They would wait there for as long as it lives. A lease counts as one of these when two looks in a
/// row have found it unheld: what is handed over just then is held at the second.
package struct LeaseAudit: Sendable {
    /// How many looks are still to be made.
    private var looks = 0
    private var suspects = HeldRows.Leased()

    package init() {}

    package var isDue: Bool { self.looks > 0 }

    /// Something may have been leased that nobody knows of.
    package mutating func doubt() {
        self.looks = 2
    }

    /// - Parameter orphans: what this look has found unheld.
    /// - Returns: what is to be released.
    package mutating func looked(_ orphans: HeldRows.Leased) -> HeldRows.Leased {
        let certain = orphans.intersection(self.suspects)
        self.suspects = orphans
        self.looks = max(0, self.looks - 1)
        // What was found for the first time needs a second look.
        if self.looks == 0, orphans != certain { self.looks = 1 }
        return certain
    }
}

extension DeliveryStore {
    /// The rows that are leased to this session. It reads all that is leased, so it is for when there is reason to.
    package func leased() async throws -> HeldRows.Leased {
        try await self.pool.withConnection { db in
            var batches: Query = """
                SELECT batch_id, webhook_key, first_message_id FROM delivery_batches WHERE leased_by = \(self.session.rawValue)
                """
            var single: Query = """
                SELECT message_id, webhook_key FROM deliveries WHERE leased_by = \(self.session.rawValue)
                """
            (batches.timeout, single.timeout) = (.seconds(120), .seconds(120))
            var leased = HeldRows.Leased()
            leased.batches = Set(
                try db.query(batches) { row in
                    DeliveryBatch.Row(
                        id: try row.messageID(0), webhook: WebhookKey(rawValue: try row.int32(1)),
                        first: try row.messageID(2))
                })
            leased.single = Set(
                try db.query(single) { row in
                    DeliveryID(message: try row.messageID(0), webhook: WebhookKey(rawValue: try row.int32(1)))
                })
            return leased
        }
    }

    /// Gives back what of a webhook in strict order is leased to this session and held by nobody. Whoever is in its turn
    /// to claim knows that no claim of this session is under way.
    func releaseUnheld(of wanted: Wanted, held: HeldRows, on db: isolated Connection) throws {
        let (webhook, session) = (wanted.webhook.rawValue, self.session.rawValue)
        try db.execute(
            """
            UPDATE deliveries SET leased_by = NULL
            WHERE webhook_key = \(webhook) AND leased_by = \(session) AND group_id = \(wanted.group)
                AND message_id <> ALL(\(held.single(of: wanted.webhook).map(\.rawValue)))
            """)
    }

    /// Gives leases of this session back to the database.
    package func release(_ leases: HeldRows.Leased) async throws {
        let batches = Array(leases.batches)
        let single = Array(leases.single)
        try await self.pool.transaction { db in
            try db.execute(
                """
                UPDATE delivery_batches AS d SET leased_by = NULL
                FROM unnest(\(batches.map(\.id.rawValue)), \(batches.map(\.webhook.rawValue)),
                            \(batches.map(\.first.rawValue))) AS r (b, w, f)
                WHERE d.batch_id = ANY(ARRAY[r.b]) AND d.webhook_key BETWEEN r.w AND r.w AND d.first_message_id BETWEEN r.f AND r.f
                    AND d.leased_by IS NOT DISTINCT FROM \(self.session.rawValue)
                """)
            try db.execute(
                """
                UPDATE deliveries AS d SET leased_by = NULL
                FROM unnest(\(single.map(\.message.rawValue)), \(single.map(\.webhook.rawValue))) AS r (m, w)
                WHERE d.message_id = ANY(ARRAY[r.m]) AND d.webhook_key BETWEEN r.w AND r.w
                    AND d.leased_by IS NOT DISTINCT FROM \(self.session.rawValue)
                """)
        }
    }
}
