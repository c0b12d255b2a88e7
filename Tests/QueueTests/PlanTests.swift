import Domain
import Journal
import TestSupport
import Testing

@testable import Queue

@Suite("What is done about an answer")
struct PlanTests {
    // MARK: Commits

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

    // MARK: Settlements

    private func results(_ count: Int) throws -> [DeliveryResult] {
        let target = WebhookTarget(
            key: WebhookKey(rawValue: 1), id: .random(), group: .random(), version: 1,
            url: try WebhookURL("http://example.com"), headers: [])
        return (0..<count).map { number in
            let message = Message(
                id: MessageID(rawValue: Int64(number)), thing: .random(), group: target.group, subtopic: "",
                contentType: "a/b", payload: [], traceparent: nil, isKept: false, receivedNanoseconds: nil)
            return DeliveryResult(
                delivery: Delivery(message: message, webhook: target), ending: .failed(reason: "because"),
                attempt: AttemptRecord(
                    at: 1, latencyMicroseconds: 1, status: nil, error: "said", response: [0x6F, 0x6B],
                    peculiarities: .init(target: "/x")))
        }
    }

    private func settlement(_ step: SettlePlan.Step) throws -> (ids: [Int64], number: Int64, detail: SettlementDetail) {
        guard case .write(let settlement) = step else {
            Issue.record("nothing is to be written")
            throw CancellationError()
        }
        return (settlement.results.map(\.delivery.message.id.rawValue), settlement.number, settlement.detail)
    }

    @Test("a settlement whose answer is lost is written again under its number, and the next one under the next")
    func settleAgain() throws {
        var plan = SettlePlan()
        plan.add(try self.results(3))
        #expect(try self.settlement(plan.next) == ([0, 1, 2], 1, .whole))
        guard case .wait = plan.handle(.outage) else { Issue.record("it has to wait"); return }
        #expect(try self.settlement(plan.next) == ([0, 1, 2], 1, .whole))
        guard case .finished = plan.handle(.done) else { Issue.record("nothing is left"); return }
        plan.add(try self.results(1))
        #expect(try self.settlement(plan.next) == ([0], 2, .whole))
    }

    @Test("a result that the database refuses holds up no other, and is written with less of itself")
    func poisonedResult() throws {
        var plan = SettlePlan()
        plan.add(try self.results(4))
        #expect(try self.settlement(plan.handle(.refused)) == ([0, 1], 1, .whole))
        #expect(try self.settlement(plan.handle(.done)) == ([2, 3], 2, .whole))
        #expect(try self.settlement(plan.handle(.refused)) == ([2], 2, .whole))
        #expect(try self.settlement(plan.handle(.refused)) == ([2], 2, .withoutTexts))
        #expect(try self.settlement(plan.handle(.refused)) == ([2], 2, .stateAlone))
        #expect(try self.settlement(plan.handle(.done)) == ([3], 3, .whole))
        guard case .finished = plan.handle(.done) else { Issue.record("nothing is left"); return }
    }

    @Test("what is left of a result without its texts was said by nobody else")
    func withoutTexts() throws {
        let result = try self.results(1)[0].withoutTexts
        #expect(result.attempt?.response == nil && result.attempt?.peculiarities?.target == nil)
        #expect(result.attempt?.error != "said" && result.attempt?.error != nil)
        guard case .failed(let reason) = result.ending else { Issue.record("it has failed"); return }
        #expect(reason != "because")
    }

    // MARK: Leases

    private func leased(_ numbers: Int64...) -> HeldRows.Leased {
        var leased = HeldRows.Leased()
        leased.single = Set(
            numbers.map { DeliveryID(message: MessageID(rawValue: $0), webhook: WebhookKey(rawValue: 1)) })
        return leased
    }

    @Test("a lease that two looks in a row find unheld is released, and looks are made only when there is doubt")
    func audit() {
        var audit = LeaseAudit()
        #expect(!audit.isDue)
        audit.doubt()
        #expect(audit.looked(self.leased(1, 2)).isEmpty)
        #expect(audit.isDue)
        #expect(audit.looked(self.leased(2, 3)) == self.leased(2))
        #expect(audit.isDue, "3 was seen for the first time")
        #expect(audit.looked(self.leased()).isEmpty)
        #expect(!audit.isDue)
    }

    @Test("what is held is no orphan for as long as anything of it is in memory")
    func held() throws {
        let held = HeldRows()
        let target = WebhookTarget(
            key: WebhookKey(rawValue: 1), id: .random(), group: .random(), version: 1,
            url: try WebhookURL("http://example.com"), headers: [])
        let message = Message(
            id: MessageID(rawValue: 7), thing: .random(), group: target.group, subtopic: "", contentType: "a/b",
            payload: [], traceparent: nil, isKept: false, receivedNanoseconds: nil)
        var deliveries = [Delivery(message: message, webhook: target, isLeased: true)]
        deliveries.formBatches(onStart: held.hold, onEnd: held.onEnd)
        var leased = HeldRows.Leased()
        leased.batches = [try #require(deliveries[0].batch?.row)]
        #expect(held.orphans(among: leased).isEmpty)
        // Formed again for a second try, while the first is still there.
        var again = deliveries
        again.formBatches(onStart: held.hold, onEnd: held.onEnd)
        deliveries = []
        #expect(held.orphans(among: leased).isEmpty)
        again = []
        #expect(held.orphans(among: leased) == leased)
        held.hold([DeliveryID(message: message.id, webhook: target.key)])
        #expect(held.orphans(among: self.leased(7)).isEmpty)
        held.end([DeliveryID(message: message.id, webhook: target.key)])
        #expect(!held.orphans(among: self.leased(7)).isEmpty)
    }

    // MARK: Commits that were given up

    private func message(_ id: Int64, _ payload: String) -> Message {
        Message(
            id: MessageID(rawValue: id), thing: Message.noThing, group: .random(), subtopic: "s", contentType: "a/b",
            payload: Array(payload.utf8), traceparent: nil, isKept: false, receivedNanoseconds: nil)
    }

    @Test("a message that comes again after its commit was given up is known by what it says, as often as it came")
    func unresolved() {
        var commits = UnresolvedCommits()
        commits.note([self.message(1, "a"), self.message(2, "a"), self.message(3, "b")])
        let again = [self.message(11, "a"), self.message(12, "c")]
        #expect(commits.former(of: again) == [MessageID(rawValue: 2)])
        #expect(commits.former(of: again) == [MessageID(rawValue: 2)], "until it is settled")
        commits.settle(again)
        #expect(commits.former(of: again) == [MessageID(rawValue: 1)])
        commits.settle([self.message(13, "a"), self.message(14, "b")])
        #expect(commits.isEmpty)
    }
}
