import Domain
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing

@testable import Queue

@Suite("Looking through payloads")
struct PayloadSweepTests {
    private let all: Query = "SELECT count(*) FROM transient_messages"
    private let end: Query = "\(Int64.max)"

    /// Payloads with the ids 1 to `count`, milliseconds apart.
    private func fill(_ fixture: Fixture, _ count: Int64, bytes: Int32 = 10) async throws {
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO transient_messages (id, thing_id, group_id, subtopic, content_type, payload)
                SELECT n * \(MessageID.perMillisecond), \(fixture.group), \(fixture.group), '', '',
                    convert_to(repeat('x', \(bytes)), 'UTF8')
                FROM generate_series(1, \(count)) AS n
                """)
        }
    }

    /// A batch of its own for each of them, or a row of its own.
    private func need(_ fixture: Fixture, _ numbers: ClosedRange<Int64>, inBatches: Bool) async throws {
        let series: Query = """
            FROM (SELECT n * \(MessageID.perMillisecond) AS id FROM generate_series(\(numbers.lowerBound), \(numbers.upperBound)) AS n)
                AS ids
            """
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                inBatches
                    ? """
                    INSERT INTO delivery_batches
                        (batch_id, webhook_key, first_message_id, due_at, is_kept, deliveries, payload_bytes, message_ids)
                    SELECT id, \(fixture.target.key.rawValue), id, now(), false, 1, 10, ARRAY[id] \(series)
                    """
                    : """
                    INSERT INTO deliveries (message_id, webhook_key, due_at, payload_bytes, is_kept)
                    SELECT id, \(fixture.target.key.rawValue), now(), 10, false \(series)
                    """)
        }
    }

    @Test("reads rows by the part, however much waits", arguments: PayloadPlace.allCases)
    func bounded(_ place: PayloadPlace) async throws {
        let fixture = try await Fixture()
        try await self.fill(fixture, 40_000)
        try await self.need(fixture, 1...20_000, inBatches: true)
        try await self.need(fixture, 20_001...40_000, inBatches: false)
        if place == .waiting {
            _ = try await fixture.housekeeping(at: 1_800_000_700_000).sweep(keepFailed: .seconds(60))
        }
        let sweep = PayloadSweep(place: place, end: self.end)
        for after in [5_000, 19_000, 30_000] as [Int64] {
            let look = sweep.look(after: after * MessageID.perMillisecond, batches: PayloadSweep.mostBatches)
            let plan = try await fixture.database.pool.transaction { db in
                try db.execute(PayloadSweep.byIndexes)
                return try db.query("EXPLAIN (ANALYZE, TIMING OFF) \(look)") { try $0.string(0) }
            }
            let touched = plan.map(Self.rows)
            #expect(touched.max() ?? .max <= Int(PayloadSweep.mostBatches), "\(plan.joined(separator: "\n"))")
            #expect(touched.contains(Int(PayloadSweep.mostPayloads)))
        }
    }

    /// Of a line of a plan: the rows that a step answered or left out.
    private static func rows(_ line: String) -> Int {
        func number(after name: String) -> Int? {
            line.ranges(of: name).last.flatMap { Int(line[$0.upperBound...].prefix { $0.isNumber }) }
        }
        if let removed = number(after: "Rows Removed by Filter: ") { return removed }
        return (number(after: "rows=") ?? 0) * (number(after: "loops=") ?? 1)
    }

    @Test("removes what nobody needs and keeps the rest, over as many parts as it takes")
    func whole() async throws {
        let fixture = try await Fixture()
        try await self.fill(fixture, 7_000)
        try await self.need(fixture, 1_000...1_999, inBatches: true)
        try await self.need(fixture, 5_000...5_999, inBatches: false)
        let housekeeping = fixture.housekeeping(at: 1_800_000_700_000)
        _ = try await housekeeping.sweep(keepFailed: .seconds(60))
        #expect(try await fixture.count(self.all) == 2_000)
        #expect(try await fixture.count("SELECT count(*) FROM waiting_messages") == 2_000)
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("DELETE FROM delivery_batches")
            // It comes in with an id of long ago.
            try db.execute("DELETE FROM deliveries WHERE message_id < \(5_500 * MessageID.perMillisecond)")
        }
        _ = try await housekeeping.sweep(keepFailed: .seconds(60))
        #expect(try await fixture.count(self.all) == 500)
    }

    @Test("keeps what one of more batches needs than one look reads")
    func manyBatches() async throws {
        let fixture = try await Fixture()
        try await self.fill(fixture, 3)
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO delivery_batches
                    (batch_id, webhook_key, first_message_id, due_at, is_kept, deliveries, payload_bytes, message_ids, done)
                SELECT \(MessageID.perMillisecond), \(fixture.target.key.rawValue), n, now(), false, 1, 10,
                    ARRAY[\(MessageID.perMillisecond), \(2 * MessageID.perMillisecond)],
                    CASE WHEN n < \(PayloadSweep.mostBatches) THEN '\\x03'::bytea ELSE '\\x01'::bytea END
                FROM generate_series(0, \(PayloadSweep.mostBatches)) AS n
                """)
        }
        _ = try await fixture.housekeeping(at: 1_800_000_700_000).sweep(keepFailed: .seconds(60))
        let left = try await fixture.database.pool.withConnection { db in
            try db.query("SELECT id FROM transient_messages") { try $0.int64(0) }
        }
        #expect(left == [2 * MessageID.perMillisecond])
    }

    @Test("moves no more bytes at a time than it may")
    func bytes() async throws {
        let fixture = try await Fixture()
        try await self.fill(fixture, 3, bytes: 5 * 1024 * 1024)
        try await self.need(fixture, 1...3, inBatches: false)
        let sweep = PayloadSweep(place: .passing, end: self.end)
        let first = try await fixture.database.pool.transaction { try sweep.carryOut(after: -1, on: $0) }
        #expect(first.rows == 2 && !first.isLast)
        let second = try await fixture.database.pool.transaction { try sweep.carryOut(after: first.last, on: $0) }
        #expect(second.rows == 1 && second.isLast)
    }

    @Test("may go by the ids of a batch being close together")
    func span() {
        let ids = MessageIDGenerator(slot: 1) { 1_800_000_000_000 }.next(100_000)
        #expect(ids[99_999].rawValue - ids[0].rawValue < PayloadSweep.batchSpan / 10)
    }
}
