import Domain
import Postgres
import Registry
import Schema
import StoreTestSupport
import Testing

@Suite("Groups in the database")
struct GroupStoreTests {
    private let group = EntityID.random()

    /// With a group of `owner`'s, in which `viewer` is one.
    private func groups(org: EntityID? = nil) async throws -> GroupStore {
        let groups = GroupStore(try await Fixture().database)
        try await groups.create([GroupRecord(id: self.group, org: org, name: "mine")], owner: "owner")
        #expect(try await groups.setMembers([Member(id: "viewer", role: .viewer)], in: self.group))
        return groups
    }

    @Test("give everybody the higher of what they are as a member and what they are granted")
    func roles() async throws {
        let groups = try await self.groups()
        for (user, granted, role) in [
            ("viewer", nil, .viewer), ("viewer", .admin, .admin), ("owner", .viewer, .owner),
            ("else", .editor, .editor),
            ("else", nil, nil),
        ] as [(String, Role?, Role?)] {
            #expect(try await groups.role(of: user, in: self.group, granted: granted) == role, "\(user)")
            let all = try await groups.roles(
                of: user, granted: granted.map { [self.group: $0, EntityID.random(): .owner] } ?? [:])
            #expect(all == (role.map { [self.group: $0] } ?? [:]), "\(user), and in no group that there is not")
        }
        #expect(try await groups.role(of: "owner", in: .random(), granted: .owner) == nil)
    }

    @Test("keep an owner, and are changed as a whole or not at all")
    func lastOwner() async throws {
        let groups = try await self.groups()
        let demoted = try await groups.setMembers(
            [Member(id: "viewer", role: .editor), Member(id: "owner", role: .admin)], in: self.group)
        let removed = try await groups.removeMembers(["viewer", "owner"], from: self.group)
        #expect(!demoted && !removed)
        #expect(
            try await self.members(groups, ["owner", "viewer"]) == ["owner": .owner, "viewer": .viewer])
        #expect(try await groups.setMembers([Member(id: "viewer", role: .owner)], in: self.group))
        #expect(try await groups.removeMembers(["owner"], from: self.group))
        #expect(try await self.members(groups, ["owner", "viewer"]) == ["viewer": .owner])
    }

    private func members(_ groups: GroupStore, _ ids: [String]) async throws -> [String: Role] {
        let members = try await groups.members(of: self.group, among: ids)
        return Dictionary(members.map { ($0.id, $0.role) }) { first, _ in first }
    }

    @Test("tell members apart whose names Swift takes for the same")
    func alike() async throws {
        let groups = try await self.groups()
        let (one, two) = ("ren\u{E9}", "rene\u{301}")
        #expect(
            try await groups.setMembers(
                [Member(id: one, role: .owner), Member(id: two, role: .viewer)], in: self.group))
        for (ids, roles) in [([one], [Role.owner]), ([two], [.viewer]), ([one, two], [.owner, .viewer])] {
            #expect(try await groups.members(of: self.group, among: ids).map(\.role).sorted(by: >) == roles)
        }
    }

    @Test("are listed for who may see them, of an organization if one is named")
    func listed() async throws {
        let org = EntityID.random()
        let groups = try await self.groups(org: org)
        let other = EntityID.random()
        try await groups.create([GroupRecord(id: other, org: nil, name: "other")], owner: "owner")
        func ids(_ user: String, granted: [EntityID] = [], org: EntityID? = nil) async throws -> Set<EntityID> {
            let sight = Sight.member(user, granted: granted)
            return Set(try await groups.list(visibleTo: sight, org: org, PageRequest()).items.map(\.id))
        }
        #expect(try await ids("owner") == [self.group, other])
        #expect(try await ids("owner", org: org) == [self.group])
        #expect(try await ids("viewer") == [self.group])
        #expect(try await ids("viewer", granted: [other]) == [self.group, other])
        #expect(try await ids("viewer", granted: [other], org: org) == [self.group])
        #expect(try await ids("else", org: org).isEmpty)
    }
}

@Suite("Webhooks of a list")
struct WebhookListTests {
    @Test("are chosen by how they do")
    func health() async throws {
        let fixture = try await Fixture()
        func chosen() async throws -> [WebhookHealth] {
            var chosen: [WebhookHealth] = []
            for health in WebhookHealth.allCases {
                var filter = WebhookFilter()
                filter.health = health
                let page = try await fixture.webhooks().list(in: fixture.group, PageRequest(), filter)
                if page.items.map(\.id) == [fixture.webhook] { chosen.append(health) }
            }
            return chosen
        }
        #expect(try await chosen() == [.ok])
        let key = fixture.target.key.rawValue
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("DELETE FROM webhook_counters WHERE webhook_key = \(key)")
            try db.execute("INSERT INTO webhook_counters (webhook_key, consecutive_failures) VALUES (\(key), 2)")
        }
        #expect(try await chosen() == [.failing])
        try await fixture.webhooks().set(.disabled, of: [fixture.webhook])
        #expect(try await chosen() == [.off])
    }
}
