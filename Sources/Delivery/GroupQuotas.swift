internal import Domain
internal import Synchronization

/// What all webhooks of a group share of requests per second. The lanes of a group may live on several event loops, so
/// it is a lock around plain numbers.
final class GroupQuotas: Sendable {
    private let limit: RateLimit
    private let state: Mutex<(buckets: [EntityID: TokenBucket], instances: Int)>

    init(_ limit: RateLimit) {
        self.limit = limit
        self.state = Mutex(([:], 1))
    }

    /// Takes one request of the group's, or answers how many nanoseconds until there is one.
    func take(_ group: EntityID, now: Int64) -> Int64? {
        self.state.withLock { state in
            var bucket = state.buckets[group] ?? TokenBucket(self.limit.share(of: state.instances), now: now)
            defer { state.buckets[group] = bucket }
            return bucket.take(now: now)
        }
    }

    /// So many instances share the quotas from now on. Groups without webhooks here are forgotten.
    func share(among instances: Int, groups: Set<EntityID>, now: Int64) {
        self.state.withLock { state in
            state.instances = instances
            state.buckets = state.buckets.filter { groups.contains($0.key) }
            for group in state.buckets.keys {
                state.buckets[group]?.change(to: self.limit.share(of: instances), now: now)
            }
        }
    }
}
