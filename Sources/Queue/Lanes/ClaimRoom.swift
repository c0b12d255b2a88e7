package import Domain
internal import Synchronization

extension LaneLedger {
    /// Room set aside for a claim, and what was known when it was.
    package struct ClaimRoom: Sendable {
        package let deliveries: Int
        package let bytes: Int
        /// Whether every spill planned so far was committed, so that the claim will see it.
        package let seesAllSpills: Bool

        package init(deliveries: Int, bytes: Int, seesAllSpills: Bool) {
            self.deliveries = deliveries
            self.bytes = bytes
            self.seesAllSpills = seesAllSpills
        }
    }

    /// Sets aside room for a claim; nil while there is none that would be worth it.
    ///
    /// - Parameters:
    ///   - group: the webhook's.
    ///   - penned: of what the lane has, what waits for the end of the backlog. It does not count as far as the lane's share
    ///     goes: if it kept the lane from claiming, the end would never come.
    ///   - least: how many bytes it is of no use without.
    package func reserveForClaim(
        _ key: WebhookKey, of group: EntityID, penned: Size = Size(), most: Int, mostBytes: Int, least: Int = 1
    ) -> ClaimRoom? {
        self.state.withLock { state in
            var account = state.account(of: key, group)
            var seen = account
            seen.size -= penned
            let room = state.room(for: seen, isClaim: true)
            if let size = self.claimable(in: room, most: most, mostBytes: mostBytes, least: least) {
                state.add(size, to: &account)
                state.accounts[key] = account
                return ClaimRoom(
                    deliveries: size.deliveries, bytes: size.bytes, seesAllSpills: account.uncommittedSpills == 0)
            }
            state.keep(account, of: key)
            return nil
        }
    }

    private func claimable(in room: LaneRoom, most: Int, mostBytes: Int, least: Int) -> Size? {
        let size = room.size
        let whole = room.deliveries.has + size.deliveries
        // Many small claims cost more than a few large ones.
        guard size.deliveries >= min(most, max(1, whole / 4)) else { return nil }
        var bytes = min(mostBytes, size.bytes)
        if bytes < least {
            let isAlone = room.deliveries.has == 0
            guard isAlone, least <= room.bytesLeft || room.deliveries.used == 0 else { return nil }
            bytes = least
        }
        return Size(deliveries: min(most, size.deliveries), bytes: bytes)
    }

    /// Replaces the room that was set aside by what was really claimed.
    package func settle(_ room: ClaimRoom, of key: WebhookKey, claimed messages: [Message]) {
        self.state.withLock { state in
            // In one step: a lane without anything has no account, and what was claimed would be counted for nobody.
            let bytes = messages.reduce(0) { $0 + $1.size }
            state.release(
                Size(deliveries: room.deliveries - messages.count, bytes: room.bytes - bytes), of: key)
        }
    }
}
