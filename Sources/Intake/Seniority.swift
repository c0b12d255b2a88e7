/// Which numbered subscriptions are surely as old as their numbers say, for one client id: a message that comes by a later one was
/// published when they were there, so that it comes by them as well. A value without I/O.
///
/// A number says when a filter was first wanted. The broker may have refused it then, and have granted later ones; what these have brought
/// since comes by no other way, perhaps after a restart. So a number counts once the broker has granted it on this connection, and if
/// it was asked for before all that is later, or was known before this connection to be that old.
struct Seniority: Sendable, Equatable {
    /// Of subscriptions that were granted before all later ones, when the broker said last what it grants.
    private(set) var recorded: Set<Int32>
    /// Whose copies can be relied on to come.
    private(set) var senior: Set<Int32> = []
    /// Granted, and perhaps later than those with larger numbers.
    private(set) var junior: Set<Int32> = []
    /// Not heard of before this connection, and asked for in their order.
    private var fresh: Set<Int32> = []
    /// What the broker has granted on this connection.
    private var granted: Set<Int32> = [] { didSet { self.sort() } }
    private var newest: Int32
    /// Since whose grants there was a time in which nothing came at all.
    private var settled: Set<Int32> = []

    static let none = Seniority(recorded: [], known: [], following: [])

    /// - Parameters:
    ///   - recorded: see ``recorded``; nil if nothing was ever written of it.
    ///   - known: what the broker may have from before this connection.
    ///   - following: what it is asked for now, in the order of the numbers.
    init(recorded: Set<Int32>?, known: Set<Int32>, following: [Int32]) {
        self.recorded = (recorded ?? known).intersection(known).intersection(following)
        self.newest = known.max() ?? 0
        self.ask(for: following.filter { !known.contains($0) })
    }

    /// More is subscribed to, in the order of the numbers.
    mutating func ask(for numbers: [Int32]) {
        for number in numbers where number > self.newest {
            self.fresh.insert(number)
            self.newest = number
        }
        self.granted.subtract(numbers)
        self.settled.subtract(numbers)
    }

    /// What is not wanted any more.
    mutating func leave(_ numbers: Set<Int32>) {
        self.recorded.subtract(numbers)
        self.fresh.subtract(numbers)
        self.granted.subtract(numbers)
    }

    /// The broker has answered to all that it was asked for.
    mutating func answer(granted: Set<Int32>, refused: Set<Int32>) {
        self.recorded.subtract(refused)
        self.fresh.subtract(refused)
        self.recorded.formUnion(self.fresh.intersection(granted))
        self.granted = granted
    }

    /// Messages have come by these. A broker keeps the order in which they were published, so what was published before it granted them has
    /// come by now; but what is not acknowledged may go past what waits for acknowledgements.
    ///
    /// - Parameter unacknowledged: those by which messages came with QoS 0.
    mutating func hear(_ numbers: Set<Int32>, unacknowledged: Set<Int32> = []) {
        let heard = numbers.union(unacknowledged.intersection(self.settled))
        guard !heard.isDisjoint(with: self.junior) else { return }
        self.recorded.formUnion(heard.intersection(self.granted))
        self.sort()
    }

    /// Nothing came for a while, though the broker might have sent it.
    mutating func fallSilent() { self.settled.formUnion(self.junior) }

    /// Asked for with each batch, and changed seldom.
    private mutating func sort() {
        self.senior = self.granted.intersection(self.recorded)
        self.junior = self.granted.subtracting(self.recorded)
    }
}
