internal import Crypto
package import Domain
internal import Postgres
package import Schema

/// What came of a call.
package enum SourceOutcome: String, Sendable, CaseIterable {
    case accepted, repeated, ignored, invalid, unauthorized, limited
    /// It was accepted, but the broker does not take it.
    case refused
}

/// The source is not what it was when its door was opened, or its thing is not there any more.
package struct SourceChanged: Error, Sendable {}

/// An accepted event, on its way to the bus.
package struct SourceEvent: Sendable {
    package let number: Int64
    package let thing: EntityID
    package let subtopic: String
    package let payload: [UInt8]
    /// For how long it has waited.
    package let age: Duration

    package init(number: Int64, thing: EntityID, subtopic: String, payload: [UInt8], age: Duration) {
        self.number = number
        self.thing = thing
        self.subtopic = subtopic
        self.payload = payload
        self.age = age
    }

    package var topic: String { Self.topic(of: self.thing, subtopic: self.subtopic) }

    package static func topic(of thing: EntityID, subtopic: String) -> String {
        "things/\(thing)/messages\(subtopic.isEmpty ? "" : "/" + subtopic)"
    }
}

/// Calls of sources, and the events that come of them.
package struct SourceEventStore: Sendable {
    private let pool: Pool

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// Commits an event. When it returns the event is durable and will reach the bus.
    ///
    /// - Parameters:
    ///   - thing: nil if it is the source's own.
    ///   - eventID: what a repetition is recognized by; nil recognizes none.
    ///   - replay: what the same signed request is recognized by, for as long as its signature is good, whatever the source
    ///     says of repetitions.
    ///   - sample: what somebody who waits for an event is to see; nil if nobody does.
    /// - Returns: false if it was accepted before.
    /// - Throws: ``SourceChanged``, with nothing done.
    package func accept(
        _ payload: [UInt8], of thing: EntityID? = nil, on subtopic: String, eventID: String?,
        replay: SignedReplay? = nil, at door: SourceDoor, sample: String?
    ) async throws -> Bool {
        var marks = replay.map { [(hash: $0.hash, seconds: $0.seconds)] } ?? []
        if let eventID, door.settings.repetitionWindow > 0 {
            marks.append((Array(SHA256.hash(data: Array(eventID.utf8))), door.settings.repetitionWindow))
        }
        return try await self.pool.transaction { [marks] db in
            // Since its door was opened it may have been removed, disabled, or given another key, and the thing be another group's.
            let isThere = try db.query(
                """
                SELECT s.key FROM sources AS s JOIN things AS t ON t.group_id = s.group_id
                WHERE s.key = \(door.key) AND s.version = \(door.version) AND s.group_id = \(door.group)
                    AND t.id = \(thing ?? door.thing)
                FOR KEY SHARE
                """, { _ in true })
            guard !isThere.isEmpty else { throw SourceChanged() }
            // One by one, always in this order, so that two of the same wait for each other at the first.
            for mark in marks {
                guard try Self.isNew(mark.hash, for: mark.seconds, at: door, on: db) else {
                    try self.note(.repeated, nil, eventID, subtopic, payload.count, at: door, on: db)
                    return false
                }
            }
            if let sample {
                try db.execute(
                    "UPDATE sources SET heard = \(sample), listening_until = NULL WHERE key = \(door.key)")
            }
            // While it is disabled an event is for those who listen alone.
            if door.isEnabled {
                try db.execute(
                    """
                    INSERT INTO source_events (source_key, thing_id, subtopic, payload)
                    VALUES (\(door.key), \(thing ?? door.thing), \(subtopic), \(Bytes(payload)))
                    """)
            }
            try self.note(.accepted, nil, eventID, subtopic, payload.count, at: door, on: db)
            return true
        }
    }

    /// Remembers a mark of an event for so many seconds; false if it is remembered already. What has expired is as good as
    /// not there.
    private static func isNew(
        _ hash: [UInt8], for seconds: Int64, at door: SourceDoor, on db: isolated Connection
    ) throws -> Bool {
        try !db.query(
            """
            INSERT INTO source_event_ids AS i (source_key, event_hash, expires_at)
            VALUES (\(door.key), \(Bytes(hash)), now() + make_interval(secs => \(seconds)))
            ON CONFLICT (source_key, event_hash) DO UPDATE SET expires_at = excluded.expires_at
            WHERE i.expires_at < now() RETURNING true
            """
        ) { try $0.bool(0) }.isEmpty
    }

    /// Notes a call that led to nothing, and those like it that were not noted before.
    ///
    /// - Parameter times: how many they are, this one included.
    package func note(
        _ outcome: SourceOutcome, _ reason: String?, bytes: Int, times: Int64 = 1, at door: SourceDoor
    ) async throws {
        let others = times > 1 ? "and \(times - 1) more before" : nil
        let reason = [reason, others].compactMap { $0 }.joined(separator: ", ")
        try await self.pool.transaction { db in
            try db.execute("SET LOCAL synchronous_commit = off")
            try self.note(outcome, reason.isEmpty ? nil : reason, nil, nil, bytes, times, at: door.key, on: db)
        }
    }

    private func note(
        _ outcome: SourceOutcome, _ reason: String?, _ eventID: String?, _ subtopic: String?, _ bytes: Int,
        at door: SourceDoor, on db: isolated Connection
    ) throws {
        try self.note(outcome, reason, eventID, subtopic, bytes, 1, at: door.key, on: db)
    }

    private func note(
        _ outcome: SourceOutcome, _ reason: String?, _ eventID: String?, _ subtopic: String?, _ bytes: Int,
        _ times: Int64, at key: Int32, on db: isolated Connection
    ) throws {
        try db.execute(
            """
            INSERT INTO source_log (at, source_key, outcome, reason, event_id, subtopic, bytes)
            VALUES (now(), \(key), \(outcome.rawValue), \(reason), \(eventID), \(subtopic), \(Int32(clamping: bytes)))
            """)
        let (accepted, ignored, rejected): (Int64, Int64, Int64) =
            switch outcome {
            case .accepted: (times, 0, 0)
            case .repeated, .ignored: (0, times, 0)
            case .invalid, .unauthorized, .limited, .refused: (0, 0, times)
            }
        try db.execute(
            """
            INSERT INTO source_counters AS c (source_key, accepted, ignored, rejected, last_event_at)
            VALUES (\(key), \(accepted), \(ignored), \(rejected), now())
            ON CONFLICT (source_key) DO UPDATE SET accepted = c.accepted + excluded.accepted,
                ignored = c.ignored + excluded.ignored, rejected = c.rejected + excluded.rejected,
                last_event_at = excluded.last_event_at
            """)
    }

    // MARK: To the bus

    /// The oldest events that wait for the bus. They are offered again after `retry` unless they are removed.
    package func take(_ count: Int64 = 200, retry: Duration) async throws -> [SourceEvent] {
        let events = try await self.pool.withConnection { db in
            try db.query(
                """
                UPDATE source_events SET due_at = now() + make_interval(secs => \(retry.milliseconds) / 1000.0)
                WHERE id IN (SELECT id FROM source_events WHERE due_at <= now() ORDER BY due_at, id LIMIT \(count)
                             FOR UPDATE SKIP LOCKED)
                RETURNING id, thing_id, subtopic, payload, (extract(epoch FROM now() - received_at) * 1000)::bigint
                """
            ) { row in
                SourceEvent(
                    number: try row.int64(0), thing: try row.entityID(1), subtopic: try row.string(2),
                    payload: try row.bytes(3), age: .milliseconds(try row.int64(4)))
            }
        }
        return events.sorted { $0.number < $1.number }
    }

    /// They were not put on the bus, and can be taken when the wait is over.
    package func giveBack(_ numbers: [Int64], after wait: Duration = .zero) async throws {
        guard !numbers.isEmpty else { return }
        _ = try await self.pool.withConnection {
            try $0.execute(
                """
                UPDATE source_events SET due_at = now() + make_interval(secs => \(wait.milliseconds) / 1000.0)
                WHERE id = ANY(\(numbers))
                """)
        }
    }

    /// Gives an event up, and notes why, where its source's owner sees it.
    package func refuse(_ number: Int64, because reason: String) async throws {
        try await self.pool.transaction { db in
            let event = try db.query(
                """
                DELETE FROM source_events WHERE id = \(number) RETURNING source_key, subtopic, octet_length(payload)
                """
            ) { (key: try $0.int32(0), subtopic: try $0.string(1), bytes: Int(try $0.int32(2))) }
            for event in event {
                try self.note(.refused, reason, nil, event.subtopic, event.bytes, 1, at: event.key, on: db)
            }
        }
    }

    package func remove(_ numbers: [Int64]) async throws {
        guard !numbers.isEmpty else { return }
        _ = try await self.pool.withConnection {
            try $0.execute("DELETE FROM source_events WHERE id = ANY(\(numbers))")
        }
    }
}
