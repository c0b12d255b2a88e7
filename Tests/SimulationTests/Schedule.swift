import TestSupport

/// A list of decisions that a seed makes.
struct Schedule {
    let seed: UInt64
    let isShared: Bool
    let instances: Int
    /// Whether instances see to their lanes from the last to the first.
    let isBackwards: Bool
    var decisions: [Decision] = []

    /// What there is much of. What goes wrong only where several rare things meet is found where one of them is not rare, and is not
    /// kept from happening by it in every schedule.
    private enum Bent: CaseIterable { case none, givingBack, givingUp, losingLeases }

    /// - Parameter seed: makes all of it.
    init(seed: UInt64) {
        self.seed = seed
        var luck = Seeded(seed)
        self.isShared = Int.random(in: 0..<3, using: &luck) > 0
        self.instances = self.isShared ? Int.random(in: 1...3, using: &luck) : 1
        self.isBackwards = Bool.random(using: &luck)
        let bent = Bent.allCases.randomElement(using: &luck) ?? .none
        // Some schedules have hardly any faults, others are full of them.
        let trouble = Int.random(in: 0...4, using: &luck)
        var paused: (instance: Int, left: Int)?
        for id in 0..<self.instances { self.decisions.append(.start(id, .answered)) }
        for _ in 0..<Int.random(in: 10...110, using: &luck) {
            var id = Int.random(in: 0..<self.instances, using: &luck)
            if let (instance, left) = paused {
                paused = left > 0 ? (instance, left - 1) : nil
                if id == instance { id = (id + 1) % self.instances }
            } else if Int.random(in: 0..<60, using: &luck) == 0 {
                paused = (id, Int.random(in: 5...40, using: &luck))
            }
            self.decisions.append(Self.decision(of: id, bent, trouble: trouble, using: &luck))
        }
    }

    /// Whether strict order is looked at: with several instances it is per subscriber.
    var keepsOrder: Bool { self.instances == 1 }

    private static func decision(of id: Int, _ bent: Bent, trouble: Int, using luck: inout Seeded) -> Decision {
        let fate = Self.fate(trouble, using: &luck)
        // What is given up is of interest where order is strict, and something of the same thing waits behind it.
        let webhook = bent == .givingUp ? World.webhookCount - 1 : Int.random(in: 0..<World.webhookCount, using: &luck)
        if bent == .givingBack, Int.random(in: 0..<24, using: &luck) == 0 { return .giveBack(id, webhook: webhook) }
        if bent == .losingLeases, Int.random(in: 0..<16, using: &luck) == 0 {
            return Bool.random(using: &luck) ? .pass(11) : .releaseExpired(id, fate)
        }
        switch Int.random(in: 0..<100, using: &luck) {
        case 0..<14:
            return .publish(
                thing: bent == .givingUp ? 0 : Int.random(in: 0..<2, using: &luck),
                to: Int.random(in: 0..<6, using: &luck),
                isPoison: Int.random(in: 0..<12, using: &luck) == 0)
        case 14..<37: return .intake(id, fate)
        case 37..<52: return .claim(id, webhook: webhook, fate)
        case 52: return .giveBack(id, webhook: webhook)
        case 53..<64: return .send(id, webhook: webhook)
        case 64..<74: return .answer(id, webhook: webhook, Self.reply(bent, using: &luck))
        case 74..<78: return .settle(id, fate)
        case 78..<81: return bent == .givingUp ? .send(id, webhook: webhook) : .settle(id, fate)
        case 81: return .audit(id, fate)
        case 82..<86: return .renew(id, fate)
        case 86: return .releaseExpired(id, fate)
        case 87: return .askDue(id, fate)
        case 88: return .adopt(id, fate)
        case 89..<92: return .pass([1, 1, 2, 3, 12].randomElement(using: &luck) ?? 1)
        case 92..<95: return .start(id, fate)
        case 95..<97: return .land
        default: return Self.trouble(of: id, fate, using: &luck)
        }
    }

    private static func trouble(of id: Int, _ fate: Fate, using luck: inout Seeded) -> Decision {
        switch Int.random(in: 0..<7, using: &luck) {
        case 0, 1: .crash(id)
        case 2: .stop(id, fate)
        case 3, 4: .loseBroker(id)
        case 5: .setClock(id, Int64.random(in: -60...60, using: &luck))
        default: .pass(30)
        }
    }

    private static func fate(_ trouble: Int, using luck: inout Seeded) -> Fate {
        guard Int.random(in: 0..<12, using: &luck) < trouble else { return .answered }
        return [.failed, .answerLost, .answerLost, .late].randomElement(using: &luck) ?? .failed
    }

    private static func reply(_ bent: Bent, using luck: inout Seeded) -> Reply {
        if bent == .givingUp, Bool.random(using: &luck) { return .rejectedForGood }
        guard Int.random(in: 0..<3, using: &luck) == 0 else { return .accepted }
        return [.refused, .refused, .refused, .rejectedForGood, .unspeakable, .unwritable].randomElement(using: &luck)
            ?? .refused
    }
}
