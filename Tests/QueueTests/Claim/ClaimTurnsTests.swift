import Domain
import TestSupport
import Testing

@testable import Queue

@Suite("Whose turn it is to claim", .ownThreads)
struct ClaimTurnsTests {
    private let groups = (0..<4).map { _ in EntityID.random() }

    private func wish(
        _ key: Int32, of group: Int = 0, most: Int = 100, isFirst: Bool = true, isInOrder: Bool = false
    ) -> ClaimWish {
        ClaimWish(
            webhook: WebhookKey(rawValue: key), group: self.groups[group], isInOrder: isInOrder, most: most,
            isFirst: isFirst)
    }

    private func turns(lanes: Int = 4, looks: Int = 256, _ wishes: [ClaimWish]) -> ClaimTurns {
        var limits = ClaimTurns.Limits()
        (limits.lanes, limits.deliveries, limits.laneDeliveries, limits.bytes, limits.looks) = (
            lanes, 80, 50, 800, looks
        )
        (limits.worthwhile, limits.worthwhileAtFirst) = (20, 10)
        var turns = ClaimTurns(limits: limits)
        for wish in wishes { turns.add(wish) }
        return turns
    }

    /// The webhooks of the next statement.
    private func next(_ turns: inout ClaimTurns, without full: Set<Int32> = []) -> [Int32] {
        turns.next { wish, most, bytes in
            full.contains(wish.webhook.rawValue)
                ? nil : LaneLedger.ClaimRoom(deliveries: most, bytes: bytes, seesAllSpills: true)
        }.map(\.wish.webhook.rawValue)
    }

    @Test("goes round, several at a time, each with its part")
    func round() {
        var turns = self.turns((1...6).map { self.wish($0) })
        let first = turns.next { wish, most, bytes in
            LaneLedger.ClaimRoom(deliveries: most, bytes: bytes, seesAllSpills: true)
        }
        #expect(first.map(\.wish.webhook.rawValue) == [1, 2, 3, 4])
        #expect(first.map(\.room.deliveries) == [20, 20, 20, 20] && first.map(\.room.bytes) == [200, 200, 200, 200])
        for key in 1...4 as ClosedRange<Int32> { turns.add(self.wish(key, isFirst: false)) }
        #expect(self.next(&turns) == [5, 6, 1, 2])
        #expect(self.next(&turns) == [3, 4])
        #expect(self.next(&turns) == [])
    }

    @Test("lets one alone have more, but no more than it wants")
    func alone() {
        for (wanted, most) in [(100, 50), (7, 7)] {
            var turns = self.turns([self.wish(1, most: wanted)])
            let turn = turns.next { LaneLedger.ClaimRoom(deliveries: min($0.most, $1), bytes: $2, seesAllSpills: true) }
            #expect(turn.map(\.room.deliveries) == [most])
        }
    }

    @Test("gives to those who want much what those who want little leave")
    func parts() {
        var turns = self.turns([self.wish(1, most: 3), self.wish(2), self.wish(3, most: 10), self.wish(4)])
        let next = turns.next { LaneLedger.ClaimRoom(deliveries: min($0.most, $1), bytes: $2, seesAllSpills: true) }
        #expect(next.map(\.room.deliveries) == [3, 33, 10, 33])
    }

    @Test("serves few at a time who come again and want much, rather than many with a little of it each")
    func worthwhile() {
        var turns = self.turns(lanes: 9, (1...9).map { self.wish($0, most: $0 < 3 ? 2 : 100, isFirst: false) })
        #expect(self.next(&turns) == [1, 2, 3, 4, 5, 6])
        #expect(self.next(&turns) == [7, 8, 9])
    }

    @Test("serves many at a time who come for the first time: most of them have little")
    func worthwhileAtFirst() {
        var turns = self.turns(lanes: 12, (1...9).map { self.wish($0) })
        #expect(self.next(&turns) == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(self.next(&turns) == [9])
    }

    @Test("serves a first claim before those that come again, and never these alone nor never")
    func short() {
        var turns = self.turns((1...9).map { self.wish($0, isFirst: false) } + [self.wish(20)])
        #expect(self.next(&turns) == [20, 1, 2, 3])
        for key in 30...60 as ClosedRange<Int32> { turns.add(self.wish(key)) }
        #expect(self.next(&turns) == [30, 31, 32, 4])
    }

    @Test("lets who has no room keep its place, and passes it by")
    func noRoom() {
        var turns = self.turns((1...6).map { self.wish($0) })
        #expect(self.next(&turns, without: [1, 3]) == [2, 4, 5, 6])
        #expect(self.next(&turns, without: Set(1...9)) == [])
        turns.add(self.wish(7))
        #expect(self.next(&turns) == [1, 3, 7])
    }

