import Domain
import Journal
import TestSupport
import Testing

@testable import Queue

@Suite("What is done about the answer to a commit")
struct CommitPlanTests {
    @Test("a commit whose answer is lost is made again in a way that changes nothing if it was made")
    func lostAnswer() {
        var plan = CommitPlan(count: 4)
        #expect(plan.next == .write(0..<4))
        #expect(plan.handle(.outage(isUncertain: true)) == .wait)
        #expect(plan.next == .writeAgain(0..<4))
        #expect(plan.open.uncertain == 0..<4)
        // That nobody could be reached since does not make it certain.
        #expect(plan.handle(.outage(isUncertain: false)) == .wait)
        #expect(plan.next == .writeAgain(0..<4))
        #expect(plan.handle(.done) == .finished)
        #expect(plan.open.parts.isEmpty)
    }

    @Test("a commit that was certainly not made is made as at first")
    func outage() {
        var plan = CommitPlan(count: 4)
        #expect(plan.handle(.outage(isUncertain: false)) == .wait)
        #expect(plan.next == .write(0..<4))
        #expect(plan.open.uncertain == nil)
    }

    @Test("rows that are there already are looked at, and strangers among them are given way to")
    func strangers() {
        var plan = CommitPlan(count: 2)
        #expect(plan.handle(.occupied) == .writeAgain(0..<2))
        #expect(plan.handle(.strangers) == .renumber)
    }

    @Test("a batch is halved until the message at fault is alone, and that is refused only if another would be taken")
    func poison() {
        var plan = CommitPlan(count: 4)
        #expect(plan.handle(.refused) == .write(0..<2))
        #expect(plan.handle(.done) == .write(2..<4))
        #expect(plan.handle(.refused) == .write(2..<3))
        #expect(plan.handle(.refused) == .probe(2))
        // The database takes nothing at all: nothing is refused, and the same is tried again.
        #expect(plan.handle(.refused) == .wait)
        #expect(plan.next == .write(2..<3))
        #expect(plan.handle(.refused) == .probe(2))
        #expect(plan.handle(.done) == .refuse(2))
        #expect(plan.next == .write(3..<4))
        #expect(plan.handle(.done) == .finished)
    }

    @Test("every message is written or refused once, whatever fails in between", arguments: 0..<200 as Range<UInt64>)
    func property(seed: UInt64) {
        var generator = Seeded(seed)
        let count = Int.random(in: 1...20, using: &generator)
        let poison = Set((0..<count).filter { _ in Int.random(in: 0..<6, using: &generator) == 0 })
        var (database, written, refused, steps) = (Set<Int>(), [Int](), [Int](), 0)
        var plan = CommitPlan(count: count)
        var step = plan.next
        while step != .finished {
            steps += 1
            guard steps < 10_000 else {
                Issue.record("it does not end")
                return
            }
            let luck = Int.random(in: 0..<6, using: &generator)
            switch step {
            case .write(let part), .writeAgain(let part):
                if luck == 0 {
                    step = plan.handle(.outage(isUncertain: false))
                } else if !poison.isDisjoint(with: part) {
                    step = plan.handle(.refused)
                } else if case .write = step, !database.isDisjoint(with: part) {
                    step = plan.handle(.occupied)
                } else {
                    database.formUnion(part)
                    if luck == 1 {
                        step = plan.handle(.outage(isUncertain: true))
                    } else {
                        written += part
                        step = plan.handle(.done)
                    }
                }
            case .probe: step = plan.handle(luck == 0 ? .outage(isUncertain: true) : .done)
            case .refuse(let place):
                refused.append(place)
                step = plan.next
            case .wait: step = plan.next
            case .renumber, .finished: Issue.record("nothing asks for \(step)")
            }
        }
        #expect(Set(refused) == poison && refused.count == poison.count)
        #expect(written.sorted() == (0..<count).filter { !poison.contains($0) })
        #expect(database == Set(written))
    }
}
