internal import Domain

/// What each group has of the lanes' memory, and what it may have beside the others: a value that is told what comes and goes.
///
/// A message may go to 20,000 webhooks of a group, whose lanes would take all there is, each no more than what every lane may
/// have. So where there are several groups each may have a share whatever the others do; and of what they have beyond their
/// shares one has at most fifteen sixteenths of what the others leave of fifteen sixteenths of the whole. Groups that want
/// more than there is come to have about as much as each other, however many webhooks are theirs.
struct GroupShares {
    typealias Size = LaneLedger.Size

    private struct Group {
        let id: EntityID
        var size = Size()
        /// Lanes that are of interest.
        var lanes = 0
    }

    /// How a group stands beside the others: plain numbers.
    struct Standing {
        /// What it has.
        let size: Size
        /// What all groups have beyond their shares, it included.
        let beyond: Size
        /// Whether there is somebody to leave something to.
        let areSeveral: Bool
    }

    /// A lane knows the place of its group, so that nothing has to be found for a message.
    private var groups: [Group] = []
    private var places: [EntityID: Int] = [:]
    private var vacant: [Int] = []
    private let share: Size
    /// What all groups have beyond their shares.
    private(set) var beyond = Size()
    /// The group that came or went last, and for how many turns it is known that there are others.
    private var newest: EntityID?
    private var turnsShared = 0
    /// A group that is alone may have everything; one that was not within the hour is not taken to be.
    private static let memory = 3_600

    init(share: Size) {
        self.share = share
    }

    /// Groups with lanes that are of interest.
    var count: Int { self.places.count }

    /// A lane of the group is of interest from now on.
    ///
    /// - Returns: the group's place, until ``leave(_:)`` is said as often.
    mutating func enter(_ id: EntityID) -> Int {
        if let place = self.places[id] {
            self.groups[place].lanes += 1
            return place
        }
        if self.newest.map({ $0 != id }) ?? false { self.turnsShared = Self.memory }
        self.newest = id
        let place = self.vacant.popLast() ?? self.groups.count
        if place == self.groups.count { self.groups.append(Group(id: id)) } else { self.groups[place] = Group(id: id) }
        self.groups[place].lanes = 1
        self.places[id] = place
        return place
    }

    /// A lane of the group is of interest no more, and has nothing.
    mutating func leave(_ place: Int) {
        self.groups[place].lanes -= 1
        guard self.groups[place].lanes == 0 else { return }
        self.newest = self.groups[place].id
        self.places[self.groups[place].id] = nil
        self.vacant.append(place)
    }

    mutating func add(_ size: Size, to place: Int) {
        self.beyond -= self.beyond(place)
        self.groups[place].size += size
        self.beyond += self.beyond(place)
    }

    private func beyond(_ place: Int) -> Size {
        let size = self.groups[place].size
        return Size(
            deliveries: max(0, size.deliveries - self.share.deliveries), bytes: max(0, size.bytes - self.share.bytes))
    }

    /// To be called once a second.
    mutating func turn() {
        self.turnsShared = self.places.count > 1 ? Self.memory : max(0, self.turnsShared - 1)
    }

    func standing(at place: Int) -> Standing {
        Standing(size: self.groups[place].size, beyond: self.beyond, areSeveral: self.turnsShared > 0)
    }
}
