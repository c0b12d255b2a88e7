import Domain
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Registry

@Suite("Whom a group counts for")
struct GroupUserTests {
    struct Case: Sendable, CustomTestStringConvertible {
        /// Who is a member: since which day, and as what. The group was made on the first.
        let members: [(id: String, day: Int64, role: Role)]
        let user: ExactText?

        var testDescription: String {
            "\(self.members.map { "\($0.id) \($0.day) \($0.role)" }): \(self.user ?? "nobody")"
        }
    }

    @Test(
        "is who made it while they may change its webhooks, or else the owner who has been a member for longest",
        arguments: [
            Case(members: [], user: nil),
            Case(members: [("a", 1, .viewer)], user: nil),
            Case(members: [("a", 1, .owner), ("b", 2, .owner)], user: "a"),
            Case(members: [("a", 2, .owner), ("b", 1, .owner)], user: "b"),
            Case(members: [("a", 1, .viewer), ("b", 2, .owner)], user: "b"),
            // Who was made an editor of what another has made could not remove it.
            Case(members: [("a", 2, .editor)], user: nil),
            Case(members: [("a", 2, .editor), ("b", 2, .admin), ("c", 3, .owner)], user: "c"),
            // Who makes another the owner is not rid of it.
            Case(members: [("a", 1, .editor), ("b", 2, .owner)], user: "a"),
            Case(members: [("a", 1, .admin), ("b", 2, .owner), ("c", 3, .editor)], user: "a"),
            // Of those who came at once the one who may do most, and then by their ids.
            Case(members: [("a", 1, .editor), ("b", 1, .admin), ("z", 1, .owner), ("y", 1, .owner)], user: "y"),
            Case(members: [("b", 1, .owner), ("ä", 1, .owner), ("B", 1, .owner)], user: "B"),
        ])
    func rule(_ example: Case) async throws {
        let fixture = try await Fixture()
        let (group, members) = (fixture.group, example.members)
        let (ids, days, roles) = (members.map(\.id), members.map(\.day), members.map(\.role.rawValue))
        let found = try await fixture.database.pool.withConnection { db in
            try db.execute("DELETE FROM memberships WHERE group_id = \(group)")
            try db.execute("UPDATE groups SET created_at = '2026-01-02' WHERE id = \(group)")
            try db.execute(
                """
                INSERT INTO memberships (group_id, member_id, role, created_at)
                SELECT \(group), id, role, '2026-01-01'::timestamptz + day * interval '1 day'
                FROM unnest(\(ids), \(roles), \(days)) AS m (id, role, day)
                """)
            return try GroupUsers.read(of: [group, .random()], on: db)
        }
        #expect(found == (example.user.map { [group: $0] } ?? [:]))
    }

    @Test("is read with the group's webhooks, if it is asked for, and again when members have changed it")
    func read() async throws {
        let fixture = try await Fixture()
        let groups = GroupStore(fixture.database)
        // One with a webhook of its own, and one that has none.
        let (other, bare) = (EntityID.random(), EntityID.random())
        try await groups.create(
            [GroupRecord(id: other, org: nil, name: "h"), GroupRecord(id: bare, org: nil, name: "i")], owner: "p")
        _ = try await Fixture.webhook(
            .random(), named: "w", in: other, policy: DeliveryPolicy(), of: fixture.database, box: fixture.box)
        let store = RouteStore(fixture.database, box: fixture.box, readsUsers: true)
        var routes = try await store.load()
        #expect([fixture.group, other, bare].map { routes.user(of: $0) } == ["o", "p", nil])
        let without = RouteStore(fixture.database, box: fixture.box)
        #expect(try await without.load().user(of: fixture.group) == nil)

        let known = try #require(routes.webhook(fixture.target.key))
        #expect(try await groups.setMembers([Member(id: "q", role: .owner)], in: fixture.group))
        try await self.reread(fixture.group, by: store, into: &routes)
        #expect(routes.user(of: fixture.group) == "o")
        #expect(try await groups.removeMembers(["o"], from: fixture.group))
        let change = try await self.reread(fixture.group, by: store, into: &routes)
        #expect(routes.user(of: fixture.group) == "q" && routes.user(of: other) == "p")
        #expect(change.changed.isEmpty && change.concerned == [known.key])
        #expect(routes.webhook(known.key) === known, "the webhook is what it was")
        // Who begins with the group reads it too.
        var fresh = Routes()
        try await self.reread(other, by: store, into: &fresh)
        #expect(fresh.user(of: other) == "p")
    }

    @discardableResult
    private func reread(
        _ group: EntityID, by store: RouteStore, into routes: inout Routes
    ) async throws -> GroupWebhooks.Change {
        let known = routes.groups[group]
        let news = try await store.changes([.webhooks(group: group)], known: { _ in known })
        guard case .some(let edit) = news else { throw Everything() }
        edit.apply(to: &routes)
        return try #require(edit.webhooks.first)
    }

    private struct Everything: Error {}

    @Test("is announced when it becomes another, and other changes of members are not")
    func announced() async throws {
        let fixture = try await Fixture()
        let groups = GroupStore(fixture.database)
        let listener = try await Connection.connect(to: Endpoint(fixture.url), logger: silentLogger)
        try await listener.listen(to: RouteStore.channel)
        func next() async throws -> [RouteStore.Change] {
            try await listener.notifications(within: .seconds(10)).map { RouteStore.Change($0.payload) }
        }
        let group = fixture.group
        #expect(
            try await groups.setMembers([Member(id: "a", role: .owner), Member(id: "b", role: .viewer)], in: group))
        #expect(try await groups.setMembers([Member(id: "o", role: .editor)], in: group))
        #expect(try await groups.removeMembers(["b"], from: group))
        // What comes next is all that was said.
        #expect(try await groups.setMembers([Member(id: "o", role: .viewer)], in: group))
        #expect(try await next() == [.webhooks(group: group)])
        #expect(try await groups.setMembers([Member(id: "o", role: .owner)], in: group))
        #expect(try await next() == [.webhooks(group: group)])
        // What did not come about says nothing.
        #expect(try await groups.removeMembers(["o", "a"], from: group) == false)
        #expect(try await groups.removeMembers(["o"], from: group))
        #expect(try await next() == [.webhooks(group: group)])
    }

    @Test("concerns all of its webhooks when it changes, for who keeps the routes")
    func kept() async throws {
        let fixture = try await Fixture()
        let routes = RouteKeeper(
            store: RouteStore(fixture.database, box: fixture.box, readsUsers: true),
            endpoint: try Endpoint(fixture.url), unreadable: UnreadableRows(logger: silentLogger),
            logger: silentLogger)
        let groups = GroupStore(fixture.database)
        try await routes.load()
        #expect(routes.takeChangedWebhooks() == [fixture.target.key])
        for (member, isByAll) in [("q", false), ("r", true)] {
            let former = try #require(routes.withRoutes { $0.user(of: fixture.group) })
            #expect(try await groups.setMembers([Member(id: member, role: .owner)], in: fixture.group))
            #expect(try await groups.removeMembers([former.text], from: fixture.group))
            if isByAll { try await routes.load() } else { await routes.refresh([.webhooks(group: fixture.group)]) }
            #expect(routes.withRoutes { $0.user(of: fixture.group) } == ExactText(member))
            #expect(routes.takeChangedWebhooks() == [fixture.target.key])
        }
        try await routes.load()
        #expect(routes.takeChangedWebhooks().isEmpty)
    }
}
