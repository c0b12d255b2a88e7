import Postgres
import Queue
import Schema
import StoreTestSupport
import TestSupport
import Testing

@Suite("The name at the broker")
struct BrokerIdentityTests {
    @Test("is made once, however many ask for it at once, and stays the same")
    func once() async throws {
        let fixture = try await Fixture()
        let found = try await withThrowingTaskGroup { group in
            for number in 0..<4 {
                group.addTask {
                    let pool = Pool(endpoint: try Endpoint(fixture.url), logger: silentLogger)
                    defer { pool.close() }
                    return try await BrokerIdentityStore(Database(pool: pool)).identity(orElse: "hookline-\(number)")
                }
            }
            return try await group.reduce(into: [BrokerIdentityStore.Identity]()) { $0.append($1) }
        }
        #expect(Set(found.map(\.clientID)).count == 1)
        #expect(found[0].clientID.hasPrefix("hookline-"))
        #expect(!found[0].hasFormer)
        let later = try await BrokerIdentityStore(fixture.database).identity(orElse: "hookline-late")
        #expect(later == found[0])
    }

    @Test("leaves what the broker keeps under the one from before to be fetched, and nothing of others")
    func former() async throws {
        let fixture = try await Fixture()
        let (sessions, broker) = (SessionStore(fixture.database), BrokerSessionStore(fixture.database))
        let store = BrokerIdentityStore(fixture.database)
        // As a build from before leaves it, one that is still there.
        let old = try await sessions.start(clientID: "hookline", lease: .seconds(3_600)).id
        try await broker.remember(["things/+/messages/#"], of: "hookline")
        let identity = try await store.identity(orElse: "hookline-new")
        #expect(identity.hasFormer)
        let me = try await sessions.start(clientID: identity.clientID, lease: .seconds(3_600)).id
        let none = try await sessions.adopt(by: me, isMember: false)
        #expect(none == nil, "its owner still lives")
        try await sessions.end(old)
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute("INSERT INTO abandoned_clients (client_id, shared_group) VALUES ('a-member', 'group')")
        }
        let charge = try #require(try await sessions.adopt(by: me, isMember: false))
        #expect(charge.clientID == "hookline")
        let second = try await sessions.adopt(by: me, isMember: false)
        #expect(second?.clientID == "hookline", "what the member has came here too")
        // Until it is done it is there to be fetched, by whoever starts.
        let again = try await store.identity(orElse: "hookline-other")
        #expect(again == identity)
        try await broker.forget(charge.clientID)
        try await sessions.leave(charge, by: me, isDone: true)
        let third = try await sessions.adopt(by: me, isMember: false)
        #expect(third == nil)
        let after = try await store.identity(orElse: "hookline-other")
        #expect(!after.hasFormer)
        let other = try await sessions.adopt(by: me)
        #expect(other?.clientID == "a-member")
    }
}
