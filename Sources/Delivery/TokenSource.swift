internal import NIOCore
internal import WebhookClient

/// Gets a webhook's access tokens, one request at a time, and keeps the last one for as long as it is good.
///
/// It lives on its lane's event loop.
final class TokenSource {
    enum Fetched {
        /// The `authorization` header.
        case success(String)
        case failure(Outcome.Failure)
    }

    private let exchange: TokenExchange
    private let pool: ConnectionPool
    private var token: (authorization: String, until: NIODeadline)?
    private var waiting: [(Fetched) -> Void] = []

    /// - Parameter pool: connections to the exchange's url.
    init(_ exchange: TokenExchange, pool: ConnectionPool) {
        self.exchange = exchange
        self.pool = pool
    }

    var isIdle: Bool { self.waiting.isEmpty && self.pool.openCount == 0 }

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
        self.waiting.append(completion)
        guard self.waiting.count == 1 else { return }
        self.pool.execute(Request(self), now: now)
    }

    func checkDeadlines(now: NIODeadline) {
        self.pool.checkDeadlines(now: now)
    }

    func close() {
        self.pool.close()
    }

    private func ended(_ outcome: Outcome) {
        let fetched: Fetched
        switch self.exchange.read(outcome) {
        case .success(let authorization, let lifetime):
            self.token = (authorization, .now() + .seconds(lifetime))
            fetched = .success(authorization)
        case .failure(let failure): fetched = .failure(failure)
        }
        let waiting = self.waiting
        self.waiting = []
        for completion in waiting { completion(fetched) }
    }

    private final class Request: PendingRequest {
        private let source: TokenSource

        init(_ source: TokenSource) { self.source = source }

        func encode(into buffer: inout ByteBuffer) { self.source.exchange.write(to: &buffer) }
        func ended(_ outcome: Outcome) { self.source.ended(outcome) }
    }
}
