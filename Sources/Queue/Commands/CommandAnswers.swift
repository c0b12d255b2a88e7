package import Domain
internal import Postgres
internal import Schema

extension CommandStore {
    /// Things that are to be listened to, because something is due when they are heard of: those that have waited longest.
    package func awaited(_ most: Int64 = 5_000) async throws -> Set<EntityID> {
        let things = try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT thing_id FROM commands WHERE awaits_from IS NOT NULL GROUP BY thing_id
                ORDER BY min(awaits_from) LIMIT \(most)
                """
            ) { try $0.entityID(0) }
        }
        return Set(things)
    }

    /// These things were heard of: what awaits that is due.
    ///
    /// - Returns: how many commands that were.
    package func seen(_ things: some Collection<EntityID> & Sendable) async throws -> Int {
        guard !things.isEmpty else { return 0 }
        let things = Array(things)
        return try await self.pool.withConnection { db in
            try db.execute(
                """
                UPDATE commands SET due_at = \(self.now), awaits_from = NULL
                WHERE thing_id = ANY(\(things)) AND awaits_from <= \(self.now) AND ended_at IS NULL
                """)
        }
    }

    /// Notes a thing's answer. A second one to the same command changes nothing.
    ///
    /// - Returns: the command; nil if there is none that awaits it.
    package func answered(_ answer: CommandAnswer, with payload: [UInt8]) async throws -> EntityID? {
        let which: Query =
            switch answer.address {
            case .command(let id): "id = \(id)"
            case .newest(let subtopic):
                """
                number = (SELECT number FROM commands WHERE thing_id = \(answer.thing) AND subtopic = \(subtopic)
                    AND state = 'published' AND ended_at IS NULL ORDER BY number DESC LIMIT 1)
                """
            }
        return try await self.pool.transaction { db in
            try db.query(
                """
                UPDATE commands SET state = 'answered', answer = \(Bytes(payload)), \(self.ending)
                WHERE thing_id = \(answer.thing) AND \(which) AND state IN ('pending', 'published') AND ended_at IS NULL
                RETURNING id
                """
            ) { try $0.entityID(0) }.first
        }
    }

    /// Those of these that have ended, with what was answered, wherever that was taken; or that are there no more.
    package func ended(of commands: [EntityID]) async throws -> [(command: EntityID, answer: [UInt8]?)] {
        guard !commands.isEmpty else { return [] }
        return try await self.pool.withConnection { db in
            try db.query(
                """
                SELECT w.id, c.answer FROM unnest(\(commands)) AS w (id) LEFT JOIN commands AS c ON c.id = w.id
                WHERE c.id IS NULL OR c.ended_at IS NOT NULL
                """
            ) { (try $0.entityID(0), $0.isNull(1) ? nil : try $0.bytes(1)) }
        }
    }
}
