package import Domain

/// A lane's wish for what waits for it in the database.
package struct ClaimWish: Sendable {
    package let webhook: WebhookKey
    /// The webhook's.
    package let group: EntityID
    /// Whether order is strict, and then of which things nothing is to be had: see ``LaneQueue/returningThings``.
    package let isInOrder: Bool
    package let returning: [EntityID]
    /// Where order is strict, ``Claim/connections`` of the claim before; nil if there was none, or nobody knows what it has leased.
    package let connections: Int?
    /// See ``LaneLedger/reserveForClaim(_:of:penned:most:mostBytes:least:)``.
    package let penned: LaneLedger.Size
    /// The most deliveries that it could send.
    package let most: Int
    /// How many bytes the first of them has, as far as that is known.
    package let leastBytes: Int
    /// Whether it is the first claim of a backlog, which may be short.
    package let isFirst: Bool
    /// How often the lease had been lost when it was asked for.
    package let losses: Int

    package init(
        webhook: WebhookKey, group: EntityID, isInOrder: Bool = false, returning: [EntityID] = [],
        connections: Int? = nil, penned: LaneLedger.Size = LaneLedger.Size(), most: Int, leastBytes: Int = 1,
        isFirst: Bool = true, losses: Int = 0
    ) {
        self.webhook = webhook
        self.group = group
        self.isInOrder = isInOrder
        self.returning = returning
        self.connections = connections
        self.penned = penned
        self.most = most
        self.leastBytes = leastBytes
        self.isFirst = isFirst
        self.losses = losses
    }
}

/// Whose turn it is to claim: a value without I/O.
///
/// Several lanes are served by one statement, each with its part of it. Who has claimed goes to the end of the line, and who
/// claims for the first time goes before those who come again and again, so that a short backlog does not wait for long ones.
/// Groups take turns, and a group's lanes among themselves: one with 20,000 lanes is served no sooner than one with a single one.
/// Room is reserved when the claim is made and not when it is wished for: what waits holds nothing. A lane waits once at a
/// time, which is what bounds it.
package struct ClaimTurns: Sendable {
    package struct Limits: Sendable {
        /// Lanes in one statement.
        package var lanes = 32
        /// Deliveries in one statement, and of them for one lane.
        package var deliveries = 2_000
        package var laneDeliveries = 1_000
        /// Who comes again and wants more gets so many before others are served by the same statement.
        package var worthwhile = 250
        /// Who comes for the first time, of whose backlog nobody knows how long it is. Most are short: a burst to ten thousand webhooks
        /// has a few for each.
        package var worthwhileAtFirst = 60
        package var bytes = 2 * 1024 * 1024
        package var laneBytes = 1024 * 1024
        /// How many of those in front may find no room before others are not looked at any more.
        package var looks = 256

        package init() {}
    }

    package struct Turn: Sendable {
        package let wish: ClaimWish
        package let room: LaneLedger.ClaimRoom
    }

    private let limits: Limits
    private var first = ClaimQueue()
    private var again = ClaimQueue()

    package init(limits: Limits = Limits()) {
        self.limits = limits
    }

    package var count: Int { self.first.count + self.again.count }

    package mutating func add(_ wish: ClaimWish) {
        if wish.isFirst { self.first.append(wish) } else { self.again.append(wish) }
    }

    /// - Returns: whether it was still waiting.
    package mutating func withdraw(_ webhook: WebhookKey, of group: EntityID) -> Bool {
        self.first.remove(webhook, of: group) || self.again.remove(webhook, of: group)
    }

    /// Those that are served by the next statement: several lanes, or one in strict order; none if nobody has room.
    ///
    /// - Parameter reserve: reserves room for a wish, within so many deliveries and bytes.
    package mutating func next(
        reserve: (_ wish: ClaimWish, _ most: Int, _ mostBytes: Int) -> LaneLedger.ClaimRoom?
    ) -> [Turn] {
        let (first, again, part) = self.parts()
        let most = min(self.limits.laneDeliveries, part)
        let mostBytes = min(self.limits.laneBytes, max(1, self.limits.bytes / max(1, first + again)))
        var turns: [Turn] = []
        Self.take(from: &self.first, upTo: first, looks: self.limits.looks, into: &turns) {
            reserve($0, min($0.most, most), mostBytes)
        }
        if turns.first?.wish.isInOrder != true {
            Self.take(from: &self.again, upTo: first + again, looks: self.limits.looks, into: &turns) {
                reserve($0, min($0.most, most), mostBytes)
            }
        }
        return turns
    }

    /// How many of each line are served by one statement, and how much each of them may have: those who want little leave the
    /// rest to the others.
    private func parts() -> (first: Int, again: Int, part: Int) {
        // A quarter is for those who come again, however many come for the first time.
        let quarters = self.again.isEmpty ? 4 : 3
        let first = self.count(
            of: self.first, lanes: self.limits.lanes * quarters / 4, deliveries: self.limits.deliveries * quarters / 4,
            each: self.limits.worthwhileAtFirst)
        let again = self.count(
            of: self.again, lanes: self.limits.lanes - first.lanes,
            deliveries: self.limits.deliveries - first.deliveries, each: self.limits.worthwhile)
        let served = [(self.first, first.lanes), (self.again, again.lanes)].flatMap { line, lanes in
            line.walk.prefix(lanes).map(\.most)
        }.sorted()
        var part = 1
        var left = self.limits.deliveries
        for (index, most) in served.enumerated() {
            part = max(1, left / (served.count - index))
            if most > part { break }
            left -= most
        }
        return (first.lanes, again.lanes, part)
    }

    /// How many of a line are served within so many lanes and deliveries, of which nobody gets less than `each` if it wants that. Few
    /// large claims cost less than many small ones.
    private func count(
        of line: ClaimQueue, lanes: Int, deliveries: Int, each: Int
    ) -> (lanes: Int, deliveries: Int) {
        var count = (lanes: 0, deliveries: 0)
        for wish in line.walk.prefix(lanes) where count.deliveries < deliveries {
            count.lanes += 1
            count.deliveries += min(wish.most, each)
        }
        return count
    }

    private static func take(
        from line: inout ClaimQueue, upTo lanes: Int, looks: Int, into turns: inout [Turn],
        reserve: (ClaimWish) -> LaneLedger.ClaimRoom?
    ) {
        line.take { passedBy in
            turns.count < lanes && passedBy < looks && turns.first?.wish.isInOrder != true
        } grant: { wish in
            guard turns.isEmpty || !wish.isInOrder, let room = reserve(wish) else { return false }
            turns.append(Turn(wish: wish, room: room))
            return true
        }
    }
}
