internal import Domain
internal import Hummingbird
internal import Observability
internal import Synchronization
internal import Values

/// How often each caller, or each address, may call.
final class CallLimits: Sendable {
    private struct State {
        var buckets: [ExactText: TokenBucket] = [:]
        /// For all who come when there are too many to be told apart.
        var others: TokenBucket
    }

    private let limit: RateLimit
    private let most: Int
    private let state: Mutex<State>

    /// - Parameters:
    ///   - most: how many are told apart.
    ///   - now: nanoseconds of a monotonic clock.
    init(_ limit: RateLimit, most: Int = 10_000, now: Int64 = monotonicNanoseconds()) {
        self.limit = limit
        self.most = most
        self.state = Mutex(State(others: TokenBucket(limit, now: now)))
    }

    /// Takes one call.
    ///
    /// - Throws: 429 with the time after which there is one.
    func take(_ who: String, now: Int64 = monotonicNanoseconds()) throws(APIError) {
        let who = ExactText(who)
        let wait = self.state.withLock { state -> Int64? in
            if state.buckets[who] == nil, state.buckets.count >= self.most {
                // Those who may do everything again need not be remembered.
                state.buckets = state.buckets.filter { !$0.value.isFull(now: now) }
                if state.buckets.count >= self.most { return state.others.take(now: now) }
            }
            return state.buckets[who, default: TokenBucket(self.limit, now: now)].take(now: now)
        }
        if let wait { throw .tooMany("too many requests", after: wait) }
    }

    /// Gives back a call that was taken and is not to count.
    func giveBack(_ who: String) {
        self.state.withLock { $0.buckets[ExactText(who)]?.giveBack() }
    }

    /// What an address is counted by. Of IPv6 it is the network: whoever has one address there has all of it.
    static func name(of address: String?) -> String {
        guard let address, let parsed = IPAddress(ipv6: address), parsed.bits >> 32 != 0xFFFF else {
            return address ?? ""
        }
        return "\(IPAddress(family: .v6, bits: (parsed.bits >> 64) << 64))/64"
    }
}

/// Who is counted, and by what.
struct RequestLimits: Sendable {
    let callers: CallLimits?
    let addresses: CallLimits?

    init(callers: RateLimit? = nil, addresses: RateLimit? = nil) {
        self.callers = callers.map { CallLimits($0) }
        self.addresses = addresses.map { CallLimits($0) }
    }
}

/// Bounds what one address may ask, whoever it says it is. What outside systems post has the limits of its source, and
/// whoever looks after the service is always answered.
struct AddressLimit: RouterMiddleware {
    /// nil for as often as they like.
    let limits: CallLimits?

    private static let exempt: Set<Substring> = ["health", "ready", "metrics", "in"]

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        if let address = context.remoteAddress, !Self.exempt.contains(request.uri.path.dropFirst().prefix { $0 != "/" })
        {
            try self.limits?.take(CallLimits.name(of: address))
        }
        return try await next(request, context)
    }
}