    @Test("does not look through all that wait for room")
    func looks() {
        var turns = self.turns(looks: 3, (1...6).map { self.wish($0) })
        #expect(self.next(&turns, without: [1, 2, 3]) == [])
        #expect(self.next(&turns, without: [1, 2]) == [3, 4, 5, 6])
    }

    @Test("serves a webhook in strict order alone, in its turn")
    func strict() {
        var turns = self.turns([
            self.wish(1), self.wish(2, isInOrder: true), self.wish(3), self.wish(4, isFirst: false),
        ])
        #expect(self.next(&turns) == [1, 3, 4])
        turns.add(self.wish(5))
        #expect(self.next(&turns) == [2])
        #expect(self.next(&turns) == [5])
    }

    @Test("forgets a wish that is taken back")
    func withdrawn() {
        var turns = self.turns([self.wish(1), self.wish(2), self.wish(3, isFirst: false)])
        let taken = [2, 3, 2].map { turns.withdraw(WebhookKey(rawValue: $0), of: self.groups[0]) }
        #expect(taken == [true, true, false])
        #expect(self.next(&turns) == [1])
        let granted = turns.withdraw(WebhookKey(rawValue: 1), of: self.groups[0])
        #expect(!granted, "it is being granted")
    }

    @Test("gives groups turns, however many lanes of one wait, and a group's lanes turns among themselves")
    func turnsOfGroups() {
        var turns = self.turns((1...9).map { self.wish($0) } + [self.wish(20, of: 1), self.wish(30, of: 2)])
        #expect(self.next(&turns) == [1, 20, 30, 2])
        turns.add(self.wish(21, of: 1, isFirst: false))
        turns.add(self.wish(22, of: 1))
        #expect(self.next(&turns) == [3, 22, 4, 21])
        #expect(self.next(&turns) == [5, 6, 7, 8])
        #expect(self.next(&turns) == [9])
        #expect(turns.count == 0)
    }

    @Test("goes on behind the group that was served last")
    func odd() {
        var turns = self.turns(lanes: 3, (1...6).map { self.wish($0) } + (11...16).map { self.wish($0, of: 1) })
        #expect(self.next(&turns) == [1, 11, 2])
        #expect(self.next(&turns) == [12, 3, 13])
        #expect(self.next(&turns) == [4, 14, 5])
    }

    @Test("looks at another group's lane before many of one that have no room, and does not take that one's turn")
    func groupWithoutRoom() {
        var turns = self.turns(looks: 3, (1...100).map { self.wish($0) } + [self.wish(200, of: 1)])
        let crowd = Set(1...100 as ClosedRange<Int32>)
        #expect(self.next(&turns, without: crowd) == [200])
        turns.add(self.wish(201, of: 1))
        #expect(self.next(&turns, without: [1]) == [201, 2, 3, 4])
        #expect(self.next(&turns) == [1, 5, 6, 7])
    }

    @Test(
        "serves groups that wait equally often, and everyone once, whatever their lines",
        arguments: 0..<40 as Range<UInt64>)
    func schedule(seed: UInt64) {
        var generator = Seeded(seed)
        var waiting: [Int: Set<Int32>] = [:]
        var turns = self.turns(lanes: .random(in: 1...9, using: &generator), [])
        var number: Int32 = 0
        for group in self.groups.indices {
            for _ in 0..<Int.random(in: 1...200, using: &generator) {
                number += 1
                turns.add(self.wish(number, of: group, most: .random(in: 1...100, using: &generator)))
                waiting[group, default: []].insert(number)
            }
        }
        var served = [Int](repeating: 0, count: self.groups.count)
        while true {
            let next = self.next(&turns)
            if next.isEmpty { break }
            for key in next {
                guard let group = waiting.first(where: { $0.value.contains(key) })?.key else {
                    Issue.record("\(key) was served twice")
                    continue
                }
                waiting[group]?.remove(key)
                served[group] += 1
                if waiting.values.allSatisfy({ !$0.isEmpty }) {
                    #expect((served.max() ?? 0) - (served.min() ?? 0) <= 1)
                }
            }
            for group in self.groups.indices where Int.random(in: 0..<20, using: &generator) == 0 {
                guard let key = waiting[group]?.min() else { continue }
                let wasWaiting = turns.withdraw(WebhookKey(rawValue: key), of: self.groups[group])
                #expect(wasWaiting)
                waiting[group]?.remove(key)
            }
        }
        #expect(waiting.values.allSatisfy(\.isEmpty) && turns.count == 0)
    }
}
