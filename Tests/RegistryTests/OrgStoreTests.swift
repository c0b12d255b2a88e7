import Domain
import Postgres
import StoreTestSupport
import Testing

@testable import Registry
@testable import Schema

@Suite("Orgs and their members")
struct OrgStoreTests {
    /// Two orgs with a group each.
    private struct Two {
        let fixture: Fixture
        let store: OrgStore
        let orgs = [EntityID.random(), .random()]
        let groups = [EntityID.random(), .random()]

        init() async throws {
            self.fixture = try await Fixture()
            self.store = OrgStore(self.fixture.database)
            for (group, org) in zip(self.groups, self.orgs) {
                try await GroupStore(self.fixture.database).create(
                    [GroupRecord(id: group, org: org, name: "g")], owner: "owner", inAnyOrg: true)
            }
        }

        func roles(in org: EntityID) async throws -> [String: Role] {
            let page = try await self.store.members(of: org, PageRequest())
            return Dictionary(page.items.map { ($0.id, $0.role) }) { first, _ in first }
        }
    }

    @Test("are notified where they were last told to be, in that org alone, or nowhere")
    func notified() async throws {
        let two = try await Two()
        let (org, other) = (two.orgs[0], two.orgs[1])
        let url = try WebhookURL("https://example.com/notices")
        #expect(try await two.store.setNotificationURL(url, of: org)?.notificationURL == url.text)
        #expect(try await two.store.find(org)?.notificationURL == url.text)
        #expect(try await two.store.find(other)?.notificationURL == .none)
        let cleared = try #require(try await two.store.setNotificationURL(nil, of: org))
        #expect(cleared.id == org && cleared.notificationURL == nil)
        #expect(try await two.store.setNotificationURL(url, of: .random())?.id == nil)
        #expect(try await two.store.find(.random())?.id == nil)
    }

    @Test("have the roles that were given last, in that org alone")
    func roles() async throws {
        let two = try await Two()
        let (org, other) = (two.orgs[0], two.orgs[1])
        let both = [Member(id: "a", role: .admin), Member(id: "v", role: .viewer)]
        #expect(try await two.store.setMembers(both, in: org))
        #expect(try await two.roles(in: org) == ["a": .admin, "v": .viewer])
        #expect(try await two.store.setMembers([Member(id: "v", role: .admin)], in: org))
        #expect(try await two.store.role(of: "v", in: org) == .admin)
        #expect(try await two.store.role(of: "v", in: other) == nil)
        #expect(try await two.store.roles(of: "v") == [org: .admin])
        #expect(try await two.store.removeMembers(["a", "v", "nobody"], from: org))
        #expect(try await two.roles(in: org).isEmpty)
        #expect(try await !two.store.setMembers(both, in: .random()))
        #expect(try await !two.store.removeMembers(["a"], from: .random()))
        // Who owns its group is none.
        #expect(try await two.store.roles(of: "owner").isEmpty)
    }

    @Test("are listed to whom they are, with their groups")
    func lists() async throws {
        let two = try await Two()
        #expect(try await two.store.setMembers([Member(id: "a", role: .viewer)], in: two.orgs[0]))
        #expect(try await two.store.list(of: "a", PageRequest()).items.map(\.id) == [two.orgs[0]])
        #expect(try await two.store.list(of: "b", PageRequest()).items.isEmpty)
        #expect(Set(try await two.store.list(of: nil, PageRequest()).items.map(\.id)) == Set(two.orgs))
        var request = PageRequest()
        request.name = two.orgs[1].description
        #expect(try await two.store.list(of: nil, request).items.map(\.id) == [two.orgs[1]])
        let groups = try await two.store.groups(of: two.orgs[0], ids: nil, PageRequest()).items
        #expect(groups.map(\.id) == [two.groups[0]] && groups.map(\.name) == ["g"])
        let foreign = try await two.store.groups(of: two.orgs[0], ids: [two.groups[1]], PageRequest())
        #expect(foreign.items.isEmpty)
    }

    @Test("are admins of the webhooks of their org, and of no other's")
    func definitions() async throws {
        let two = try await Two()
        let webhook = Webhook(
            id: .random(), group: two.orgs[0], name: "all", url: try WebhookURL("http://example.com"), headers: [])
        let made = try await OrgWebhookStore(two.fixture.database, box: two.fixture.box).create(
            [(webhook, SigningKeys(current: WebhookStore.randomKey()))], in: two.orgs[0])
        #expect(made == [two.groups[0]])
        for (org, user) in zip(two.orgs, ["a", "b"]) {
            #expect(try await two.store.setMembers([Member(id: user, role: .admin)], in: org))
        }
        #expect(try await two.store.role(of: "a", inOrgOf: webhook.id) == .admin)
        #expect(try await two.store.role(of: "b", inOrgOf: webhook.id) == nil)
        #expect(try await two.store.role(of: "a", inOrgOf: .random()) == nil)
    }

    @Test("go with their org, and each change of them is in the audit with its org")
    func removal() async throws {
        let two = try await Two()
        let org = two.orgs[0]
        #expect(try await two.store.setMembers([Member(id: "a", role: .viewer)], in: org))
        #expect(try await two.store.setMembers([Member(id: "a", role: .admin)], in: org))
        // Given again as it is, it is no change.
        #expect(try await two.store.setMembers([Member(id: "a", role: .admin)], in: org))
        #expect(try await GroupStore(two.fixture.database).remove(two.groups[0]))
        _ = try await two.fixture.database.pool.withConnection { try $0.execute("DELETE FROM orgs WHERE id = \(org)") }
        #expect(try await two.store.role(of: "a", in: org) == nil)
        let entries = try await two.fixture.database.pool.withConnection { db in
            try db.query(
                """
                SELECT action || ' ' || object_name || ' ' || changes::text FROM audit
                WHERE object_kind = 'org_member' AND object_id = \(org.description) ORDER BY at, id
                """
            ) { try $0.string(0) }
        }
        #expect(
            entries == [
                #"created a {"role": {"after": "viewer"}}"#,
                #"updated a {"role": {"after": "admin", "before": "viewer"}}"#,
                #"removed a {"role": {"before": "admin"}}"#,
            ])
    }
}
