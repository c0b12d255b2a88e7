import Domain
import Journal
import StoreTestSupport
import Testing

@testable import Queue

@Suite("What is done about the answer to a settlement")
struct SettlePlanTests {
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

    @Test("what goes back beside a result that the database refuses is not divided, and comes behind it")
    func beside() throws {
        let results = try self.results(5).enumerated().map { number, result in
            number.isMultiple(of: 2)
                ? DeliveryResult(delivery: result.delivery, ending: .released, attempt: nil) : result
        }
        var plan = SettlePlan()
        plan.add(results)
        #expect(try self.settlement(plan.handle(.refused)) == ([1, 3], 1, .whole))
        #expect(try self.settlement(plan.handle(.refused)) == ([1], 1, .whole))
        #expect(try self.settlement(plan.handle(.done)) == ([3], 2, .whole))
        #expect(try self.settlement(plan.handle(.done)) == ([0, 2, 4], 3, .whole))
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
}
