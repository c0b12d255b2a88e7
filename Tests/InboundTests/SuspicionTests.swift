import Inbound
import MQTT
import Testing

@Suite("An event that the broker does not take")
struct SuspicionTests {
    private static let lost = MQTTError(kind: .connectionLost, message: "gone")

    private func events(_ numbers: Int64..., age: Duration = .zero) -> [(number: Int64, age: Duration)] {
        numbers.map { ($0, age) }
    }

    @Test("is given up when it never will, and waits when it might")
    func refused() {
        let (never, notNow) = (PublishRefusal(code: 144), PublishRefusal(code: 135))
        var suspicion = Suspicion()
        let report = PublishReport(outcomes: [.taken, .refused(never), .refused(notNow), .taken])
        let verdicts = suspicion.judge(self.events(1, 2, 3, 4), report)
        #expect(verdicts.taken == [1, 4] && verdicts.postponed == [3] && verdicts.again == [])
        #expect(verdicts.refused.map(\.0) == [2] && verdicts.refused.map(\.1) == [never.reason])
        #expect(verdicts.postponedBecause == notNow.reason && !suspicion.isOpen)
        // Not for ever.
        let old = suspicion.judge(
            self.events(3, age: Suspicion.patience + .seconds(1)), PublishReport(outcomes: [.refused(notNow)]))
        #expect(old.refused.map(\.0) == [3] && old.postponed == [])
    }

    @Test("is found by publishing one at a time, and then holds nobody up")
    func found() {
        var suspicion = Suspicion()
        let several = suspicion.judge(
            self.events(1, 2, 3, 4),
            PublishReport(outcomes: [.taken, .unanswered, .unanswered, .unsent], failure: Self.lost))
        #expect(several.taken == [1] && several.again == [2, 3, 4] && several.postponed == [])
        #expect(suspicion.isOpen)
        // Once may be the connection's fault.
        let alone = PublishReport(outcomes: [.taken, .unanswered, .unsent], failure: Self.lost)
        let once = suspicion.judge(self.events(2, 3, 4), alone)
        #expect(once.taken == [2] && once.again == [3, 4] && once.postponed == [])
        let twice = suspicion.judge(
            self.events(3, 4), PublishReport(outcomes: [.unanswered, .unsent], failure: Self.lost))
        #expect(twice.again == [4] && twice.postponed == [3] && suspicion.isOpen)
        let others = suspicion.judge(self.events(4), PublishReport(outcomes: [.taken]))
        #expect(others.taken == [4] && !suspicion.isOpen)
    }

    @Test("is not suspected when the connection ends at another, or was never made")
    func innocent() {
        var suspicion = Suspicion()
        _ = suspicion.judge(self.events(1), PublishReport(outcomes: [.unanswered], failure: Self.lost))
        let other = suspicion.judge(
            self.events(1, 2), PublishReport(outcomes: [.taken, .unanswered], failure: Self.lost))
        #expect(other.postponed == [] && other.again == [2])
        let first = suspicion.judge(self.events(1), PublishReport(outcomes: [.unanswered], failure: Self.lost))
        #expect(first.postponed == [])
        var fresh = Suspicion()
        let unsent = fresh.judge(self.events(1, 2), PublishReport(outcomes: [.unsent, .unsent], failure: Self.lost))
        #expect(unsent.again == [1, 2] && !fresh.isOpen)
    }
}
