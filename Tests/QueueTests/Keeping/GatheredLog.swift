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

/// A webhook's log that is about to be gathered, and all that is seen of it.
struct GatheredLog {
    let fixture: Fixture
    let other = EntityID.random()
    /// The beginning of a minute and of half an hour, in milliseconds since 1970.
    static let base: Int64 = 1_800_000_000_000

    init() async throws {
        self.fixture = try await Fixture()
        // Where rows of a day stand by themselves, as nearly all do.
        try await self.fixture.partitions(at: Self.base).look(
            ownDay: Self.base / 86_400_000, mayRemove: false, keepMessages: .seconds(86_400),
            keepAttempts: .seconds(86_400), keepAudit: .seconds(86_400)
        ).forEach { #expect($0.isDone) }
    }

    // MARK: What there is

    static func time(_ seconds: Double) -> Instant {
        Instant(clampingMicroseconds: Self.base * 1_000 + Int64(seconds * 1_000_000))
    }

    func result(
        _ number: Int64, at seconds: Double, _ ending: DeliveryResult.Ending = .succeeded, status: Int16 = 200,
        attempts: Int32 = 0, response: [UInt8]? = Array("ok".utf8), peculiarities: AttemptRecord.Peculiarities? = nil
    ) -> DeliveryResult {
        var delivery = self.fixture.deliveries(
            number...number, leased: true, thing: number.isMultiple(of: 2) ? self.other : nil)[0]
        delivery.attempts = attempts
        return DeliveryResult(
            delivery: delivery, ending: ending,
            attempt: AttemptRecord(
                at: Self.time(seconds), latencyMicroseconds: Int32(number), status: status, error: nil,
                response: response, peculiarities: peculiarities))
    }

    /// What is recorded together.
    func record(_ results: [DeliveryResult]) async throws {
        let log = AttemptLog(results)
        let statements = log.insertions + [log.counters].compactMap(\.self)
        try await self.fixture.database.pool.transaction { db in
            for statement in statements { try db.execute(statement) }
        }
    }

    func record(
        _ numbers: ClosedRange<Int64>, every interval: Double = 0.1, from seconds: Double = 0
    ) async throws {
        for number in numbers {
            try await self.record([self.result(number, at: seconds + Double(number) * interval)])
        }
    }

    /// Singles and small rows, of two statuses and things, with answers and without, among what failed, was tried again, or has
    /// something else to tell, in two half hours.
    func furnish() async throws {
        try await self.record(1...30)
        for first in stride(from: Int64(31), to: 61, by: 6) {
            try await self.record(
                (first..<first + 6).map { self.result($0, at: 2.5 + Double($0 % 7), response: $0 < 40 ? nil : [7]) })
        }
        for number in Int64(61)...70 {
            try await self.record([self.result(number, at: 5 + Double(number) / 7, status: 202, response: nil)])
        }
        try await self.record([self.result(71, at: 3, .failed(reason: "no"), status: 500)])
        try await self.record([self.result(72, at: 4, attempts: 1)])
        try await self.record([self.result(73, at: 5, peculiarities: .init(target: "/x"))])
        // As what was sent again.
        for at in [6.0, 6.5, 7.0] { try await self.record([self.result(74, at: at)]) }
        try await self.record((75...300).map { self.result($0, at: 8 + Double($0 % 13) / 10) })
        try await self.record(301...312, every: 70, from: -21_000)
        try await self.record(401...470, from: -20)
    }

    // MARK: What is seen of it

    func entries(
        _ limit: Int64, _ change: (inout LogQuery) -> Void = { _ in }, between: () async throws -> Void = {}
    ) async throws -> [String] {
        var (lines, start): ([String], PageStart?) = ([], PageStart())
        while let from = start {
            var query = LogQuery()
            (query.limit, query.start, query.statuses) = (limit, from, Set(LogEntry.Status.allCases))
            change(&query)
            let page = try await LogStore(self.fixture.database).list(query, of: [self.fixture.target.key])
            lines += page.items.map { entry in
                """
                \(entry.status) \(entry.at.microseconds) \(entry.delivery) \(entry.thing, default: "-") \
                \(entry.response, default: "-") \(entry.error, default: "-") \(entry.latencyMicroseconds, default: "-") \
                \(entry.attempt) \(entry.target, default: "-") \(entry.items)
                """
            }
            try await between()
            start = try page.next.map { PageStart(try #require(PageCursor(text: try $0.text))) }
        }
        return lines
    }

    private func histories() async throws -> [String] {
        var lines: [String] = []
        for number in Array(Int64(1)...312) + Array(401...470) {
            let id = self.fixture.deliveries(number...number, leased: false)[0].id
            let history = try #require(try await LogStore(self.fixture.database).history(of: id))
            lines += history.attempts.map { attempt in
                """
                \(number) \(history.status) \(history.thing, default: "-") \(attempt.at.microseconds) \(attempt.number) \
                \(attempt.hasSucceeded) \(attempt.status, default: "-") \(attempt.error, default: "-") \
                \(attempt.latencyMicroseconds) \(attempt.response, default: "-") \(attempt.version, default: "-") \
                \(attempt.target, default: "-") \(attempt.items)
                """
            }.sorted()
        }
        return lines
    }

    /// Everything that the log is asked for.
    func seen() async throws -> [[String]] {
        var seen = [try await self.entries(1_000), try await self.entries(7), try await self.histories()]
        let changes: [(inout LogQuery) -> Void] = [
            { $0.statuses = [.ok] }, { $0.statuses = [.failed] }, { $0.thing = self.other },
            { ($0.from, $0.to) = (Self.time(2.7), Self.time(5)) }, { $0.to = Self.time(6) }, { $0.from = Self.time(6) },
            { $0.to = Self.time(6) + .microseconds(1) },
        ]
        for change in changes { seen.append(try await self.entries(9, change)) }
        for order in LogQuery.Order.allCases {
            for isAscending in [false, true] {
                seen.append(try await self.entries(1_000) { ($0.order, $0.isAscending) = (order, isAscending) })
            }
        }
        return seen
    }

    var singles: Query { "SELECT count(*) FROM attempts" }
    var rows: Query { "SELECT count(*) FROM attempt_batches" }
}
