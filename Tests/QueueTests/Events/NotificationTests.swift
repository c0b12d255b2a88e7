import Domain
import Postgres
import StoreTestSupport
import Testing

@testable import Journal
@testable import Queue
@testable import Registry
@testable import Schema

@Suite("Notices that wait")
struct NotificationTests {
    private let lease = Duration.seconds(60)

    private func add(_ fixture: Fixture, users: [String] = [], url: String? = nil, times: Int = 1) async throws {
        _ = try await fixture.database.pool.withConnection { db in
            for _ in 0..<times {
                try db.execute("INSERT INTO notifications (users, url, payload) VALUES (\(users), \(url), '{}')")
            }
        }
    }

    private func origins(_ notices: [OrgNotice]) -> [String: Int] {
        Dictionary(grouping: notices, by: \.origin).mapValues(\.count)
    }

    @Test("each user and the org have a row of their own")
    func rows() async throws {
        let fixture = try await Fixture()
        let org = EntityID.random()
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("INSERT INTO orgs (id, notification_url) VALUES (\(org), 'http://org.example/n')")
            try db.execute("UPDATE groups SET org_id = \(org)")
        }
        var target = fixture.target
        var options = target.options
        options.notify = ["anna", "ben"]
        target = WebhookTarget(
            key: target.key, id: target.id, group: target.group, version: target.version, url: target.url, headers: [],
            options: options)
        let notices = [Notice(.disabled(reason: "x"), target)]
        try await fixture.database.pool.withConnection { try Notice.write(notices, on: $0) }
        let store = NotificationStore(fixture.database)
        #expect(try await store.takeForUsers(lease: self.lease).map(\.users) == [["anna"], ["ben"]])
        let orgs = try await store.takeForOrgs(
            origins: 10, busy: [], troubled: [], isTroubled: false, lease: self.lease)
        #expect(orgs.map(\.url?.text) == ["http://org.example/n"] && orgs.first?.org == org)
    }

    @Test("of those with an earlier version's users and url together, who is told is not told again")
    func together() async throws {
        let fixture = try await Fixture()
        try await self.add(fixture, users: ["anna"], url: "http://org.example/n")
        let store = NotificationStore(fixture.database)
        func orgs() async throws -> [OrgNotice] {
            try await store.takeForOrgs(origins: 10, busy: [], troubled: [], isTroubled: false, lease: self.lease)
        }
        #expect(try await orgs().isEmpty)
        let notice = try #require(try await store.takeForUsers(lease: self.lease).first)
        try await store.remove(notice)
        let org = try #require(try await orgs().first)
        try await store.postpone([org.id], for: .zero, wereTried: true)
        #expect(try await store.takeForUsers(lease: self.lease).isEmpty)
        #expect(try await orgs().map(\.attempts) == [2])
        try await store.remove(org)
        #expect(try await fixture.count("SELECT count(*) FROM notifications") == 0)
    }

    @Test("are taken of as many origins as there are slots, a few of each, and of none that is busy or has trouble")
    func fair() async throws {
        let fixture = try await Fixture()
        try await self.add(fixture, url: "https://hangs.example/a?b", times: 100)
        try await self.add(fixture, url: "https://hangs.example/c", times: 100)
        try await self.add(fixture, url: "https://other.example:8443/a", times: 2)
        try await self.add(fixture, url: "no url")
        let store = NotificationStore(fixture.database)
        func take(
            _ origins: Int, busy: [String] = [], troubled: [String] = [], isTroubled: Bool = false
        ) async throws -> [String: Int] {
            self.origins(
                try await store.takeForOrgs(
                    origins: origins, each: 5, busy: busy, troubled: troubled, isTroubled: isTroubled,
                    lease: self.lease))
        }
        let hangs = "https://hangs.example"
        #expect(try await take(1) == [hangs: 5])
        #expect(try await take(9, busy: [hangs]) == ["https://other.example:8443": 2, "no url": 1])
        #expect(try await take(9, troubled: [hangs]).isEmpty)
        #expect(try await take(9, troubled: [hangs], isTroubled: true) == [hangs: 5])
        #expect(try await take(9, busy: [hangs], troubled: [hangs], isTroubled: true).isEmpty)
    }

    @Test("that were not tried lose no attempt, and those that were go behind the others")
    func postponed() async throws {
        let fixture = try await Fixture()
        try await self.add(fixture, users: ["a"], times: 2)
        let store = NotificationStore(fixture.database)
        let taken = try await store.takeForUsers(lease: self.lease)
        try await store.postpone([taken[0].id], for: .zero, wereTried: true)
        try await store.postpone([taken[1].id], for: .zero, wereTried: false)
        let again = try await store.takeForUsers(lease: self.lease)
        #expect(again.map(\.id) == [taken[1].id, taken[0].id] && again.map(\.attempts) == [1, 2])
        #expect(try await store.takeForUsers(lease: self.lease).isEmpty)
    }
}
