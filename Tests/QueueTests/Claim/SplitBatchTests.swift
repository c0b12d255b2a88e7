import Domain
import Journal
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing

@testable import Queue

@Suite("A claim of a part of a batch")
struct SplitBatchTests {
    private let rows: Query = "SELECT count(*) FROM delivery_batches"
    private let payloads: Query = "SELECT count(*) FROM transient_messages"

    private func claim(
        _ store: DeliveryStore, _ webhook: WebhookTarget, count: Int, bytes: Int = 1_000_000
    ) async throws -> [ClaimedDelivery] {
        try await store.claim(webhook, inOrder: false, count: Int64(count), bytes: Int64(bytes), now: 9_000).deliveries
    }

    @Test("leaves the rest in rows that wait, in their order, and all payloads go with the last of them")
    func parts() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        try await fixture.commit(fixture.deliveries(1...200, leased: false), by: store.session)
        var seen: [UInt8] = []
        var sizes = [3, 70, 1, 64]
        while true {
            let claimed = try await self.claim(
                store, fixture.target, count: sizes.isEmpty ? 100 : sizes.removeFirst())
            guard !claimed.isEmpty else { break }
            seen += claimed.map(\.message.payload[0])
            try await fixture.succeed(claimed, by: store)
            #expect(
                try await fixture.count(self.payloads) == Int64(200 - seen.count),
                "what is done is not kept for the rest")
        }
        #expect(seen == Array(1...200))
        #expect(try await fixture.count(self.rows) == 0)
    }

    @Test("keeps the payloads that another webhook waits for")
    func others() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let other = try await Fixture.webhook(
            .random(), named: "w2", in: fixture.group, policy: DeliveryPolicy(), of: fixture.database, box: fixture.box)
        let deliveries = fixture.deliveries(1...10, leased: false).map(\.message).flatMap { message in
            [fixture.target, other].map { Delivery(message: message, webhook: $0) }
        }
        try await fixture.commit(deliveries, by: store.session)
        try await fixture.succeed(try await self.claim(store, fixture.target, count: 4), by: store)
        try await fixture.succeed(try await self.claim(store, fixture.target, count: 9), by: store)
        #expect(try await fixture.count(self.payloads) == 10)
        #expect(try await self.claim(store, other, count: 99).map(\.message.payload[0]) == Array(1...10))
    }

    @Test("of which some are done brings those that are not, and counts only them")
    func done() async throws {
        let fixture = try await Fixture()
        let former = try await fixture.store()
        let deliveries = try await fixture.commit(fixture.deliveries(1...20, leased: true), by: former.session)
        for index in [0, 1, 3, 9, 10, 17] {
            _ = try await former.complete([fixture.result(deliveries[index], .succeeded)])
        }
        // The same client id starts anew, as after a crash.
        let store = try await fixture.store()
        let first = try await self.claim(store, fixture.target, count: 4)
        #expect(first.map(\.message.payload[0]) == [3, 5, 6, 7])
        try await fixture.succeed(first, by: store)
        let rest = try await self.claim(store, fixture.target, count: 99)
        #expect(rest.map(\.message.payload[0]) == [8, 9, 12, 13, 14, 15, 16, 17, 19, 20])
        try await fixture.succeed(rest, by: store)
        #expect(try await fixture.count(self.rows) == 0)
    }

    @Test(
        "takes no more bytes than there is room for, whatever the payloads' sizes, kept or not",
        arguments: [false, true])
    func bytes(isKept: Bool) async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let sizes = [10, 50_000, 10, 10, 60_000, 30_000, 10]
        let deliveries = sizes.enumerated().flatMap { number, size in
            fixture.deliveries(Int64(number)...Int64(number), leased: false, kept: isKept, bytes: size)
        }
        try await fixture.commit(deliveries, by: store.session)
        var parts: [[Int]] = []
        for room in [55_000, 55_000, 60_000, 99_000] {
            let claimed = try await self.claim(store, fixture.target, count: 99, bytes: room)
            parts.append(claimed.map(\.message.payload.count))
        }
        #expect(parts == [[10, 50_000, 10, 10], [], [60_000], [30_000, 10]])
    }

    @Test("serves several webhooks at a time, each within its room, and reads a message once for all")
    func several() async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        var webhooks = [fixture.target]
        for number in 2...5 {
            webhooks.append(
                try await Fixture.webhook(
                    .random(), named: "w\(number)", in: fixture.group, policy: DeliveryPolicy(), of: fixture.database,
                    box: fixture.box))
        }
        let messages = fixture.deliveries(1...9, leased: false).map(\.message)
        try await fixture.commit(
            messages.flatMap { message in webhooks.map { Delivery(message: message, webhook: $0) } }, by: store.session)
        let counts: [Int64] = [1, 3, 9, 20, 8]
        let wanted = zip(webhooks, counts).map { webhook, count in
            Wanted(webhook.key, of: webhook.group, count: count, bytes: 9_999)
        }
        let claims = try await store.claim(wanted, now: 9_000, held: LaneLedger().held)
        #expect(webhooks.map { claims[$0.key]?.deliveries.count } == [1, 3, 9, 9, 8])
        let firsts = claims.values.compactMap { $0.deliveries.first?.message }
        #expect(Set(firsts.map { ObjectIdentifier($0) }).count == 1)
        #expect(webhooks.map { claims[$0.key]?.isPartial } == [true, true, false, false, true])
        let again = try await store.claim(wanted, now: 9_000, held: LaneLedger().held)
        #expect(webhooks.map { again[$0.key]?.deliveries.count } == [1, 3, 0, 0, 1])
        #expect(again[webhooks[2].key]?.isPartial == false && again[webhooks[2].key]?.nextDue == nil)
    }

    @Test(
        "says that it was all that is due, so that the end is found however soon more comes",
        arguments: [
            // Rows of so many, how many and how much is wanted, and whether a retry is due that is behind them.
            (rows: [9], count: 99, bytes: 9_999, isRetryDue: false, isAll: true),
            (rows: [9], count: 9, bytes: 9_999, isRetryDue: false, isAll: true),
            (rows: [9], count: 8, bytes: 9_999, isRetryDue: false, isAll: false),
            (rows: [9], count: 99, bytes: 8, isRetryDue: false, isAll: false),
            (rows: [3, 1, 2], count: 7, bytes: 9_999, isRetryDue: false, isAll: true),
            (rows: [3, 1, 2], count: 5, bytes: 9_999, isRetryDue: false, isAll: false),
            (rows: [3, 1, 2], count: 4, bytes: 9_999, isRetryDue: false, isAll: false),
            (rows: [3, 1, 2], count: 7, bytes: 4, isRetryDue: false, isAll: false),
            // There may be more rows than were looked at.
            (rows: [1, 1, 1], count: 3, bytes: 9_999, isRetryDue: false, isAll: false),
            (rows: [9], count: 99, bytes: 9_999, isRetryDue: true, isAll: false),
        ])
    func end(_ each: (rows: [Int64], count: Int64, bytes: Int64, isRetryDue: Bool, isAll: Bool)) async throws {
        let fixture = try await Fixture()
        let store = try await fixture.store()
        let retried = try await fixture.commit(fixture.deliveries(1...1, leased: true), by: store.session)
        _ = try await store.complete([fixture.result(retried[0], .retried(due: each.isRetryDue ? 8_000 : 9_500))])
        var first = Int64(2)
        for length in each.rows {
            try await fixture.commit(
                fixture.deliveries(first...first + length - 1, leased: false, bytes: 1), by: store.session, now: 2_000)
            first += length
        }
        let claim = try await store.claim(
            fixture.target, inOrder: false, count: each.count, bytes: each.bytes, now: 9_000)
        #expect(claim.isPartial == !each.isAll)
        let isAll = claim.deliveries.count == each.rows.reduce(0, +)
        #expect(isAll == (each.isAll || each.isRetryDue || each.count == 3))
        try await fixture.commit(fixture.deliveries(100...100, leased: false, bytes: 1), by: store.session, now: 9_000)
        var seen = claim.deliveries.count
        for _ in 0..<9 {
            let next = try await store.claim(fixture.target, inOrder: false, count: 99, bytes: 9_999, now: 9_000)
            seen += next.deliveries.count
            if !next.isPartial { break }
        }
        #expect(seen == Int(first) - 2 + 1 + (each.isRetryDue ? 1 : 0), "what comes next is found, and what was left")
    }

    @Test("by two instances gives each delivery to one of them")
    func instances() async throws {
        let fixture = try await Fixture()
        let stores = [try await fixture.store("a"), try await fixture.store("b")]
        try await fixture.commit(fixture.deliveries(1...250, leased: false), by: stores[0].session)
        let target = fixture.target
        let seen = try await withThrowingTaskGroup(of: [MessageID].self) { group in
            for store in stores {
                group.addTask {
                    var seen: [MessageID] = []
                    while true {
                        let claim = try await store.claim(target, inOrder: false, count: 7, bytes: 9_999, now: 9_000)
                        seen += claim.deliveries.map(\.message.id)
                        if !claim.isPartial { return seen }
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(seen.count == 250 && Set(seen).count == 250)
    }
}
