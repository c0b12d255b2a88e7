internal import Domain
internal import Synchronization
internal import Values

/// What several webhooks share of requests per second: those of a group, and those of all groups that count for one user. Their
/// lanes may live on several event loops, so it is a lock around plain numbers.
final class Quotas: Sendable {
    /// Who shares a bucket.
    private enum Sharer: Hashable {
        case group(EntityID)
        case user(ExactText)
    }

    struct Refusal: Equatable {
        /// What is used up; of both what takes longer to come back.
        let reason: Holdup.Reason
        /// Nanoseconds until there is something again.
        let wait: Int64
    }

    private struct State {
        var buckets: [Sharer: TokenBucket] = [:]
        var instances = 1

        mutating func take(_ sharer: Sharer, of limit: RateLimit, now: Int64) -> Int64? {
            var bucket = self.buckets[sharer] ?? TokenBucket(limit.share(of: self.instances), now: now)
            defer { self.buckets[sharer] = bucket }
            return bucket.take(now: now)
        }
    }

    private let groupLimit: RateLimit?
    private let userLimit: RateLimit?
    private let user: @Sendable (EntityID) -> ExactText?
    private let state = Mutex(State())

    /// - Parameters:
    ///   - group: what each group may do; nil is no limit. If neither is one, there is nothing to keep.
    ///   - eachUser: what all groups of a user may do together.
    ///   - user: whom a group counts for; nil is nobody, and then only the group's own limit is kept.
    init?(group: RateLimit?, eachUser: RateLimit?, user: @escaping @Sendable (EntityID) -> ExactText?) {
        guard group != nil || eachUser != nil else { return nil }
        self.groupLimit = group
        self.userLimit = eachUser
        self.user = user
    }

    /// Takes one request, of the group's and of its user's, or of neither: then it says what is missing, and for how long.
    func take(_ group: EntityID, now: Int64) -> Refusal? {
        // Asked beside the lock, for it has one of its own.
        let user = self.userLimit == nil ? nil : self.user(group)
        return self.state.withLock { state in
            let groupWait = self.groupLimit.flatMap { state.take(.group(group), of: $0, now: now) }
            let userWait = self.userLimit.flatMap { limit in
                user.flatMap { state.take(.user($0), of: limit, now: now) }
            }
            switch (groupWait, userWait) {
            case (nil, nil): return nil
            case (nil, .some(let wait)):
                state.buckets[.group(group)]?.giveBack()
                return Refusal(reason: .userRate, wait: wait)
            case (.some(let wait), nil):
                if let user { state.buckets[.user(user)]?.giveBack() }
                return Refusal(reason: .groupRate, wait: wait)
            case (.some(let ofGroup), .some(let ofUser)):
                return ofUser > ofGroup
                    ? Refusal(reason: .userRate, wait: ofUser) : Refusal(reason: .groupRate, wait: ofGroup)
            }
        }
    }

    /// So many instances share the quotas from now on. Groups without webhooks here are forgotten, and so are users none of
    /// whose groups has any.
    func share(among instances: Int, groups: Set<EntityID>, now: Int64) {
        let users = self.userLimit == nil ? [] : Set(groups.compactMap(self.user))
        self.state.withLock { state in
            state.instances = instances
            state.buckets = state.buckets.filter { sharer, _ in
                switch sharer {
                case .group(let group): groups.contains(group)
                case .user(let user): users.contains(user)
                }
            }
            for sharer in state.buckets.keys {
                let limit =
                    switch sharer {
                    case .group: self.groupLimit
                    case .user: self.userLimit
                    }
                guard let limit else { continue }
                state.buckets[sharer]?.change(to: limit.share(of: instances), now: now)
            }
        }
    }
}
