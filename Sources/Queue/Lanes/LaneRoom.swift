/// How much more a lane may have beside the others: plain numbers, because it is asked for every message.
struct LaneRoom {
    /// The same of deliveries and of bytes.
    struct Measure {
        /// What all lanes may have, a lane, a lane whatever the others do, and a group whatever the others do.
        let total: Int
        let lane: Int
        let share: Int
        let groupShare: Int
        /// What the lane has, and what it gets done in a second.
        let has: Int
        let pace: Int
        /// What all lanes have, those of the lane's group, and all groups beyond their shares.
        let used: Int
        let ofGroup: Int
        let beyond: Int
    }

    let deliveries: Measure
    let bytes: Measure
    /// Whether messages come in for a lane that has completed something of late. Of the others, and of claims, something is
    /// kept for these; and what is in the database can wait there, so that a lane claims no more than it gets done.
    let isMoving: Bool
    /// Whether something is left to other groups.
    let areSeveral: Bool

    /// - Parameter bytes: of a delivery.
    /// - Returns: whether there is room for it.
    func fits(_ bytes: Int) -> Bool {
        let room = self.deliveries.room(isMoving: self.isMoving, areSeveral: self.areSeveral)
        if room >= 1, self.bytes.room(isMoving: self.isMoving, areSeveral: self.areSeveral) >= bytes { return true }
        // One that is larger than what a lane has whatever the others do still gets through, alone; and so does one that is
        // larger than all there is.
        return self.deliveries.has == 0 && (self.deliveries.used == 0 || room >= 1 && bytes <= self.bytesLeft)
    }

    /// How much more it may have; not less than nothing.
    var size: LaneLedger.Size {
        LaneLedger.Size(
            deliveries: self.deliveries.room(isMoving: self.isMoving, areSeveral: self.areSeveral),
            bytes: self.bytes.room(isMoving: self.isMoving, areSeveral: self.areSeveral))
    }

    /// Payload that could come in for a lane that has nothing, however much its share is.
    var bytesLeft: Int { self.bytes.left(isMoving: self.isMoving, areSeveral: self.areSeveral) }
}

extension LaneRoom.Measure {
    func room(isMoving: Bool, areSeveral: Bool) -> Int {
        // What is on its way at any moment is more the more goes out.
        let ofShare = min(
            min(self.lane, max(self.share, self.pace / 4)) - self.has, self.total - self.kept(isMoving) - self.used)
        var most = min(self.lane, (self.total * 3 / 4 - self.used + self.has) * 3 / 4)
        if self.used > self.total / 2, !isMoving { most = min(most, 4 * self.pace) }
        let ofLane = max(0, ofShare, most - self.has)
        guard areSeveral else { return ofLane }
        let room = min(ofLane, self.leftToGroup(isMoving))
        guard self.mayGoFirst(isMoving) else { return room }
        let few = isMoving ? max(self.share, self.groupShare) : self.share
        let first = min(self.lane, max(few, self.pace / 4)) - self.has
        return max(room, min(first, self.leftOfShare, self.total - self.used))
    }

    /// What one may be large that comes alone.
    func left(isMoving: Bool, areSeveral: Bool) -> Int {
        let left = self.total - self.used
        guard areSeveral else { return left - self.kept(isMoving) }
        if self.mayGoFirst(isMoving) { return left }
        return min(left - self.kept(isMoving), self.leftToGroup(isMoving))
    }

    /// For lanes that move, and for what comes in for them.
    private func kept(_ isMoving: Bool) -> Int { isMoving ? 0 : self.total / 8 }

    /// What the group may still have whatever the others do.
    private var leftOfShare: Int { max(0, self.groupShare - self.ofGroup) }

    /// What the group may still have. Beyond its share that is fifteen sixteenths, together with what it has, of what other groups
    /// leave of fifteen sixteenths of the whole.
    private func leftToGroup(_ isMoving: Bool) -> Int {
        let mine = max(0, self.ofGroup - self.groupShare)
        let others = self.beyond - mine
        let more = (self.total * 15 / 16 - self.kept(isMoving) - others) * 15 / 16 - mine
        return self.leftOfShare + max(0, more)
    }

    /// Whether the lane may have of its group's share what is kept otherwise. It may if it moves; and as long as little is in use
    /// of groups' shares, so that it is not those of many groups that stand still which fill the memory.
    private func mayGoFirst(_ isMoving: Bool) -> Bool {
        self.ofGroup < self.groupShare && (isMoving || self.used - self.beyond < self.total / 16)
    }
}
