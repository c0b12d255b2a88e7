import Domain
import NIOCore
import NIOPosix

@testable import WebhookClient

/// Webhooks of one event loop, as their lanes would send: each has a pool, and all have their connections together.
final class Webhooks: Sendable {
    private final class State {
        let shared: SharedConnections
        var pools: [Int: ConnectionPool] = [:]
        /// What waits for its turn, by webhook.
        var waiting: [Int: [(any PendingRequest)]] = [:]

        init(_ shared: SharedConnections) { self.shared = shared }

        func pool(
            _ webhook: Int, _ url: WebhookURL, _ networks: [Network], owner: EntityID? = nil, terms: TLSTerms? = nil
        ) -> ConnectionPool {
            if let pool = self.pools[webhook] { return pool }
            let pool = ConnectionPool(
                url: url, allowedNetworks: networks, terms: terms, keptBody: 4_096, owner: owner, of: self.shared)
            pool.onTurn = { [weak self] in self?.pump(webhook) }
            self.pools[webhook] = pool
            return pool
        }

        func pump(_ webhook: Int) {
            guard let pool = self.pools[webhook] else { return }
            while self.waiting[webhook]?.isEmpty == false, pool.hasRoom {
                guard let request = self.waiting[webhook]?.removeFirst() else { return }
                pool.execute(request, now: .now())
            }
        }
    }

    private final class Request: PendingRequest {
        private let path: String
        private let done: EventLoopPromise<Outcome>
        private let state: State
        private let webhook: Int

        init(_ path: String, _ webhook: Int, _ state: State, _ done: EventLoopPromise<Outcome>) {
            self.path = path
            self.webhook = webhook
            self.state = state
            self.done = done
        }

        func encode(into buffer: inout ByteBuffer) {
            buffer.writeString("POST \(self.path) HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        }

        func ended(_ outcome: Outcome) {
            self.done.succeed(outcome)
            self.state.pump(self.webhook)
        }
    }

    private let eventLoop: any EventLoop
    private let state: NIOLoopBound<State>
    private let ticking: RepeatedTask

    static func start(
        allowing networks: [String] = ["127.0.0.0/8"], limits: ConnectionLimits = ConnectionLimits(),
        _ configure: (inout ClientConfiguration) -> Void = { _ in }
    ) async throws -> Webhooks {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        var client = ClientConfiguration(resolver: Resolver(threads: .singleton))
        client.addressGuard = AddressGuard(allowed: networks.compactMap { Network($0) })
        configure(&client)
        let configuration = client
        let state = try await eventLoop.submit {
            NIOLoopBound(
                State(SharedConnections(eventLoop: eventLoop, configuration: configuration, limits: limits)),
                eventLoop: eventLoop)
        }.get()
        return Webhooks(eventLoop, state)
    }

    private init(_ eventLoop: any EventLoop, _ state: NIOLoopBound<State>) {
        self.eventLoop = eventLoop
        self.state = state
        self.ticking = eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(10), delay: .milliseconds(10)) { _ in
            state.value.shared.checkDeadlines(now: .now())
        }
    }

    /// Sends at once.
    ///
    /// - Parameter now: what the connections take the time to be.
    func send(
        _ path: String, by webhook: Int, of owner: EntityID? = nil, port: Int, networks: [Network] = [],
        at now: NIODeadline = .now()
    ) async throws -> Outcome {
        let url = try WebhookURL("http://127.0.0.1:\(port)/")
        return try await self.eventLoop.flatSubmit {
            let done = self.eventLoop.makePromise(of: Outcome.self)
            let state = self.state.value
            state.pool(webhook, url, networks, owner: owner)
                .execute(Request(path, webhook, state, done), now: now)
            return done.futureResult
        }.get()
    }

    /// Sends to `localhost` over TLS.
    func sendSecured(
        by webhook: Int, of owner: EntityID? = nil, port: Int, on terms: TLSTerms?, at now: NIODeadline = .now()
    ) async throws -> Outcome {
        let url = try WebhookURL("https://localhost:\(port)/")
        return try await self.eventLoop.flatSubmit {
            let done = self.eventLoop.makePromise(of: Outcome.self)
            let state = self.state.value
            state.pool(webhook, url, [], owner: owner, terms: terms)
                .execute(Request("/", webhook, state, done), now: now)
            return done.futureResult
        }.get()
    }

    /// Sends when there is room.
    func sendInTurn(_ path: String, by webhook: Int, port: Int) async throws -> Outcome {
        try await self.enqueue(path, by: webhook, port: port).get()
    }

    /// Has it sent when there is room, and waits for nothing.
    func start(_ path: String, by webhook: Int, port: Int) async throws {
        _ = try await self.enqueue(path, by: webhook, port: port)
    }

    /// Has it sent when there is room.
    ///
    /// - Returns: what comes of it.
    func enqueue(
        _ path: String, by webhook: Int, of owner: EntityID? = nil, port: Int
    ) async throws -> EventLoopFuture<Outcome> {
        let url = try WebhookURL("http://127.0.0.1:\(port)/")
        return try await self.eventLoop.submit {
            let done = self.eventLoop.makePromise(of: Outcome.self)
            let state = self.state.value
            _ = state.pool(webhook, url, [], owner: owner)
            state.waiting[webhook, default: []].append(Request(path, webhook, state, done))
            state.pump(webhook)
            return done.futureResult
        }.get()
    }

    func count() async throws -> Int {
        try await self.eventLoop.submit { self.state.value.shared.count }.get()
    }

    /// Ends one webhook's.
    func close(_ webhook: Int) async throws {
        try await self.eventLoop.submit { self.state.value.pools[webhook]?.close() }.get()
    }

    func close() async throws {
        self.ticking.cancel()
        try await self.eventLoop.submit {
            let state = self.state.value
            for webhook in state.waiting.keys {
                for request in state.waiting.removeValue(forKey: webhook) ?? [] { request.ended(.failure(.cancelled)) }
            }
            state.shared.close()
        }.get()
    }
}

extension Outcome {
    var text: String? {
        if case .response(_, let body, _) = self { String(decoding: body, as: UTF8.self) } else { nil }
    }
}
