package import Domain
internal import Postgres
package import Registry
package import Schema
package import ServiceLifecycle
package import TestSupport

/// A fixture behind a proxy, with a thing in it, and what keeps its routes.
package struct Site: Sendable {
    package let proxy: Proxy
    /// By way of the proxy.
    package let proxied: Database
    package let routes: RouteKeeper
    package let thing = EntityID.random()
    private let fixture: Fixture

    /// Past the proxy too.
    package var url: String { self.fixture.url }
    /// Past the proxy.
    package var database: Database { self.fixture.database }
    package var group: EntityID { self.fixture.group }
    package var profile: EntityID { self.fixture.profile }

    package init() async throws {
        self.fixture = try await Fixture()
        let (proxy, endpoint) = try await self.fixture.proxied()
        self.proxy = proxy
        self.proxied = Database(pool: Pool(endpoint: endpoint, logger: silentLogger))
        var configuration = RouteKeeper.Configuration()
        configuration.retry = .milliseconds(50)
        self.routes = RouteKeeper(
            store: RouteStore(self.proxied, box: self.fixture.box), endpoint: endpoint, configuration: configuration,
            unreadable: UnreadableRows(logger: silentLogger), logger: silentLogger)
        try await self.make(self.thing)
    }

    /// Makes a thing of this id, past the proxy.
    package func make(_ thing: EntityID) async throws { try await self.fixture.makeThing(thing) }

    package func remove(_ thing: EntityID) async throws {
        _ = try await ThingStore(self.database, box: self.fixture.box).remove(thing, from: self.fixture.group)
    }

    package func knows(_ thing: EntityID) -> Bool {
        self.routes.withRoutes { $0.resolve(thing) != nil }
    }

    /// Runs services while `body` does, and then ends them in order.
    package func running(_ services: [any Service], _ body: () async throws -> Void) async throws {
        let group = ServiceGroup(
            configuration: .init(services: services.map { .init(service: $0) }, logger: silentLogger))
        async let ended: Void = group.run()
        do { try await body() } catch {
            await group.triggerGracefulShutdown()
            try await ended
            throw error
        }
        await group.triggerGracefulShutdown()
        try await ended
    }
}
