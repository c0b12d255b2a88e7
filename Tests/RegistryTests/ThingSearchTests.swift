import Domain
import Postgres
import Schema
import StoreTestSupport
import Testing

@testable import Registry

@Suite("Searching things by a part of their names")
struct ThingSearchTests {
    private static let count = 60

    /// "Pump 1" to "Pump 60", of which one in six is a "Drain pump"; in the order of their dates, and all seen.
    private static func filled() async throws -> (Fixture, ThingStore) {
        let fixture = try await Fixture()
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                """
                WITH made AS (
                    INSERT INTO things (id, group_id, profile_id, name, key_hash, created_at)
                    SELECT gen_random_uuid(), \(fixture.group), \(fixture.profile),
                        CASE WHEN n % 6 = 0 THEN 'Drain pump ' ELSE 'Pump ' END || n, '', to_timestamp(1700000000 + n)
                    FROM generate_series(1, \(Int64(Self.count))) AS n RETURNING id, group_id, created_at)
                INSERT INTO thing_sightings (thing_id, group_id, seen_at) SELECT id, group_id, created_at FROM made
                """)
        }
        return (fixture, ThingStore(fixture.database, box: fixture.box))
    }

    private static func request(_ part: String?, _ order: PageRequest.Order = .name, limit: Int64 = 3) -> PageRequest {
        var request = PageRequest()
        (request.name, request.order, request.limit) = (part, order, limit)
        return request
    }

    /// The names of all pages, from the first on.
    private static func walk(
        _ things: ThingStore, _ group: EntityID, _ first: PageRequest, mostNames: Int64
    ) async throws -> (names: [String], pages: Int) {
        var (request, names, pages) = (first, [String](), 0)
        while true {
            let page = try await things.list(in: group, request, mostNames: mostNames)
            #expect(page.items.count <= Int(request.limit))
            #expect(page.total >= Int64(names.count + page.items.count))
            names += page.items.map(\.name)
            pages += 1
            guard let next = page.next, pages <= 200 else { return (names, pages) }
            #expect(next.position == Int64(names.count))
            request.start = PageStart(next)
        }
    }

    @Test(
        "finds what going through all finds, each once and in order, however few names are looked at for a page",
        arguments: PageRequest.Order.ofThings, [PageRequest.Direction.ascending, .descending])
    func whole(_ order: PageRequest.Order, _ direction: PageRequest.Direction) async throws {
        let (fixture, things) = try await Self.filled()
        var all = Self.request(nil, order, limit: 200)
        all.direction = direction
        let names = try await things.list(in: fixture.group, all).items.map(\.name)
        #expect(names.count == Self.count)
        for part in ["DRAIN", "pump", "1", "%", "pump 5"] {
            let wanted = names.filter { $0.lowercased().contains(part.lowercased()) }
            for most in [1, 2, 7, 10, 59, 60, 61, 1_000] as [Int64] {
                var request = Self.request(part, order)
                request.direction = direction
                let (found, pages) = try await Self.walk(things, fixture.group, request, mostNames: most)
                #expect(found == wanted, "\(part), \(most)")
                #expect(pages >= Self.count / Int(most))
            }
        }
    }

    @Test("says how many there are if that could be counted, and else at least how many")
    func totals() async throws {
        let (fixture, things) = try await Self.filled()
        var page = try await things.list(in: fixture.group, Self.request("drain"), mostNames: 1_000)
        #expect(page.total == 10 && !page.isCapped && page.items.count == 3 && page.next != nil)
        page = try await things.list(in: fixture.group, Self.request("drain", limit: 20), mostNames: 1_000)
        #expect(page.total == 10 && !page.isCapped && page.next == nil)
        // By name they come first, and then nobody looks further.
        var request = Self.request("drain", limit: 20)
        request.direction = .ascending
        page = try await things.list(in: fixture.group, request, mostNames: 20)
        #expect(page.items.count == 10 && page.isCapped && page.total >= 10 && page.next != nil)
        page = try await things.list(in: fixture.group, Self.request("none has this"), mostNames: 20)
        #expect(page.items.isEmpty && page.total == 0 && page.isCapped && page.next != nil)
        page = try await things.list(in: fixture.group, Self.request("none has this"), mostNames: 1_000)
        #expect(page.items.isEmpty && page.total == 0 && !page.isCapped && page.next == nil)
        page = try await things.list(in: .random(), Self.request("pump"), mostNames: 20)
        #expect(page.items.isEmpty && page.total == 0 && !page.isCapped && page.next == nil)
    }

    @Test("begins behind so many of those that fit")
    func offsets() async throws {
        let (fixture, things) = try await Self.filled()
        var request = Self.request("drain", .createdAt)
        request.direction = .ascending
        request.start = PageStart(offset: 4)
        var page = try await things.list(in: fixture.group, request, mostNames: 1_000)
        #expect(page.items.map(\.name) == ["Drain pump 30", "Drain pump 36", "Drain pump 42"] && page.total == 10)
        request.start = PageStart(offset: 10)
        page = try await things.list(in: fixture.group, request, mostNames: 1_000)
        #expect(page.items.isEmpty && page.total == 10 && page.next == nil)
        // The sixth name is the first that fits, and where the look ends.
        for (offset, names) in [(0, ["Drain pump 6"]), (1, [])] as [(Int64, [String])] {
            request.start = PageStart(offset: offset)
            page = try await things.list(in: fixture.group, request, mostNames: 6)
            #expect(page.items.map(\.name) == names && page.next != nil, "\(offset)")
        }
    }

    @Test("looks among those that are chosen by something else")
    func chosen() async throws {
        let (fixture, things) = try await Self.filled()
        var choice = ThingChoice()
        choice.profile = .random()
        var page = try await things.list(in: fixture.group, choosing: choice, Self.request("pump"))
        #expect(page.items.isEmpty && page.next == nil)
        choice.profile = fixture.profile
        choice.beginning = "drain"
        var request = Self.request("6", limit: 20)
        request.isByBytes = true
        page = try await things.list(in: fixture.group, choosing: choice, request)
        #expect(Set(page.items.map(\.name)) == ["Drain pump 6", "Drain pump 36", "Drain pump 60"])
        choice = ThingChoice()
        choice.ids = Array(page.items.map(\.id).prefix(2))
        page = try await things.list(in: fixture.group, choosing: choice, Self.request("drain"))
        #expect(page.items.count == 2 && page.total == 2)
    }
}
