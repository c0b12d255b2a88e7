import Domain
import Journal
import Postgres
import Registry
import Schema
import StoreTestSupport
import Testing

@testable import Queue

@Suite("What is looked at")
struct LookingTests {
    /// Something that is read, and how many rows may be gone through for it. There are 40,000 of each kind.
    private struct Look: Sendable {
        let what: String
        let most: Int64
        let read: @Sendable (Looked, Database) async throws -> Void

        init(_ what: String, _ most: Int64, _ read: @escaping @Sendable (Looked, Database) async throws -> Void) {
            self.what = what
            self.most = most
            self.read = read
        }
    }

    private static func log(_ statuses: Set<LogEntry.Status>, _ limit: Int64 = 25) -> LogQuery {
        var query = LogQuery()
        (query.statuses, query.limit) = (statuses, limit)
        return query
    }

    private static let looks = [
        Look("an overview", 12_000) { looked, database in
            let overview = try await OverviewStore(database).overview(of: looked.fixture.group)
            #expect(overview.waiting == CappedCount(10_001, most: 10_000))
            #expect(overview.waiting.isCapped)
            #expect(overview.webhooks == CappedCount(Looked.others + 1, most: 10_000))
        },
        Look("what is busy", 12_000) { _, database in
            let active = try await WebhookActivityStore(database).active(limit: 500)
            #expect(active.count == Int(Looked.others) + 1)
            #expect(active.map(\.waiting.isCapped) == [true] + Array(repeating: false, count: Int(Looked.others)))
            #expect(active.dropFirst().allSatisfy { $0.waiting.count == 10 })
        },
        Look("the backlog", 31_000) { _, database in
            let (waiting, failed) = try await HousekeepingStore(database).backlog()
            let real = Looked.rows + Looked.others * 5
            #expect((real * 3 / 2...real * 5 / 2).contains(waiting), "\(waiting)")
            #expect((real * 3 / 4...real * 5 / 4).contains(failed), "\(failed)")
        },
        Look("what waits", 11_000) { looked, database in
            let page = try await ReplayStore(database).list(.waiting, of: looked.webhook, from: PageStart(), limit: 25)
            #expect(page.total == 10_000 && page.isCapped && page.items.count == 25)
        },
        Look("what has failed", 11_000) { looked, database in
            let page = try await ReplayStore(database).list(.failed, of: looked.webhook, from: PageStart(), limit: 25)
            #expect(page.total == 10_000 && page.isCapped && page.items.count == 25)
        },
        Look("the log of what waits", 8_000) { looked, database in
            let page = try await LogStore(database).list(Self.log([.waiting]), of: [looked.webhook])
            #expect(page.items.count == 25 && page.isCapped)
        },
        Look("the log", 15_000) { looked, database in
            let page = try await LogStore(database).list(Self.log([.ok, .failed, .waiting]), of: [looked.webhook])
            #expect(page.items.count == 25 && page.isCapped)
        },
        Look("a later page of the log", 15_500) { looked, database in
            var query = Self.log([.ok, .failed, .waiting])
            let first = try await LogStore(database).list(query, of: [looked.webhook])
            let read = try await looked.rowsRead { database in
                query.start = PageStart(try #require(first.next))
                let page = try await LogStore(database).list(query, of: [looked.webhook])
                #expect(page.items.count == 25 && page.isCapped && page.total == first.total)
            }
            #expect(read < 1_000)
        },
        Look("the log of what has failed of many webhooks", 3_000) { looked, database in
            let webhooks = try await WebhookStore(database, box: looked.fixture.box).addresses(in: looked.fixture.group)
            let page = try await LogStore(database).list(Self.log([.failed]), of: Array(webhooks.keys))
            #expect(page.items.isEmpty && page.isCapped && page.next != nil, "what is older was not looked at")
        },
        Look("one delivery", 20_500) { looked, database in
            let id = DeliveryID(message: MessageID(rawValue: Looked.id(10) + 2), webhook: looked.webhook)
            let history = try await LogStore(database).history(of: id)
            #expect(history?.status == .waiting)
        },
        Look("things as they were seen, in whatever order", 42_000) { looked, database in
            let things = ThingStore(database, box: looked.fixture.box)
            for (order, most) in [(PageRequest.Order.lastSeen, 22_000), (.createdAt, 12_000), (.name, 12_000)] {
                var request = PageRequest()
                (request.order, request.limit) = (order, 25)
                let read = try await looked.rowsRead { _ in
                    let page = try await things.list(in: looked.fleet, request)
                    #expect(page.items.count == 25 && page.isCapped && page.items.allSatisfy { $0.lastSeen != nil })
                }
                #expect(read < most, "\(order)")
            }
        },
        Look("things by how their names begin", 200) { looked, database in
            var choice = ThingChoice()
            choice.beginning = "Thing 3999"
            var request = PageRequest()
            (request.order, request.isByBytes) = (.name, true)
            let page = try await ThingStore(database, box: looked.fixture.box).list(
                in: looked.fleet, choosing: choice, request)
            #expect(page.items.count == 10 && page.total == 11)
        },
        Look("things by their ids", 16_000) { looked, database in
            let things = ThingStore(database, box: looked.fixture.box)
            var request = PageRequest()
            (request.order, request.limit) = (.name, 100)
            let ids = try await things.list(in: looked.fleet, request).items.map(\.id)
            for order in [PageRequest.Order.id, .name] {
                request.order = order
                let read = try await looked.rowsRead { _ in
                    var choice = ThingChoice()
                    choice.ids = ids
                    let page = try await things.list(in: looked.fleet, choosing: choice, request)
                    #expect(page.items.count == 100 && page.total == 100 && page.next == nil)
                }
                #expect(read < 2_000, "\(order)")
            }
        },
        Look("things by a part of their names", 70_000) { looked, database in
            let things = ThingStore(database, box: looked.fixture.box)
            for order in [PageRequest.Order.id, .createdAt, .name] {
                var request = PageRequest()
                (request.order, request.name) = (order, "that none has")
                let read = try await looked.rowsRead { _ in
                    let page = try await things.list(in: looked.fleet, request, mostNames: 10_000)
                    #expect(page.items.isEmpty && page.isCapped && page.next != nil, "what is behind was not looked at")
                }
                #expect(read < 22_000, "\(order)")
            }
        },
        Look("kept messages of a thing", 11_000) { looked, database in
            let page = try await MessageStore(database).list(
                of: looked.thing, in: looked.fixture.group, from: nil, to: nil, subtopic: nil, start: PageStart(),
                limit: 25)
            #expect(page.total == 10_000 && page.isCapped && page.items.count == 25)
        },
        Look("kept messages of a subtopic that is rare", 24_000) { looked, database in
            let page = try await MessageStore(database).list(
                of: looked.thing, in: looked.fixture.group, from: nil, to: nil, subtopic: "rare", start: PageStart(),
                limit: 25, mostLookedAt: 10_000)
            #expect(page.items.isEmpty && page.isCapped && page.next != nil, "what is older was not looked at")
        },
    ]

    @Test("costs the same however much there is: nothing that is looked at goes through all of it")
    func bounded() async throws {
        let looked = try await Looked()
        for look in Self.looks {
            // More than once: a plan that fits all values is made after some that fit one.
            for _ in 1...2 {
                let read = try await looked.rowsRead { try await look.read(looked, $0) }
                // What tells of the database itself, and small tables.
                #expect(read < look.most + 1_500, "\(look.what)")
            }
        }
    }

    @Test("parts of names are looked for in an index alone, in the order of names")
    func names() async throws {
        let looked = try await Looked()
        let things = ThingStore(looked.database, box: looked.fixture.box)
        func fetched() async throws -> Int64 {
            try await looked.database.pool.withConnection { db in
                try db.execute("SELECT pg_stat_force_next_flush()")
                return try db.query(
                    "SELECT sum(idx_tup_fetch)::bigint FROM pg_stat_user_tables WHERE relname = 'things'"
                ) { try $0.int64(0) }[0]
            }
        }
        var request = PageRequest()
        (request.order, request.name) = (.name, "9999")
        let before = try await fetched()
        let read = try await looked.rowsRead { _ in
            let page = try await things.list(in: looked.fleet, request)
            #expect(page.items.map(\.name) == ["Thing 9999", "Thing 39999", "Thing 29999", "Thing 19999"])
        }
        #expect(read >= Looked.rows)
        #expect(try await fetched() - before < 1_000)
    }
}
