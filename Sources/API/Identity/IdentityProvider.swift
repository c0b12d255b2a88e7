internal import Domain
package import Logging
internal import Observability
internal import ServiceLifecycle
internal import Synchronization

/// Knows an OpenID provider's keys, and goes on with those it knows while the provider is away.
///
/// One look at the provider is made at a time. Who shows a key that is not known waits for it; what a look costs is bounded
/// by the fetch, and how many there are by ``FetchSchedule``.
package final class IdentityProvider: Service {
    private struct State {
        var schedule: FetchSchedule
        var document: ProviderDocument?
        var keys: VerificationKeys?
        /// What was wrong the last time.
        var problem: String?
        var isLooking = false
        var isOver = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private struct Problem: Error {
        let text: String
    }

    /// Who comes when this many wait goes on with what there is.
    private static let mostWaiting = 1_000
    private static let tick: Duration = .seconds(5)

    let configuration: ProviderConfiguration
    let fetch: ProviderFetch
    private let logger: Logger
    private let log: RateLimitedLog
    private let now: @Sendable () -> Int64
    private let state: Mutex<State>
    private let requests: AsyncStream<Void>
    private let request: AsyncStream<Void>.Continuation

    /// - Parameter now: nanoseconds of a monotonic clock.
    package init(
        _ configuration: ProviderConfiguration, fetch: @escaping ProviderFetch, logger: Logger,
        now: @escaping @Sendable () -> Int64 = monotonicNanoseconds
    ) {
        self.configuration = configuration
        self.fetch = fetch
        self.logger = logger
        self.log = RateLimitedLog(logger: logger, interval: .seconds(60))
        self.now = now
        self.state = Mutex(State(schedule: FetchSchedule(longestAge: configuration.longestAge)))
        (self.requests, self.request) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Looks at the provider's documents once.
    ///
    /// - Returns: why they are of no use now; nil if they are.
    package static func problem(
        of configuration: ProviderConfiguration, fetch: @escaping ProviderFetch, logger: Logger
    ) async -> String? {
        do throws(Problem) {
            _ = try await IdentityProvider(configuration, fetch: fetch, logger: logger).read()
            return nil
        } catch {
            return error.text
        }
    }

    // MARK: What is known

    /// The keys at hand, after a look at the provider if this one is not among them and a look may be made.
    func keys(knowing id: String?) async throws(TokenRefusal) -> VerificationKeys {
        if let keys = self.goodKeys, keys.knows(id) { return keys }
        await self.look()
        guard let keys = self.goodKeys else { throw .unavailable }
        // Where the provider did not answer, nobody has said that there is no such key.
        if !keys.knows(id), self.problem != nil { throw .unavailable }
        return keys
    }

    /// What the provider says now, if a look at it may be made; nil if nothing is at hand.
    func renewedKeys() async -> VerificationKeys? {
        await self.look()
        return self.goodKeys
    }

    private var goodKeys: VerificationKeys? {
        self.state.withLock { $0.schedule.isGood(at: self.now()) ? $0.keys : nil }
    }

    /// What the provider says of itself, after a look if it has not said it yet.
    func document() async -> ProviderDocument? {
        if let document = self.state.withLock({ $0.document }) { return document }
        await self.look()
        return self.state.withLock { $0.document }
    }

    /// What is wrong; nil if the last look went well.
    package var problem: String? {
        self.state.withLock { state in
            guard let problem = state.problem else { return state.keys == nil ? "not asked yet" : nil }
            guard state.keys != nil else { return "no keys: \(problem)" }
            return state.schedule.isGood(at: self.now()) ? "the keys are old: \(problem)" : "no keys: \(problem)"
        }
    }

    package var keyCount: Int { self.goodKeys?.count ?? 0 }
    /// Seconds since the keys were fetched; -1 if they never were.
    package var keyAge: Int { self.state.withLock { $0.schedule.age(at: self.now()).map { Int(clamping: $0) } ?? -1 } }

    // MARK: Looking

    private func look() async {
        await withCheckedContinuation { continuation in
            let waits = self.state.withLock { state in
                guard !state.isOver, state.waiting.count < Self.mostWaiting,
                    state.isLooking || !state.waiting.isEmpty || state.schedule.mayBeAsked(at: self.now())
                else { return false }
                state.waiting.append(continuation)
                return true
            }
            guard waits else { return continuation.resume() }
            self.request.yield()
        }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                self.request.yield()
                group.addTask {
                    // Ends when it is cancelled.
                    while (try? await Task.sleep(for: Self.tick)) != nil { self.request.yield() }
                }
                for await _ in self.requests { await self.lookIfDue() }
                group.cancelAll()
            }
        }
        self.resume { $0.isOver = true }
    }

    /// Changes the state, and lets go on who waits.
    private func resume(_ change: (inout State) -> Void) {
        let waiting = self.state.withLock { state in
            change(&state)
            defer { state.waiting = [] }
            return state.waiting
        }
        for waiter in waiting { waiter.resume() }
    }

    func lookIfDue() async {
        let isDue = self.state.withLock { state in
            state.isLooking = !state.waiting.isEmpty || state.schedule.isDue(at: self.now())
            return state.isLooking
        }
        guard isDue else { return }
        do throws(Problem) {
            let (document, keys) = try await self.read()
            self.say(keys)
            self.resume { state in
                state.isLooking = false
                state.schedule.ended(at: self.now(), hasSucceeded: true)
                (state.document, state.keys, state.problem) = (document, keys, nil)
            }
        } catch {
            // Not because it was ended.
            if !Task.isCancelled {
                self.log.warning(
                    "provider", "the identity provider's keys cannot be fetched; the known ones go on",
                    metadata: ["error": "\(error.text)", "issuer": "\(self.configuration.issuer)"])
            }
            self.resume { state in
                state.isLooking = false
                state.schedule.ended(at: self.now(), hasSucceeded: false)
                state.problem = error.text
            }
        }
    }

    private func say(_ keys: VerificationKeys) {
        let (before, problem) = self.state.withLock { ($0.keys?.ids, $0.problem) }
        if before != keys.ids || problem != nil {
            self.logger.info(
                "the identity provider's keys are at hand",
                metadata: ["keys": "\(keys.count)", "issuer": "\(self.configuration.issuer)"])
        }
        guard before != keys.ids else { return }
        for key in keys.unusable {
            self.log.warning(
                "key", "a key of the identity provider cannot be used",
                metadata: ["key": "\(key.printable(most: 200))"])
        }
    }

    private func read() async throws(Problem) -> (ProviderDocument, VerificationKeys) {
        let text = try await self.get(self.configuration.discovery, "openid-configuration")
        let document: ProviderDocument
        do throws(InvalidField) { document = try ProviderDocument(reading: text, of: self.configuration) } catch {
            throw Problem(text: "openid-configuration: \(error.description)")
        }
        let set = try await self.get(document.keys, "jwks_uri")
        do { return (document, try await VerificationKeys(reading: set)) } catch {
            throw Problem(text: "jwks_uri: \(error)")
        }
    }

    private func get(_ url: WebhookURL, _ what: String) async throws(Problem) -> [UInt8] {
        switch await self.fetch(ProviderRequest(url: url, most: ProviderDocument.longest + 1)) {
        case .failure(let why): throw Problem(text: "\(what): \(why)")
        case .answer(200, let body) where body.count <= ProviderDocument.longest: return body
        case .answer(200, _): throw Problem(text: "\(what): over \(ProviderDocument.longest) bytes")
        case .answer(let status, _): throw Problem(text: "\(what): status \(status)")
        }
    }
}

extension VerificationKeys {
    fileprivate var ids: [String?] { self.keys.map(\.id) }
}
