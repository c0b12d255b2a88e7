import Domain
import LocalServices
import Postgres
import Registry
import Schema
import StoreTestSupport
import TestSupport
import Testing

@Suite("Routes in memory")
struct RouteKeeperTests {
    @Test("follow what changed while nothing could be heard")
    func reconnected() async throws {
        let site = try await Site()
        try await site.running([site.routes]) {
            let first = EntityID.random()
            try await waitUntil("the routes to be read") { site.knows(site.thing) }
            try await site.make(first)
            try await waitUntil("a change to be heard of") { site.knows(first) }
            await site.proxy.refuse()
            let second = EntityID.random()
            try await site.make(second)
            try await site.remove(first)
            try await site.proxy.carry()
            try await waitUntil("what was missed") { site.knows(second) && !site.knows(first) }
            // And it listens again.
            let third = EntityID.random()
            try await site.make(third)
            try await waitUntil("a change to be heard of again") { site.knows(third) }
        }
        await site.proxy.stop()
    }

    @Test("know a thing as soon as it is there, whoever asked for it before and however often")
    func new() async throws {
        let site = try await Site()
        try await site.routes.load()
        // Nobody listens: it is found because it is asked for.
        let thing = EntityID.random()
        try await site.make(thing)
        #expect(try await site.routes.lookUp([thing]))

        let early = EntityID.random()
        #expect(try await !site.routes.lookUp([early]))
        try await site.make(early)
        await site.routes.refresh([.thing(early)])
        #expect(site.knows(early))
        try await site.remove(early)
        await site.routes.refresh([.thing(early)])
        #expect(!site.knows(early))
        try await site.make(early)
        #expect(try await site.routes.lookUp([early]), "that it was not there once says nothing any more")

        try await site.running([site.routes]) {
            let told = EntityID.random()
            #expect(try await !site.routes.lookUp([told]))
            try await site.make(told)
            try await waitUntil("it to be heard of") { site.knows(told) }
        }
        await site.proxy.stop()
    }

    @Test("tell which webhooks were changed or removed, once, and nothing of the others")
    func changed() async throws {
        let site = try await Site()
        try await site.routes.load()
        let webhook = try #require(site.routes.withRoutes { $0.webhooks.first })
        let (key, group) = (webhook.key, webhook.group)
        #expect(site.routes.takeChangedWebhooks() == [key])
        #expect(site.routes.takeChangedWebhooks().isEmpty)
        _ = try await site.database.pool.withConnection {
            try $0.execute("UPDATE webhooks SET version = version + 1 WHERE key = \(key.rawValue)")
        }
        await site.routes.refresh([.webhooks(group: group)])
        #expect(site.routes.takeChangedWebhooks() == [key])
        try await site.routes.load()
        await site.routes.refresh([.webhooks(group: group)])
        #expect(site.routes.takeChangedWebhooks().isEmpty)
        _ = try await site.database.pool.withConnection {
            try $0.execute("DELETE FROM webhooks WHERE key = \(key.rawValue)")
        }
        try await site.routes.load()
        #expect(site.routes.takeChangedWebhooks() == [key])
        await site.proxy.stop()
    }
}
