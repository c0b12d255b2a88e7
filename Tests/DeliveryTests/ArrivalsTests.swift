import Domain
import Testing
import Values

@testable import Delivery

@Suite("What comes for webhooks that have no lane yet")
struct ArrivalsTests {
    private let group = EntityID.random()

    private func key(_ number: Int32) -> WebhookKey { WebhookKey(rawValue: number) }

    @Test("is taken in the order in which the webhooks came, each with all that came for it")
    func order() {
        var arrivals = Arrivals()
        #expect(arrivals.isEmpty && arrivals.first == nil)
        arrivals[self.key(7), of: self.group].hasBacklog = true
        arrivals[self.key(3), of: self.group].due = Instant(milliseconds: 5)
        arrivals[self.key(7), of: self.group].due = Instant(milliseconds: 9)
        #expect(arrivals.count == 2 && arrivals.contains(self.key(3)) && !arrivals.contains(self.key(1)))
        #expect(arrivals.first == self.key(7))
        let first = arrivals.remove(self.key(7))
        #expect(first?.hasBacklog == true && first?.due == Instant(milliseconds: 9))
        #expect(arrivals.first == self.key(3))
        // Its lane was made for something else; then it was forgotten, and something came again.
        #expect(arrivals.remove(self.key(3))?.hasBacklog == false && arrivals.isEmpty)
        #expect(arrivals.remove(self.key(3)) == nil && arrivals.first == nil)
        arrivals[self.key(3), of: self.group].hasBacklog = true
        #expect(arrivals.first == self.key(3))
    }

    @Test("is not there because it was looked for")
    func looking() {
        let arrivals = Arrivals()
        #expect(arrivals[self.key(1)].deliveries.isEmpty && arrivals.isEmpty && !arrivals.contains(self.key(1)))
    }

    @Test("is all taken, whatever was taken out of turn meanwhile", arguments: [1, 2, 3, 10])
    func outOfTurn(step: Int32) {
        var arrivals = Arrivals()
        var taken: [WebhookKey] = []
        for number in 0..<200 as Range<Int32> {
            arrivals[self.key(number), of: self.group].hasBacklog = true
            // Two steps behind, so that it comes again while others are there.
            let again = self.key(number / step)
            if number % step == 0, arrivals.remove(again) != nil { arrivals[again, of: self.group].hasBacklog = true }
            if number % 7 == 0, let first = arrivals.first, arrivals.remove(first) != nil { taken.append(first) }
        }
        while let first = arrivals.first {
            #expect(arrivals.remove(first) != nil)
            taken.append(first)
        }
        #expect(arrivals.isEmpty && Set(taken) == Set((0..<200).map(self.key)))
    }

    @Test("gives groups turns, however many webhooks of one there are")
    func groups() {
        var arrivals = Arrivals()
        for number in 0..<5 as Range<Int32> { arrivals[self.key(number), of: self.group].hasBacklog = true }
        arrivals[self.key(20), of: .random()].hasBacklog = true
        // Of a webhook that was removed nobody knows the group.
        arrivals[self.key(30), of: nil].hasBacklog = true
        var taken: [WebhookKey] = []
        while let first = arrivals.first {
            #expect(arrivals.first == first, "it is its turn until it is removed")
            arrivals.remove(first)
            taken.append(first)
        }
        #expect(taken == [0, 20, 30, 1, 2, 3, 4].map(self.key))
    }
}
