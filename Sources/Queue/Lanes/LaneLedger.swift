package import Domain
package import Journal
internal import Synchronization

/// How much each lane has in memory, and whether new deliveries may join it there.
///
/// It is the one thing that intake and the lanes share, so it is a lock around plain numbers, taken once per batch.
/// Room is set aside here before a batch is committed, because the commit must already say what is leased.
///
/// Memory that moves belongs to what moves. The total is a bound that nothing passes. A part of it is for what every lane
/// may have whatever the others do, and a part of that again for lanes that have completed something of late; beyond
/// that a lane has at most three quarters of what the others leave, and once half of the whole is in use no more
/// than it gets done in two seconds. However many lanes a group has, they leave other groups theirs (``GroupShares``).
package final class LaneLedger: Sendable {
    package struct Limits: Sendable {
        /// Per webhook, so that one that does not answer cannot take the memory of all.
        package var laneDeliveries = 12_288
        package var laneBytes = 8 * 1024 * 1024
        package var totalDeliveries = 16_384
        package var totalBytes = 24 * 1024 * 1024
        /// What a lane may have whatever the others do; one that completes much, a quarter of what it does in a second.
        package var shareDeliveries = 16
        package var shareBytes = 64 * 1024
        /// What a group may have whatever the others do, and a lane that has completed something of late if its group has no
        /// more.
        package var groupDeliveries = 128
        package var groupBytes = 512 * 1024

        package init() {}
    }

    private let limits: Limits
    let state: Mutex<LaneAccounts>
    /// The rows whose deliveries are in memory.
    package let held: HeldRows

    package init(limits: Limits = Limits()) {
        self.limits = limits
        self.state = Mutex(LaneAccounts(limits: limits))
        self.held = HeldRows()
    }

    /// Deliveries in memory, over all lanes.
    package var count: Int { self.used.deliveries }
    var used: Size { self.state.withLock { $0.used } }
    /// Whether what is done had better leave soon.
    package var isShort: Bool {
        let used = self.used
        return used.deliveries > self.limits.totalDeliveries / 4 || used.bytes > self.limits.totalBytes / 4
    }

    package func plan(_ deliveries: inout [Delivery]) {
        self.state.withLock { state in
            for index in deliveries.indices {
                let key = deliveries[index].webhook.key
                var account = state.account(of: key, deliveries[index].webhook.group)
                let size = Size(of: deliveries[index])
                if deliveries[index].webhook.isSentFromMemory, !account.isSpilling,
                    account.size.deliveries < deliveries[index].webhook.mostInMemory,
                    state.room(for: account).fits(size.bytes)
                {
                    state.add(size, to: &account)
                    account.coming += 1
                    deliveries[index].isLeased = true
                } else {
                    account.isSpilling = true
                    account.uncommittedSpills += 1
                    deliveries[index].isLeased = false
                }
                state.accounts[key] = account
            }
        }
    }

    /// How many of these deliveries would go out from memory if there were room for them, which their lanes may well make
    /// within a moment.
    package func missingRoom(for deliveries: [Delivery]) -> Int {
        var wanted: [WebhookKey: Size] = [:]
        for index in deliveries.indices where deliveries[index].webhook.isSentFromMemory {
            wanted[deliveries[index].webhook.key, default: Size()] += Size(of: deliveries[index])
        }
        return self.state.withLock { state in
            wanted.reduce(0) { missing, want in
                // Who has done nothing yet makes no room; and who has a backlog already gets its deliveries from there.
                guard let account = state.accounts[want.key], !account.isSpilling else { return missing }
                let room = state.room(for: account).size
                let averageBytes = max(1, want.value.bytes / want.value.deliveries)
                let short = max(0, want.value.deliveries - min(room.deliveries, room.bytes / averageBytes))
                // What it gets done in a twentieth of a second is what it is worth waiting for.
                return missing + (short <= account.rate.deliveries / 20 ? short : 0)
            }
        }
    }

    // MARK: What moves

    /// To be called once a second: begins to count anew what lanes complete.
    ///
    /// - Returns: if memory is short, which lanes have had more than they get done in two seconds, and how much that is.
    package func turn() -> [WebhookKey: Int] {
        self.state.withLock { state in
            let isShort =
                state.used.deliveries > self.limits.totalDeliveries / 2 || state.used.bytes > self.limits.totalBytes / 2
            var most: [WebhookKey: Int] = [:]
            for (key, var account) in state.accounts {
                account.pace = account.completed
                account.completed = Size()
                let of = max(self.limits.shareDeliveries, 2 * account.pace.deliveries)
                let ofBytes = max(self.limits.shareBytes, 2 * account.pace.bytes)
                let hasTooMuch = isShort && (account.size.deliveries > of || account.size.bytes > ofBytes)
                // A second is little to judge by who has just begun.
                if hasTooMuch, account.hadTooMuch {
                    most[key] = min(of, max(1, ofBytes / max(1, account.size.bytes / account.size.deliveries)))
                }
                account.hadTooMuch = hasTooMuch
                state.keep(account, of: key)
            }
            state.groups.turn()
            return most
        }
    }

    /// The batch is committed: what was left in the database is there to be claimed. Answers for whom.
    package func committed(_ deliveries: [Delivery]) -> Set<WebhookKey> {
        var spilled: Set<WebhookKey> = []
        self.state.withLock { state in
            for index in deliveries.indices where !deliveries[index].isLeased {
                let key = deliveries[index].webhook.key
                state.accounts[key]?.uncommittedSpills -= 1
                spilled.insert(key)
            }
        }
        return spilled
    }

    /// Lanes were given so many deliveries that had their room here.
    package func handedOver(_ counts: [WebhookKey: Int]) {
        guard !counts.isEmpty else { return }
        self.state.withLock { state in
            for (key, count) in counts {
                guard var account = state.accounts[key] else { continue }
                account.coming -= count
                state.keep(account, of: key)
            }
        }
    }

    package func withdraw(_ deliveries: [Delivery]) {
        self.state.withLock { state in
            for delivery in deliveries {
                if delivery.isLeased {
                    state.accounts[delivery.webhook.key]?.coming -= 1
                    state.release(Size(of: delivery), of: delivery.webhook.key)
                } else {
                    state.accounts[delivery.webhook.key]?.uncommittedSpills -= 1
                }
            }
        }
    }

    /// Deliveries that are done, or go back, and are recorded leave the memory.
    package func release(_ results: [DeliveryResult]) {
        self.held.end(results.lazy.filter { $0.delivery.batch == nil }.map(\.delivery.id))
        self.state.withLock { state in
            Self.forEachLane(of: results) { key, size in state.release(size, of: key) }
        }
    }

    /// Receivers have taken those of these that have succeeded: their lanes get things done, also while that waits to be recorded.
    package func completed(_ results: [DeliveryResult]) {
        self.state.withLock { state in
            Self.forEachLane(of: results, haveSucceeded: true) { key, size in
                state.accounts[key]?.completed += size
            }
        }
    }

    /// - Parameter haveSucceeded: whether only such are meant.
    private static func forEachLane(
        of results: [DeliveryResult], haveSucceeded: Bool = false, _ body: (WebhookKey, Size) -> Void
    ) {
        // Those of one webhook come one after the other more often than not.
        var run: (key: WebhookKey, size: Size)?
        for index in results.indices where !haveSucceeded || results[index].hasSucceeded {
            let key = results[index].delivery.webhook.key
            if run?.key != key {
                if let run { body(run.key, run.size) }
                run = (key, Size())
            }
            run?.size += Size(of: results[index].delivery)
        }
        if let run { body(run.key, run.size) }
    }

    /// A commit was given up without anybody knowing whether it was made.
    package func doubt() {
        self.state.withLock { $0.isInDoubt = true }
    }

    /// Whether there was reason to ``doubt()`` since the last time that this was asked.
    package func takeDoubt() -> Bool {
        self.state.withLock { state in
            defer { state.isInDoubt = false }
            return state.isInDoubt
        }
    }

    /// Something went back to the database: what comes later must not overtake it.
    ///
    /// - Parameter group: the webhook's.
    package func startSpilling(_ key: WebhookKey, of group: EntityID) {
        self.state.withLock { state in
            var account = state.account(of: key, group)
            account.isSpilling = true
            state.accounts[key] = account
        }
    }

    /// Lets new deliveries join the lane's memory again.
    package func stopSpilling(_ key: WebhookKey) {
        self.state.withLock { $0.accounts[key]?.isSpilling = false }
    }

    package func isSpilling(_ key: WebhookKey) -> Bool {
        self.state.withLock { $0.accounts[key]?.isSpilling ?? false }
    }

    /// Whether the lane is given nothing any more of what comes in: it is left in the database, and what had its room before that
    /// was handed over.
    package func isCutOff(_ key: WebhookKey) -> Bool {
        self.state.withLock { state in
            state.accounts[key].map { $0.isSpilling && $0.coming == 0 } ?? false
        }
    }
}
