import Domain
import Journal
import Postgres
import Registry
import Schema
import StoreTestSupport
import Testing
import Values

@testable import Queue

@Suite("Lists gone through page by page")
struct PagingTests {
    /// Goes from page to page, and has something added before each.
    func all<Item: Sendable>(
        _ page: (PageCursor?) async throws -> Page<Item>, adding add: (Int) async throws -> Void
    ) async throws -> [Item] {
        var (items, cursor): ([Item], PageCursor?) = ([], nil)
        for round in 0..<1_000 {
            let page = try await page(cursor)
            #expect(cursor?.position ?? 0 == Int64(items.count))
            items += page.items
            guard let next = page.next else {
                #expect(page.total == Int64(items.count) && !page.isCapped, "the last page says how many there were")
                return items
            }
            // As callers give it back.
            cursor = PageCursor(text: try next.text)
            try await add(round)
        }
        Issue.record("it does not end")
        return items
    }

    func start(_ cursor: PageCursor?) -> PageStart { cursor.map { PageStart($0) } ?? PageStart() }

    func request(
        _ cursor: PageCursor?, _ order: PageRequest.Order, _ direction: PageRequest.Direction, _ ids: PageRequest.IDKind
    ) -> PageRequest {
        var request = PageRequest()
        (request.limit, request.order, request.direction) = (7, order, direction)
        if let cursor {
            let fits = request.start(behind: cursor, of: ids)
            #expect(fits)
        }
        return request
    }

    static let directions = PageRequest.Direction.allCases

    @Test("show each thing once, in every order, while things are added", arguments: PageRequest.Order.common)
    func things(order: PageRequest.Order) async throws {
        let fixture = try await Fixture()
        let things = ThingStore(fixture.database, box: fixture.box)
        func make(_ names: [String]) async throws -> [EntityID] {
            let made = names.map {
                ThingRecord(id: .random(), group: fixture.group, profile: fixture.profile, name: $0)
            }
            try await things.create(made, keys: made.map { _ in StoredKey("k") })
            return made.map(\.id)
        }
        // All at the same time, and names that differ in case alone.
        let former = try await make((1...30).map { "Name \($0 / 2)\($0.isMultiple(of: 2) ? "A" : "a")" })
        for direction in Self.directions {
            let seen = try await self.all { cursor in
                try await things.list(in: fixture.group, self.request(cursor, order, direction, .uuid))
            } adding: { _ in
                _ = try await make(["\(EntityID.random())"])
            }
            #expect(Set(seen.map(\.id)).count == seen.count, "none twice")
            #expect(Set(seen.map(\.id)).isSuperset(of: former), "and none left out")
        }
    }

    @Test(
        "show things that were seen in that order, and once each, whichever way round and by whatever they are chosen")
    func seen() async throws {
        let fixture = try await Fixture()
        let things = ThingStore(fixture.database, box: fixture.box)
        let made = (1...40).map {
            ThingRecord(
                id: .random(), group: fixture.group, profile: fixture.profile,
                name: "\($0 % 2 == 0 ? "Even" : "odd") \($0)")
        }
        try await things.create(made, keys: made.map { _ in StoredKey("k") })
        let store = EventStore(fixture.database)
        func note(_ seen: ArraySlice<ThingRecord>, at base: Int64) async throws {
            // Several at the same time.
            try await store.noteSightings(
                Dictionary(uniqueKeysWithValues: seen.enumerated().map { ($1.id, base + Int64($0 / 3) * 1_000) }))
        }
        try await note(made[0..<30], at: 1_700_000_000_000)
        // What is older, or of a thing that is gone, changes nothing.
        try await note(made[0..<30], at: 1_600_000_000_000)
        try await store.noteSightings([.random(): 1_700_000_000_000])
        for direction in Self.directions {
            let seen = try await self.all { cursor in
                try await things.list(in: fixture.group, self.request(cursor, .lastSeen, direction, .uuid))
            } adding: { _ in
            }
            #expect(Set(seen.map(\.id)) == Set(made[0..<30].map(\.id)) && seen.count == 30)
            let times = seen.compactMap { $0.lastSeen?.milliseconds }
            #expect(times == (direction == .ascending ? times.sorted() : times.sorted(by: >)) && times.count == 30)
            #expect(times.min() == 1_700_000_000_000)
        }
        var choice = ThingChoice()
        choice.beginning = "EVEN 1"
        var request = PageRequest()
        (request.order, request.limit, request.isByBytes) = (.name, 100, true)
        var found = try await things.list(in: fixture.group, choosing: choice, request)
        #expect(Set(found.items.map(\.name)) == Set([10, 12, 14, 16, 18].map { "Even \($0)" }))
        choice.beginning = "%"
        found = try await things.list(in: fixture.group, choosing: choice, request)
        #expect(found.items.isEmpty && found.total == 0)
        // A thing that moves away has not been seen where it is then.
        let (other, profile) = (EntityID.random(), EntityID.random())
        try await GroupStore(fixture.database).create([GroupRecord(id: other, org: nil, name: "other")], owner: "o")
        try await ProfileStore(fixture.database).create([
            ProfileRecord(id: profile, group: other, name: "p", configJSON: "{}")
        ])
        #expect(try await things.move(made[0].id, from: fixture.group, to: other, profile: profile) != nil)
        #expect(try await things.find(made[0].id)?.lastSeen == nil)
    }

