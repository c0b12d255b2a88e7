import Domain
import Testing
import Values

@testable import Journal

@Suite("Totals of webhooks")
struct WebhookTotalsTests {
    private static let group = EntityID.random()

    private func increment(_ webhook: Int32?, succeeded: Int = 0, failed: Int = 0, minute: Int64 = 0) -> StatsIncrement
    {
        var increment = StatsIncrement(
            webhook: webhook.map { WebhookKey(rawValue: $0) }, group: Self.group,
            minute: Instant(clampingMicroseconds: minute * 60_000_000))
        for _ in 0..<succeeded { increment.count.count(succeeded: true, latencyMicroseconds: 100) }
        for _ in 0..<failed { increment.count.count(succeeded: false, latencyMicroseconds: 1_000) }
        return increment
    }

    private func counted(_ totals: WebhookTotals, known: Set<Int32> = [1, 2, 3]) -> [Int32?: [Int64]] {
        let entries = totals.entries { known.contains($0.rawValue) }
        return Dictionary(
            uniqueKeysWithValues: entries.map { ($0.webhook?.rawValue, [$0.succeeded, $0.failed, $0.attemptTime]) })
    }

    @Test("add up what came of each, and of all beyond their number together")
    func bounded() {
        let totals = WebhookTotals(most: 2)
        totals.add([self.increment(1, succeeded: 2), self.increment(2, failed: 1), self.increment(3, succeeded: 5)])
        totals.add([self.increment(1, succeeded: 1, failed: 1), self.increment(nil), self.increment(3, failed: 1)])
        #expect(
            self.counted(totals) == [1: [3, 1, 1_300], 2: [0, 1, 1_000], nil: [5, 1, 1_500]])
    }

    @Test("give the place of one that was quiet for an hour, or is gone, to another")
    func places() {
        let totals = WebhookTotals(most: 2)
        totals.add([self.increment(1, succeeded: 1), self.increment(2, succeeded: 1, minute: 30)])
        totals.add([self.increment(3, succeeded: 1, minute: 59)])
        #expect(self.counted(totals).keys.contains(1))
        totals.add([self.increment(3, succeeded: 1, minute: 60)])
        #expect(self.counted(totals) == [2: [1, 0, 100], 3: [1, 0, 100], nil: [1, 0, 100]])
        #expect(self.counted(totals, known: [3]) == [3: [1, 0, 100], nil: [1, 0, 100]])
        totals.add([self.increment(1, succeeded: 4, minute: 61)])
        #expect(self.counted(totals)[1] == [4, 0, 400])
    }

    @Test("are none where there is to be none")
    func none() {
        let totals = WebhookTotals(most: 0)
        totals.add([self.increment(1, succeeded: 1)])
        #expect(self.counted(totals).isEmpty)
    }
}
