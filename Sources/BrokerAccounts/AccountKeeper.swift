internal import Domain
package import Logging
package import MQTT
internal import Observability
package import Postgres
package import Registry
internal import ServiceLifecycle
internal import Synchronization
package import Values

/// Keeps the broker's accounts in step with the things: made, re-keyed and removed with them, and compared as a whole at
/// the start and every few minutes.
///
/// One instance does it at a time; the others stand by for the lock that it holds.
package struct AccountKeeper: Service {
    package struct Configuration: Sendable {
        /// The account that may administer the plugin.
        package var admin: Session.Configuration
        /// The account that receives messages, which is given the right to; it is made if it is not there.
        package var receiver: Receiver?
        /// Where things come in, as far as that is known.
        package var listeners: [Session.Configuration] = []
        package var fullComparison: Duration = .seconds(600)
        package var retry: Duration = .seconds(2)
        package var heartbeat = Heartbeat()

        package struct Receiver: Sendable {
            package let username: String
            /// nil leaves making the account to others.
            package let password: Secret?

            package init(username: String, password: Secret?) {
                self.username = username
                self.password = password
            }
        }

        package init(admin: Session.Configuration, receiver: Receiver?) {
            self.admin = admin
            self.receiver = receiver
        }

        /// For the instance that is this client at the broker.
        package func named(_ clientID: String) -> Configuration {
            var copy = self
            copy.admin.clientID = "\(clientID)-accounts"
            return copy
        }
    }

    private let configuration: Configuration
    private let store: AccountStore
    private let endpoint: Endpoint
    /// Told of each account that was looked at, and why its key cannot be opened if it cannot.
    private let onRead: @Sendable (BrokerAccount) -> Void
    private let logger: Logger
    private let hasChecked = Once()

    private final class Once: Sendable {
        private let isDone = Atomic(false)
        func isFirst() -> Bool { !self.isDone.exchange(true, ordering: .relaxed) }
    }

    /// Above this many commands the plugin's answer grows large.
    private static let commandsPerMessage = 300

    package init(
        _ configuration: Configuration, store: AccountStore, endpoint: Endpoint,
        onRead: @escaping @Sendable (BrokerAccount) -> Void, logger: Logger
    ) {
        self.onRead = onRead
        self.configuration = configuration
        self.store = store
        self.endpoint = endpoint
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            let leading = Periodic(
                every: self.configuration.retry, orSay: "the broker's accounts are not kept in step",
                logger: self.logger)
            await leading.run { try await self.lead { leading.works() } }
        }
    }

    private func lead(onStep: () -> Void) async throws {
        let connection = try await Connection.connect(to: self.endpoint, logger: self.logger)
        guard try await AccountStore.tryToLead(on: connection) else { return }
        let publisher = try Publisher(self.configuration.admin, answers: DynamicSecurity.answers, logger: self.logger)
        try await publisher.connect()
        do {
            try await self.follow(connection, publisher, onStep)
        } catch {
            await publisher.disconnect()
            throw error
        }
        await publisher.disconnect()
    }

    private func follow(_ connection: Connection, _ publisher: Publisher, _ onStep: () -> Void) async throws {
        let broker = DynamicSecurity(publisher)
        var granted = try await self.store.grantedTopics()
        if let receiver = self.configuration.receiver { try await broker.admit(receiver, reading: granted) }
        // Listening first, then comparing: what changes in between is heard.
        try await connection.listen(to: RouteStore.channel)
        try await self.compare(broker)
        onStep()
        if self.hasChecked.isFirst() { try await self.check(broker) }
        var compareAt = ContinuousClock.now + self.configuration.fullComparison
        while !Task.isCancelled {
            let notifications = try await withTaskCancellationHandler {
                try await connection.notifications(within: .seconds(5), heartbeat: self.configuration.heartbeat)
            } onCancel: {
                connection.interrupt()
            }
            try await publisher.keepAlive()
            let changes = notifications.map { RouteStore.Change($0.payload) }
            let isDue = changes.contains { if case .topics = $0 { true } else { $0 == .all } }
            if isDue || ContinuousClock.now >= compareAt {
                let now = try await self.store.grantedTopics()
                if now != granted, let receiver = self.configuration.receiver {
                    try await broker.admit(receiver, reading: now)
                }
                granted = now
            }
            if changes.contains(.all) || ContinuousClock.now >= compareAt {
                try await self.compare(broker)
                compareAt = .now + self.configuration.fullComparison
            } else {
                let things = changes.compactMap { if case .thing(let id) = $0 { id } else { nil } }
                if !things.isEmpty { try await self.update(Array(Set(things)), broker) }
            }
        }
    }

    /// What is found out only goes to the log, and so does it if nothing can be.
    private func check(_ broker: DynamicSecurity) async throws {
        let check = TakeoverCheck(broker: broker, listeners: self.configuration.listeners, logger: self.logger)
        do {
            try await check.run()
        } catch let error as DynamicSecurity.Failed {
            self.logger.info("what the broker lets accounts do cannot be asked", metadata: ["error": "\(error)"])
        }
    }

    /// Makes, changes or removes the accounts of these things, as the database has them.
    private func update(_ things: [EntityID], _ broker: DynamicSecurity) async throws {
        let existing = try await self.store.accounts(of: things)
        let gone = Set(things).subtracting(existing.map(\.thing))
        for account in existing { self.onRead(account) }
        let keyless = existing.filter { $0.key == nil && $0.fault == nil }
        if !keyless.isEmpty {
            self.logger.warning(
                "things without a stored key have no account; give them a new key",
                metadata: ["things": "\(keyless.count)", "example": "\(keyless[0].thing)"])
        }
        var commands = existing.flatMap { account in
            account.key.map {
                DynamicSecurity.upsert(thing: account.thing, key: $0, fingerprint: account.fingerprint)
            } ?? []
        }
        commands += gone.flatMap(DynamicSecurity.remove(thing:))
        var rest = commands[...]
        while !rest.isEmpty {
            _ = try await broker.run(
                Array(rest.prefix(Self.commandsPerMessage)),
                ignoring: DynamicSecurity.alreadyThere.union(DynamicSecurity.alreadyGone))
            rest = rest.dropFirst(Self.commandsPerMessage)
        }
    }

    /// Finds what differs between the broker and the database, whatever the reason, and mends it.
    private func compare(_ broker: DynamicSecurity) async throws {
        let wanted = try await self.store.fingerprints()
        var missing = wanted
        var changed: [EntityID] = []
        for account in try await broker.accounts() where DynamicSecurity.isThing(account) {
            guard let id = EntityID(account.username) else { continue }
            if let fingerprint = missing.removeValue(forKey: id) {
                if account.textdescription != DynamicSecurity.description(fingerprint) { changed.append(id) }
            } else {
                changed.append(id)
            }
        }
        changed += missing.keys
        guard !changed.isEmpty else { return }
        self.logger.info("mending the broker's accounts", metadata: ["things": "\(changed.count)"])
        var rest = changed[...]
        while !rest.isEmpty {
            try await self.update(Array(rest.prefix(1_000)), broker)
            rest = rest.dropFirst(1_000)
        }
    }
}
