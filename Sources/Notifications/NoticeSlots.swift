/// Which origins notices are being given to: each has one slot at most, and those that had trouble lately share a part
/// of the slots, so that any number of urls that hang leaves room for the others.
struct NoticeSlots {
    static let most = 16
    static let mostTroubled = 4
    /// Beyond this nobody is remembered as troubled: then they are all tried once more.
    private static let mostRemembered = 1_000

    private(set) var busy: Set<String> = []
    private(set) var troubled: Set<String> = []

    /// How many more origins there may be.
    func free(isTroubled: Bool) -> Int {
        let free = Self.most - self.busy.count
        return isTroubled ? min(free, Self.mostTroubled - self.busy.intersection(self.troubled).count) : free
    }

    mutating func take(_ origin: String) {
        self.busy.insert(origin)
    }

    /// - Parameter isTroubled: whether it could not be told.
    mutating func giveBack(_ origin: String, isTroubled: Bool) {
        self.busy.remove(origin)
        guard isTroubled else {
            self.troubled.remove(origin)
            return
        }
        if self.troubled.count >= Self.mostRemembered { self.troubled = [] }
        self.troubled.insert(origin)
    }
}
