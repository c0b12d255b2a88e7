import Domain
import Testing
import Values

@testable import Journal

@Suite("How counts get into the database")
struct TallyPlanTests {
    @Test("is a thousand rows at a time, each part under a number of its own, and all of them once")
    func parts() {
        let minute = Instant(clampingMilliseconds: 1_800_000_000_000)
        let increments = (0..<2_500).map { number in
            StatsIncrement(webhook: WebhookKey(rawValue: Int32(number)), group: .random(), minute: minute)
        }
        let skip = Skip(
            delivery: DeliveryID(message: MessageID(rawValue: 1), webhook: WebhookKey(rawValue: 1)), group: .random(),
            thing: .random(), reason: "unmet", at: minute)
        var plan = TallyPlan()
        plan.add([], [])
        #expect(plan.next == nil)
        plan.add(increments, [skip])
        var written: [TallyPlan.Part] = []
        while let part = plan.next {
            written.append(part)
            plan.written()
        }
        #expect(written.map(\.increments.count).sorted() == [500, 1_000, 1_000])
        #expect(written.map(\.number) == [1, 2, 3])
        #expect(Set(written.flatMap(\.increments).compactMap(\.webhook)).count == 2_500)
        #expect(written.flatMap(\.skips).count == 1)
        plan.add([], [skip])
        #expect(plan.next?.skips.count == 1)
    }
}
