import Domain
import Postgres
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Journal
@testable import Queue
@testable import Registry
@testable import Schema

@Suite("Gathering the log beside what is erased")
struct GatheringErasedTests {
    private let log: GatheredLog

    init() async throws { self.log = try await GatheredLog() }

    private func gather(_ span: LogSpan, on db: isolated Connection) throws -> Int {
        var gathering = LogGathering(span)
        return try gathering.carryOut(on: db)
    }

    private static let halfHour = LogSpan(.halfHour, from: GatheredLog.time(0))

    @Test("takes nothing to where an erasure has been already, whichever part of that it comes between")
    func erased() async throws {
        let erasures = ErasureStore(self.log.fixture.database)
        let gone = self.log.fixture.group
        try await self.log.fixture.makeThing(gone)
        for parts in 0..<6 {
            try await self.log.furnish()
            _ = try await erasures.erase(messagesOf: gone, in: self.log.fixture.group, from: nil, to: nil)
            // Not by the clock of this machine, by which it would all come later.
            try await self.execute("UPDATE erasures SET end_id = \(Int64.max) WHERE finished_at IS NULL")
            for _ in 0..<parts { _ = try await erasures.carryOutPart() }
            try await self.log.fixture.database.pool.transaction { db in
                var gathering = LogGathering(Self.halfHour)
                while !gathering.isOver { _ = try gathering.carryOut(on: db) }
            }
            try await self.carryOut(erasures)
            let left: Query = """
                SELECT (SELECT count(*) FROM attempts WHERE thing_id = \(gone))
                    + (SELECT count(*) FROM attempt_batches WHERE thing_ids @> ARRAY[\(gone)])
                """
            #expect(try await self.log.fixture.count(left) == 0, "\(parts)")
            let others: Query = """
                SELECT (SELECT count(*) FROM attempts) + (SELECT coalesce(sum(attempts), 0) FROM attempt_batches)::bigint
                """
            #expect(try await self.log.fixture.count(others) > 100)
            for table in ["attempts", "attempt_batches", "erasures"] as [Query] {
                try await self.execute("DELETE FROM \(table)")
            }
        }
    }

    @Test("takes no row that somebody takes entries out of")
    func beingErased() async throws {
        try await self.log.record(1...6)
        let holder = try await Connection.connect(to: try Endpoint(self.log.fixture.url), logger: silentLogger)
        try await holder.execute("BEGIN")
        _ = try await holder.query(
            // By the text, as every build has it.
            "SELECT pg_advisory_xact_lock(hashtext('hookline erase batches'), \(self.log.fixture.target.key.rawValue))"
        ) { _ in true }
        let gather = { try await self.log.fixture.database.pool.transaction { try self.gather(Self.halfHour, on: $0) } }
        #expect(try await gather() == 0)
        try await holder.execute("COMMIT")
        #expect(try await gather() == 6)
    }

    @Test("leaves nothing of a webhook that is removed just then")
    func removed() async throws {
        // None of them is in the table that an erasure goes through first.
        for first in stride(from: Int64(1), to: 31, by: 6) {
            try await self.log.record((first..<first + 6).map { self.log.result($0, at: Double($0)) })
        }
        let mover = try await Connection.connect(to: try Endpoint(self.log.fixture.url), logger: silentLogger)
        try await mover.execute("BEGIN")
        let gathered = try await self.gather(Self.halfHour, on: mover)
        #expect(gathered == 5)
        try await self.log.fixture.database.pool.transaction { db in
            try Removal.webhooks("key = \(self.log.fixture.target.key.rawValue)", on: db)
        }
        let erasures = ErasureStore(self.log.fixture.database)
        async let erased: Void = self.carryOut(erasures)
        try await self.log.fixture.waitForLock()
        try await mover.execute("COMMIT")
        try await erased
        #expect(try await self.log.fixture.count("SELECT count(*) FROM attempt_batches") == 0)
    }

    private func carryOut(_ erasures: ErasureStore) async throws {
        while try await erasures.carryOutPart() {}
    }

    private func execute(_ query: Query) async throws {
        _ = try await self.log.fixture.database.pool.withConnection { try $0.execute(query) }
    }
}
