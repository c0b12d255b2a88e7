internal import NIOCore
internal import WebhookClient

/// Gets a webhook's access tokens, one request at a time, and keeps the last one for as long as it is good.
///
/// A request that fails fails one delivery, and the next is made after a pause: what waits, waits for that one.
/// It lives on its lane's event loop.
final class TokenSource {
    enum Fetched {
        /// The `authorization` header.
        case success(String)
        case failure(Outcome.Failure)
        /// There was none to be had, which has been told to whoever asked first. See ``pausedUntil``.
        case later
    }

    private let exchange: TokenExchange
    private let pool: ConnectionPool
    private var token: (authorization: String, until: NIODeadline)?
    private var waiting: [(Fetched) -> Void] = []
    private var isQueueWaiting = false
    private var isClosed = false
    private var failures = 0
    /// No token is fetched before, because the last time there was none.
    private(set) var pausedUntil = NIODeadline.distantPast

    private static let firstPause = TimeAmount.seconds(1)
    private static let longestPause = TimeAmount.seconds(30)

    /// - Parameter pool: connections to the exchange's url.
    init(_ exchange: TokenExchange, pool: ConnectionPool) {
        self.exchange = exchange
        self.pool = pool
        pool.onTurn = { [weak self] in self?.start(now: .now()) }
    }

    var isIdle: Bool { self.waiting.isEmpty }
    /// Since when its request has been in line for a connection; nil if it is not.
    var waitsSince: NIODeadline? { self.pool.waitsSince }

    /// The `authorization` header, if there is a token that is still good.
    func authorization(now: NIODeadline) -> String? {
        guard let token, token.until > now else { return nil }
        return token.authorization
    }

    /// The receiver did not take it. If it was replaced meanwhile, the new one stays.
    func invalidate(_ authorization: String?) {
        if self.token?.authorization == authorization { self.token = nil }
    }

    /// Fetches a token, or waits along for one that is being fetched.
    func fetch(now: NIODeadline, _ completion: @escaping (Fetched) -> Void) {
        if let authorization = self.authorization(now: now) { return completion(.success(authorization)) }
        guard !self.isClosed else { return completion(.failure(.cancelled)) }
        guard self.pausedUntil <= now else { return completion(.later) }
        self.waiting.append(completion)
        self.start(now: now)
    }

    /// Makes the request that is waited for, unless it is under way. If there is no room for it, it stands in line.
    private func start(now: NIODeadline) {
        guard !self.waiting.isEmpty, self.pool.busy == 0, self.pool.hasRoom else { return }
        self.pool.execute(Request(self), now: now)
    }

    /// The same for all that is queued, which waits once, however often it asks meanwhile.
    func fetchForQueue(now: NIODeadline, _ completion: @escaping (Fetched) -> Void) {
        guard !self.isQueueWaiting else { return }
        self.isQueueWaiting = true
        self.fetch(now: now) { fetched in
            self.isQueueWaiting = false
            completion(fetched)
        }
    }

    /// The webhook was changed: what went wrong before no longer counts.
    func startAfresh() {
        self.failures = 0
        self.pausedUntil = .distantPast
    }

    func close() {
        self.isClosed = true
        self.pool.close()
        // It may have been in line.
        if !self.waiting.isEmpty { self.ended(.failure(.cancelled), now: .now()) }
    }

    private func ended(_ outcome: Outcome, now: NIODeadline) {
        let (first, others): (Fetched, Fetched)
        switch self.exchange.read(outcome) {
        case .success(let authorization, let lifetime):
            self.token = (authorization, now + .seconds(lifetime))
            self.startAfresh()
            (first, others) = (.success(authorization), .success(authorization))
        case .failure(.cancelled): (first, others) = (.failure(.cancelled), .failure(.cancelled))
        case .failure(let failure):
            let pause = min(Self.firstPause * (1 << min(self.failures, 5)), Self.longestPause)
            // A provider's wish can only delay.
            self.pausedUntil = now + max(pause, failure.wait.map { TimeAmount($0) } ?? .zero)
            self.failures += 1
            (first, others) = (.failure(failure), .later)
        }
        let waiting = self.waiting
        self.waiting = []
        for (index, completion) in waiting.enumerated() { completion(index == 0 ? first : others) }
    }

    private final class Request: PendingRequest {
        private let source: TokenSource

        init(_ source: TokenSource) { self.source = source }

        func encode(into buffer: inout ByteBuffer) { self.source.exchange.write(to: &buffer) }
        func ended(_ outcome: Outcome) { self.source.ended(outcome, now: .now()) }
    }
}
