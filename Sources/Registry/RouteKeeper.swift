package import Domain
package import Logging
internal import Observability
package import Postgres
internal import ServiceLifecycle
internal import Synchronization

/// Keeps the routes in step with the database: reads them once, then listens for changes.
///
/// A notification only says where to look. What might be missed while the listening connection is down is made up for
/// by reading everything when it is back, and once more every few minutes whatever happens.
package final class RouteKeeper: Service {
    package struct Configuration: Sendable {
        package var fullRefresh: Duration = .seconds(300)
        package var retry: Duration = .seconds(1)
        package var heartbeat = Heartbeat()
        /// How long a thing that was not found is believed not to exist without asking again.
        package var negativeLifetime: Duration = .seconds(10)

        package init() {}
    }

    private let store: RouteStore
    private let endpoint: Endpoint
    private let configuration: Configuration
    private let logger: Logger
    private let unreadable: UnreadableRows
    private let routes = Mutex(Routes())
    /// What was read later must not be overwritten by what was read earlier.
    private let gate = SerialGate()
    /// Webhooks that were changed or removed since somebody took them; no more than there are.
    private let changedWebhooks = Mutex<Set<WebhookKey>>([])
    private let facts = Mutex(FactsMemory())
    /// Things that were looked up and not found, until when; bounded.
    private let unknown = Mutex<[EntityID: ContinuousClock.Instant]>([:])
    private static let mostUnknown = 10_000
    private let unknownNames = Mutex<[ThingName: ContinuousClock.Instant]>([:])

    package init(
        store: RouteStore, endpoint: Endpoint, configuration: Configuration = Configuration(),
        unreadable: UnreadableRows, logger: Logger
    ) {
        self.unreadable = unreadable
        self.store = store
        self.endpoint = endpoint
        self.configuration = configuration
        self.logger = logger
    }

    // MARK: Reading

    /// Reads the routes as they are now. `body` runs under a lock and must not wait.
    package func withRoutes<T>(_ body: (borrowing Routes) -> T) -> T {
        self.routes.withLock { body($0) }
    }

    /// What a thing's messages meet here; a thing that is not known is looked up, as it is for its messages.
    package func scene(of thing: EntityID) async throws -> ThingScene? {
        if let scene = self.withRoutes({ $0.scene(of: thing) }) { return scene }
        guard try await self.lookUp([thing]) else { return nil }
        return self.withRoutes { $0.scene(of: thing) }
    }

    /// The webhooks that were changed, made or removed since this was asked last.
    package func takeChangedWebhooks() -> Set<WebhookKey> {
        self.changedWebhooks.withLock { changed in
            defer { changed = [] }
            return changed
        }
    }

    /// What is known of a thing as this group has or had it; nil if it has to be read first.
    package func facts(of subject: ThingFacts.Subject, _ extent: ThingFacts.Extent) -> ThingFacts? {
        subject.crossing == nil ? self.facts.withLock { $0.facts(of: subject, extent) } : nil
    }

    /// Reads it, and remembers it until the thing changes.
    ///
    /// - Returns: something for every one that was asked for.
    package func readFacts(
        of subjects: Set<ThingFacts.Subject>, _ extent: ThingFacts.Extent
    ) async throws -> [ThingFacts.Subject: ThingFacts] {
        let age = self.facts.withLock { $0.age }
        let found = try await self.store.facts(of: Array(subjects), extent)
        self.facts.withLock { $0.remember(found.filter { $0.key.crossing == nil }, readAt: age) }
        return found
    }

    /// Messages of these things were seen.
    package func noteSent(_ things: Set<EntityID>) {
        self.routes.withLock { $0.noteSent(things) }
    }

    /// That these things were seen in this minute since 1970 is being noted.
    package func noteSeen(_ things: [EntityID], in minute: UInt32) {
        self.routes.withLock { $0.noteSeen(things, in: minute) }
    }

    /// Looks things up in the database that are not known here, so that one that was made just before its first message
    /// is not refused. Who is not there either is remembered for a while, which keeps strangers from costing a query
    /// each time.
    ///
    /// - Returns: whether any of them turned out to exist.
    package func lookUp(_ things: Set<EntityID>) async throws -> Bool {
        let now = ContinuousClock.now
        let worth = self.unknown.withLock { unknown in things.filter { (unknown[$0] ?? now) <= now } }
        guard !worth.isEmpty else { return false }
        try await self.apply(worth.map { .thing($0) })
        let missing = self.routes.withLock { routes in worth.filter { routes.resolve($0) == nil } }
        self.unknown.withLock { unknown in
            if unknown.count + missing.count > Self.mostUnknown { unknown = unknown.filter { $0.value > now } }
            if unknown.count + missing.count > Self.mostUnknown { unknown.removeAll() }
            for id in missing { unknown[id] = now + self.configuration.negativeLifetime }
        }
        return missing.count < worth.count
    }

    /// The same for things as their groups call them.
    ///
    /// - Parameter again: asks also for those that were not there a moment ago.
    /// - Returns: how many of those that were asked for there are, and those that there are not.
    package func lookUp(
        _ names: Set<ThingName>, again: Bool = false
    ) async throws -> (found: Int, missing: Set<ThingName>) {
        let now = ContinuousClock.now
        let worth = self.unknownNames.withLock { unknown in names.filter { again || (unknown[$0] ?? now) <= now } }
        guard !worth.isEmpty else { return (0, []) }
        let things = try await self.store.things(Array(worth))
        if !things.isEmpty { try await self.apply(things.map { .thing($0) }) }
        let missing = self.routes.withLock { routes in worth.filter { routes.thing($0) == nil } }
        self.unknownNames.withLock { unknown in
            if unknown.count + missing.count > Self.mostUnknown { unknown = unknown.filter { $0.value > now } }
            if unknown.count + missing.count > Self.mostUnknown { unknown.removeAll() }
            for name in missing { unknown[name] = now + self.configuration.negativeLifetime }
        }
        return (worth.count - missing.count, Set(missing))
    }

    // MARK: Keeping

    /// Reads everything.
    package func load() async throws {
        try await self.gate.run {
            self.facts.withLock { $0.forgetAll() }
            let known = self.routes.withLock { $0.groups }
            try await self.replace(with: self.store.load(known: known))
            self.noteUnreadable()
            self.unknown.withLock { $0.removeAll() }
            self.unknownNames.withLock { $0.removeAll() }
        }
    }

    /// Everything that takes time is done beside the lock: only changes write webhooks, and there is one at a time.
    private func replace(with fresh: Routes) {
        let former = self.routes.withLock { $0.groups }
        let merged = fresh.keeping(former)
        let changed = merged.webhooks(otherThanIn: former)
        // What it was goes when nobody waits for it any more.
        withExtendedLifetime(
            self.routes.withLock { routes in
                defer { routes = merged }
                return routes
            }
        ) {}
        self.changedWebhooks.withLock { $0.formUnion(changed) }
    }

    private func noteUnreadable() {
        let (webhooks, profiles) = self.routes.withLock { ($0.faultyWebhooks, $0.unreadableProfiles) }
        self.unreadable.set(
            .webhook,
            to: webhooks.map { .init(id: $0.id, version: "\($0.version)", fault: $0.fault ?? "") })
        // Profiles have no version; what changes is what cannot be read of them.
        self.unreadable.set(.profile, to: profiles.map { .init(id: $0.key, version: "", fault: $0.value) })
    }

    /// Reads again what was just changed by this instance, so that who changed it and was answered meets it changed.
    /// If that fails, the announcement of the change makes up for it.
    package func refresh(_ changes: [RouteStore.Change]) async {
        do {
            try await self.apply(changes)
        } catch {
            self.logger.debug("changes of routes are read later", metadata: ["error": "\(error)"])
        }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            let listening = Periodic(
                every: self.configuration.retry, orSay: "changes of routes cannot be heard", logger: self.logger)
            await listening.run { try await self.listen { listening.works() } }
        }
    }

    private func listen(onListening: () -> Void) async throws {
        let connection = try await Connection.connect(to: self.endpoint, logger: self.logger)
        try await connection.listen(to: RouteStore.channel)
        // Listening first, then reading: what changes in between is heard.
        try await self.load()
        onListening()
        var refreshAt = ContinuousClock.now + self.configuration.fullRefresh
        while !Task.isCancelled {
            let notifications = try await withTaskCancellationHandler {
                try await connection.notifications(within: .seconds(5), heartbeat: self.configuration.heartbeat)
            } onCancel: {
                connection.interrupt()
            }
            if ContinuousClock.now >= refreshAt {
                try await self.load()
                refreshAt = .now + self.configuration.fullRefresh
            } else if !notifications.isEmpty {
                try await self.apply(notifications.map { RouteStore.Change($0.payload) })
            }
        }
    }

    private func apply(_ changes: [RouteStore.Change]) async throws {
        try await self.gate.run {
            let things: [EntityID] = changes.compactMap { if case .thing(let id) = $0 { id } else { nil } }
            let profiles: [EntityID] = changes.compactMap { if case .profile(let id) = $0 { id } else { nil } }
            self.facts.withLock { facts in
                if changes.contains(.all) { return facts.forgetAll() }
                if !things.isEmpty { facts.forget(things) }
                if !profiles.isEmpty { facts.forget(thingsOf: Set(profiles)) }
            }
            let selectors = self.routes.withLock { $0.selectors }
            let news = try await self.store.changes(
                changes, known: { group in self.routes.withLock { $0.groups[group] } }, selectors: selectors)
            switch news {
            case .all(let fresh): self.replace(with: fresh)
            case .some(let edit):
                let topics = edit.topics.isEmpty ? nil : self.routes.withLock { $0.topics }.setting(edit.topics)
                self.routes.withLock { routes in
                    edit.apply(to: &routes)
                    if let topics { routes.set(topics: topics) }
                }
                self.changedWebhooks.withLock { changed in
                    for change in edit.webhooks { changed.formUnion(change.concerned) }
                }
            }
            self.noteUnreadable()
        }
        // Something that was unknown may be known now.
        self.unknown.withLock { unknown in
            for case .thing(let id) in changes { unknown[id] = nil }
        }
        let names = self.routes.withLock { routes in
            changes.compactMap { change in if case .thing(let id) = change { routes.name(of: id) } else { nil } }
        }
        if !names.isEmpty { self.unknownNames.withLock { unknown in for name in names { unknown[name] = nil } } }
    }
}
