package import Domain
package import Journal
internal import Synchronization

/// How much each lane has in memory, and whether new deliveries may join it there.
///
/// It is the one thing that intake and the lanes share, so it is a lock around plain numbers, taken once per batch.
/// Room is set aside here before a batch is committed, because the commit must already say what is leased.
package final class LaneLedger: Sendable {
    package struct Limits: Sendable {
        /// Per webhook, so that one that does not answer cannot take the memory of all.
        package var laneDeliveries = 12_288
        package var laneBytes = 8 * 1024 * 1024
        package var totalDeliveries = 14_336
        package var totalBytes = 32 * 1024 * 1024

        package init() {}
    }

    /// How much deliveries take.
    package struct Size: Sendable, Equatable {
        package var deliveries = 0
        package var bytes = 0

        package init() {}

        package init(of delivery: Delivery) {
            self.deliveries = 1
            self.bytes = delivery.message.payload.count
        }

        package static func += (size: inout Size, other: Size) {
            size.deliveries += other.deliveries
            size.bytes += other.bytes
        }

        package static func -= (size: inout Size, other: Size) {
            size.deliveries -= other.deliveries
            size.bytes -= other.bytes
        }
    }

    private struct Account {
        var deliveries = 0
        var bytes = 0
        /// Set when something had to be left in the database: what comes later must not overtake it.
        var isSpilling = false
        /// Planned to be left in the database, but not committed yet.
        var uncommittedSpills = 0
    }

    private struct State {
        var accounts: [WebhookKey: Account] = [:]
        var deliveries = 0
        var bytes = 0
        /// Whether something may be leased to this session that is not in memory.
        var isInDoubt = false
    }

    private let limits: Limits
    private let state = Mutex(State())
    /// The rows whose deliveries are in memory.
    package let held: HeldRows

    package init(limits: Limits = Limits()) {
        self.limits = limits
        self.held = HeldRows()
    }

    /// Deliveries in memory, over all lanes.
    package var count: Int { self.state.withLock { $0.deliveries } }

    package func plan(_ deliveries: inout [Delivery]) {
        self.state.withLock { state in
            for index in deliveries.indices {
                let key = deliveries[index].webhook.key
                let bytes = deliveries[index].message.payload.count
                var account = state.accounts[key] ?? Account()
                if deliveries[index].webhook.isSentFromMemory, !account.isSpilling,
                    self.fits(bytes, in: account, of: state)
                {
                    account.deliveries += 1
                    account.bytes += bytes
                    state.deliveries += 1
                    state.bytes += bytes
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

    /// How many of these deliveries would go out from memory if there were room for them now.
    package func missingRoom(for deliveries: [Delivery]) -> Int {
        var wanted: [WebhookKey: (count: Int, bytes: Int)] = [:]
        for index in deliveries.indices where deliveries[index].webhook.isSentFromMemory {
            wanted[deliveries[index].webhook.key, default: (0, 0)].count += 1
            wanted[deliveries[index].webhook.key, default: (0, 0)].bytes += deliveries[index].message.payload.count
        }
        return self.state.withLock { state in
            wanted.reduce(0) { missing, want in
                let account = state.accounts[want.key] ?? Account()
                // Who has a backlog already gets its deliveries from there.
                guard !account.isSpilling else { return missing }
                let most = self.most(account, of: state)
                let averageBytes = max(1, want.value.bytes / want.value.count)
                return missing
                    + max(
                        0, want.value.count - (most.deliveries - account.deliveries),
                        want.value.count - (most.bytes - account.bytes) / averageBytes)
            }
        }
    }

    private func fits(_ bytes: Int, in account: Account, of state: State) -> Bool {
        // A single payload larger than all limits still gets through, alone.
        let most = self.most(account, of: state)
        return account.deliveries == 0
            || (account.deliveries < most.deliveries && account.bytes + bytes <= most.bytes)
    }

    /// The most that a lane may have: three quarters of what the others leave of the whole. So a few that do not get rid of
    /// what they have never leave nothing to the others.
    private func most(_ account: Account, of state: State) -> (deliveries: Int, bytes: Int) {
        (
            min(
                self.limits.laneDeliveries,
                (self.limits.totalDeliveries - state.deliveries + account.deliveries) * 3 / 4),
            min(self.limits.laneBytes, (self.limits.totalBytes - state.bytes + account.bytes) * 3 / 4)
        )
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

    package func withdraw(_ deliveries: [Delivery]) {
        self.state.withLock { state in
            for delivery in deliveries {
                if delivery.isLeased {
                    Self.release(1, delivery.message.payload.count, of: delivery.webhook.key, in: &state)
                } else {
                    state.accounts[delivery.webhook.key]?.uncommittedSpills -= 1
                }
            }
        }
    }

    /// Deliveries that are done and recorded leave the memory.
    package func release(_ results: [DeliveryResult]) {
        self.held.end(results.lazy.filter { $0.delivery.batch == nil }.map(\.delivery.id))
        self.state.withLock { state in
            // Those of one webhook come one after the other more often than not.
            var run = (key: WebhookKey(rawValue: -1), size: Size())
            for index in results.indices {
                let key = results[index].delivery.webhook.key
                if key != run.key {
                    Self.release(run.size.deliveries, run.size.bytes, of: run.key, in: &state)
                    run = (key, Size())
                }
                run.size.deliveries += 1
                run.size.bytes += results[index].delivery.message.payload.count
            }
            Self.release(run.size.deliveries, run.size.bytes, of: run.key, in: &state)
        }
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

    // MARK: Claims

    /// Room set aside for a claim, and what was known when it was.
    package struct ClaimRoom: Sendable {
        package let deliveries: Int
        package let bytes: Int
        /// Whether every spill planned so far was committed, so that the claim will see it.
        package let seesAllSpills: Bool
    }

    /// Sets aside room for a claim; nil while the lane is more than half full.
    ///
    /// - Parameter penned: of what the lane has, what waits for the end of the backlog. It does not count: if it kept
    ///   the lane from claiming, the end would never come. So a lane may have more than its share by what one claim
    ///   brings at the least.
    package func reserveForClaim(_ key: WebhookKey, penned: Size = Size(), most: Int, mostBytes: Int) -> ClaimRoom? {
        self.state.withLock { state in
            var account = state.accounts[key] ?? Account()
            let moving = account.deliveries - penned.deliveries
            guard moving <= self.limits.laneDeliveries / 2,
                account.bytes - penned.bytes <= self.limits.laneBytes / 2,
                moving == 0 || self.fits(1, in: account, of: state)
            else { return nil }
            let room = self.most(account, of: state)
            let count = max(1, min(most, room.deliveries - account.deliveries))
            let bytes = max(1, min(mostBytes, room.bytes - account.bytes))
            account.deliveries += count
            account.bytes += bytes
            state.deliveries += count
            state.bytes += bytes
            state.accounts[key] = account
            return ClaimRoom(deliveries: count, bytes: bytes, seesAllSpills: account.uncommittedSpills == 0)
        }
    }

    /// Replaces the room that was set aside by what was really claimed.
    package func settle(_ room: ClaimRoom, of key: WebhookKey, claimed messages: [Message]) {
        self.state.withLock { state in
            let bytes = messages.reduce(0) { $0 + $1.payload.count }
            // At once: an account that is empty in between is gone.
            Self.release(room.deliveries - messages.count, room.bytes - bytes, of: key, in: &state)
        }
    }

    /// Something went back to the database: what comes later must not overtake it.
    package func startSpilling(_ key: WebhookKey) {
        self.state.withLock { $0.accounts[key, default: Account()].isSpilling = true }
    }

    /// Lets new deliveries join the lane's memory again.
    package func stopSpilling(_ key: WebhookKey) {
        self.state.withLock { $0.accounts[key]?.isSpilling = false }
    }

    package func isSpilling(_ key: WebhookKey) -> Bool {
        self.state.withLock { $0.accounts[key]?.isSpilling ?? false }
    }

    private static func release(_ deliveries: Int, _ bytes: Int, of key: WebhookKey, in state: inout State) {
        guard var account = state.accounts[key] else { return }
        account.deliveries -= deliveries
        account.bytes -= bytes
        state.deliveries -= deliveries
        state.bytes -= bytes
        let isEmpty = account.deliveries == 0 && !account.isSpilling && account.uncommittedSpills == 0
        state.accounts[key] = isEmpty ? nil : account
    }
}
