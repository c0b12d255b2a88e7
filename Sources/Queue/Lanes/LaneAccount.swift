package import Domain

extension LaneLedger {
    /// How much deliveries take.
    package struct Size: Sendable, Equatable {
        package var deliveries = 0
        package var bytes = 0

        package init() {}

        init(deliveries: Int, bytes: Int) {
            self.deliveries = deliveries
            self.bytes = bytes
        }

        package init(of delivery: Delivery) {
            self.deliveries = 1
            self.bytes = delivery.message.size
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
}

/// What is counted of a lane.
struct LaneAccount {
    /// Its group's place among the ``GroupShares``.
    let group: Int
    var size = LaneLedger.Size()
    /// Set when something had to be left in the database: what comes later must not overtake it.
    var isSpilling = false
    /// Planned to be left in the database, but not committed yet.
    var uncommittedSpills = 0
    /// Planned to go out from memory, but not with the lane yet.
    var coming = 0
    /// What was completed since the last ``LaneLedger/turn()``, and in the one before.
    var completed = LaneLedger.Size()
    var pace = LaneLedger.Size()
    /// Whether it had too much at the last ``LaneLedger/turn()`` already.
    var hadTooMuch = false

    /// What it gets done in a second, as far as is known.
    var rate: LaneLedger.Size {
        LaneLedger.Size(
            deliveries: max(self.pace.deliveries, self.completed.deliveries),
            bytes: max(self.pace.bytes, self.completed.bytes))
    }
    var isMoving: Bool { self.completed.deliveries + self.pace.deliveries > 0 }
    var isOfInterest: Bool {
        self.size.deliveries > 0 || self.isSpilling || self.uncommittedSpills > 0 || self.coming > 0
            || self.isMoving
    }
}

/// What is counted of all lanes, and how much more each may have.
struct LaneAccounts {
    var accounts: [WebhookKey: LaneAccount] = [:]
    var used = LaneLedger.Size()
    var groups: GroupShares
    /// Whether something may be leased to this session that is not in memory.
    var isInDoubt = false
    private let limits: LaneLedger.Limits

    init(limits: LaneLedger.Limits) {
        self.limits = limits
        let share = LaneLedger.Size(deliveries: limits.groupDeliveries, bytes: limits.groupBytes)
        self.groups = GroupShares(share: share)
    }

    /// A lane's account. One that is new is to be put among the ``accounts``, or its group to be left.
    mutating func account(of key: WebhookKey, _ group: EntityID) -> LaneAccount {
        self.accounts[key] ?? LaneAccount(group: self.groups.enter(group))
    }

    mutating func add(_ size: LaneLedger.Size, to account: inout LaneAccount) {
        account.size += size
        self.used += size
        self.groups.add(size, to: account.group)
    }

    /// Puts back an account, if there is a reason to keep it.
    mutating func keep(_ account: LaneAccount, of key: WebhookKey) {
        if account.isOfInterest {
            self.accounts[key] = account
        } else {
            self.accounts[key] = nil
            self.groups.leave(account.group)
        }
    }

    mutating func release(_ size: LaneLedger.Size, of key: WebhookKey) {
        guard var account = self.accounts[key] else { return }
        self.add(LaneLedger.Size(deliveries: -size.deliveries, bytes: -size.bytes), to: &account)
        self.keep(account, of: key)
    }

    func room(for account: LaneAccount, isClaim: Bool = false) -> LaneRoom {
        let (limits, rate, used) = (self.limits, account.rate, self.used)
        let group = self.groups.standing(at: account.group)
        return LaneRoom(
            deliveries: LaneRoom.Measure(
                total: limits.totalDeliveries, lane: limits.laneDeliveries, share: limits.shareDeliveries,
                groupShare: limits.groupDeliveries, has: account.size.deliveries, pace: rate.deliveries,
                used: used.deliveries, ofGroup: group.size.deliveries, beyond: group.beyond.deliveries),
            bytes: LaneRoom.Measure(
                total: limits.totalBytes, lane: limits.laneBytes, share: limits.shareBytes,
                groupShare: limits.groupBytes, has: account.size.bytes, pace: rate.bytes, used: used.bytes,
                ofGroup: group.size.bytes, beyond: group.beyond.bytes),
            isMoving: account.isMoving && !isClaim, areSeveral: group.areSeveral)
    }
}