    @Test("show each webhook once, those that were never called too", arguments: PageRequest.Order.ofWebhooks)
    func webhooks(order: PageRequest.Order) async throws {
        let fixture = try await Fixture()
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                WITH made AS (
                    INSERT INTO webhooks (id, group_id, name, url, secrets, trigger)
                    SELECT gen_random_uuid(), \(fixture.group), 'w' || n, 'http://example.com', secrets,
                        CASE WHEN n % 2 = 0 THEN 'MANUAL' ELSE 'MESSAGE' END
                    FROM generate_series(1, 29) AS n, (SELECT secrets FROM webhooks LIMIT 1) AS s RETURNING key)
                INSERT INTO webhook_counters (webhook_key, attempts, last_attempt_at)
                SELECT key, key % 3, CASE WHEN key % 2 = 0 THEN to_timestamp(1700000000.000001 + key % 5) END FROM made
                WHERE key % 4 > 0
                """)
        }
        for direction in Self.directions {
            let seen = try await self.all { cursor in
                try await fixture.webhooks().list(in: fixture.group, self.request(cursor, order, direction, .uuid))
            } adding: { _ in
            }
            #expect(seen.count == 30 && Set(seen.map(\.id)).count == 30)
        }
    }

    @Test("show each member once, whatever they are called", arguments: PageRequest.Order.common)
    func members(order: PageRequest.Order) async throws {
        let fixture = try await Fixture()
        let groups = GroupStore(fixture.database)
        let former = (1...25).map { Member(id: "\($0 % 2 == 0 ? "Ü" : "ü")\" \($0)|", role: .viewer) }
        #expect(try await groups.setMembers(former, in: fixture.group))
        for direction in Self.directions {
            let seen = try await self.all { cursor in
                try await groups.members(of: fixture.group, self.request(cursor, order, direction, .text))
            } adding: { round in
                _ = try await groups.setMembers(
                    [Member(id: "new \(direction) \(round)", role: .viewer)], in: fixture.group)
            }
            #expect(Set(seen.map(\.id)).count == seen.count)
            #expect(Set(seen.map(\.id)).isSuperset(of: former.map(\.id)))
        }
    }

    @Test("show each kept message once, over many days and those of which nothing is left")
    func messages() async throws {
        let fixture = try await Fixture()
        let store = MessageStore(fixture.database)
        let thing = EntityID.random()
        func keep(_ ids: Query) async throws {
            _ = try await fixture.database.pool.withConnection { db in
                try db.execute(
                    """
                    INSERT INTO messages (id, thing_id, group_id, subtopic, content_type, payload)
                    SELECT id, \(thing), \(fixture.group), 's', 't', 'p' FROM (\(ids)) AS ids (id)
                    """)
            }
        }
        let time = try await fixture.count("SELECT (extract(epoch FROM now()) * 1000)::bigint")
        let now = MessageID.first(at: Instant(clampingMilliseconds: time)).rawValue
        let day = Int64(86_400_000) << 22
        // Some today, some in the last week, some long ago, and then some more.
        for (days, count): (Int64, Int64) in [(0, 3), (1, 1), (6, 20), (40, 5), (200, 30)] {
            try await keep("SELECT \(now - days * day) - n * 4194304 FROM generate_series(1, \(count)) AS n")
        }
        var newest = now
        let seen = try await self.all { cursor in
            try await store.list(
                of: thing, in: fixture.group, from: nil, to: nil, subtopic: nil, start: self.start(cursor), limit: 7)
        } adding: { _ in
            newest += 1
            try await keep("SELECT \(newest)")
        }
        #expect(seen.count == 59)
        #expect(seen.map(\.id) == Set(seen.map(\.id)).sorted(by: >), "the newest first")
        for offset: Int64 in [0, 2, 3, 30, 58, 66] {
            let page = try await store.list(
                of: thing, in: fixture.group, from: nil, to: nil, subtopic: nil, start: PageStart(offset: offset),
                limit: 7)
            #expect(page.total == 59 + newest - now, "\(offset)")
            #expect(Int64(page.items.count) == min(7, page.total - offset))
        }
    }

    @Test(
        "show each kept message of a subtopic once, however few messages are looked at for a page",
        arguments: [1, 2, 5, 58, 59, 60, 20_000] as [Int64])
    func subtopics(mostLookedAt: Int64) async throws {
        let fixture = try await Fixture()
        let store = MessageStore(fixture.database)
        let thing = EntityID.random()
        let time = try await fixture.count("SELECT (extract(epoch FROM now()) * 1000)::bigint")
        let now = MessageID.first(at: Instant(clampingMilliseconds: time)).rawValue
        let day = Int64(86_400_000) << 22
        for (days, count): (Int64, Int64) in [(0, 3), (1, 1), (6, 20), (40, 5), (200, 30)] {
            let first = now - days * day
            _ = try await fixture.database.pool.withConnection { db in
                try db.execute(
                    """
                    INSERT INTO messages (id, thing_id, group_id, subtopic, content_type, payload)
                    SELECT \(first) - n * 4194304, \(thing), \(fixture.group),
                        CASE WHEN n % 3 = 0 THEN 'often' WHEN n = 20 THEN 'rare' ELSE 'other' END, 't', 'p'
                    FROM generate_series(1, \(count)) AS n
                    """)
            }
        }
        for (subtopic, count) in [("often", 18), ("rare", 2), ("other", 39), ("none", 0)] {
            func page(_ start: PageStart) async throws -> Page<Message> {
                try await store.list(
                    of: thing, in: fixture.group, from: nil, to: nil, subtopic: subtopic, start: start, limit: 7,
                    mostLookedAt: mostLookedAt)
            }
            let found = try await self.all {
                try await page(self.start($0))
            } adding: { _ in
            }
            #expect(found.count == count && found.allSatisfy { $0.subtopic == subtopic })
            #expect(found.map(\.id) == Set(found.map(\.id)).sorted(by: >), "the newest first")
            let first = try await page(PageStart())
            #expect(first.isCapped ? first.total <= count : first.total == count)
            #expect(first.isCapped == (mostLookedAt < 59))
            if mostLookedAt > 59 {
                let behind = try await page(PageStart(offset: 2))
                #expect(
                    behind.items.map(\.id) == Array(found.map(\.id).dropFirst(2).prefix(7)) && behind.total == count)
            }
        }
    }

    @Test("end early where what they show is large, show one at least, and go on behind it")
    func large() async throws {
        let fixture = try await Fixture()
        let (thing, first) = (EntityID.random(), Looked.id(0))
        let size: Query = "CASE WHEN n = 3 THEN 5 ELSE 1 END * 1048576"
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO messages (id, thing_id, group_id, subtopic, content_type, payload)
                SELECT \(first) + n, \(thing), \(fixture.group), 's', 't', decode(repeat('ab', \(size)), 'hex')
                FROM generate_series(1, 8) AS n
                """)
            try db.execute(
                """
                INSERT INTO profiles (id, group_id, name, config, config_text)
                SELECT gen_random_uuid(), \(fixture.group), 'large ' || n, c::jsonb, c FROM generate_series(1, 8) AS n,
                    LATERAL (SELECT json_build_object('a', repeat('x', \(size)))::text AS c) AS configs
                """)
            // What cannot be read is shown too.
            try db.execute(
                """
                INSERT INTO webhooks (id, group_id, name, url, secrets)
                SELECT gen_random_uuid(), \(fixture.group), 'large ' || n, 'http://example.com',
                    decode(repeat('ab', \(size)), 'hex') FROM generate_series(1, 8) AS n
                """)
        }
        var sizes: [Int] = []
        func look<Item: Sendable>(_ page: Page<Item>) -> Page<Item> {
            sizes.append(page.items.count)
            return page
        }
        let messages = try await self.all { cursor in
            look(
                try await MessageStore(fixture.database).list(
                    of: thing, in: fixture.group, from: nil, to: nil, subtopic: nil, start: self.start(cursor), limit: 7
                ))
        } adding: { _ in
        }
        #expect(messages.map { $0.id.rawValue - first } == Array((1...8).reversed()))
        #expect(sizes == [4, 2, 2], "four of 1 MiB, one of 1 MiB with that of 5 MiB, and the rest")
        sizes = []
        let profiles = try await self.all { cursor in
            look(
                try await ProfileStore(fixture.database).list(
                    in: fixture.group, self.request(cursor, .name, .ascending, .uuid)))
        } adding: { _ in
        }
        #expect(Set(profiles.map(\.id)).count == 9 && profiles.count == 9)
        #expect(sizes == [3, 4, 2], "up to that of 5 MiB")
        sizes = []
        let webhooks = try await self.all { cursor in
            look(try await fixture.webhooks().list(in: fixture.group, self.request(cursor, .name, .ascending, .uuid)))
        } adding: { _ in
        }
        #expect(Set(webhooks.map(\.id)).count == 9 && webhooks.count == 9)
        #expect(sizes == [3, 4, 2])
    }

    @Test("say how many there are up to a number, and beyond that that there are more", arguments: [10_000, 10_001])
    func capped(count: Int64) async throws {
        let fixture = try await Fixture()
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                INSERT INTO things (id, group_id, profile_id, name, key_hash)
                SELECT gen_random_uuid(), \(fixture.group), \(fixture.profile), 'thing ' || n, '' FROM generate_series(1, \(count)) n
                """)
        }
        let things = ThingStore(fixture.database, box: fixture.box)
        let page = try await things.list(in: fixture.group, PageRequest())
        #expect(page.total == 10_000)
        #expect(page.isCapped == (count > 10_000))
        let overview = try await OverviewStore(fixture.database).overview(of: fixture.group)
        #expect(overview.things == CappedCount(count, most: 10_000))
        var request = PageRequest()
        request.start = PageStart(offset: count - 5)
        let last = try await things.list(in: fixture.group, request)
        #expect(last.total == count && !last.isCapped && last.items.count == 5)
    }
}
