import Testing

@testable import Delivery

@Suite("What is to be looked at again later")
struct LaneCalendarTests {
    @Test("comes when its second does, once, and what is over comes with the next look")
    func due() {
        var calendar = LaneCalendar<String>()
        for (entry, second) in [("a", 10), ("b", 12), ("c", 10), ("d", 5_000_000)] as [(String, Int64)] {
            calendar.add(entry, at: second)
        }
        #expect(calendar.take(until: 9).isEmpty)
        #expect(calendar.take(until: 11).sorted() == ["a", "c"])
        #expect(calendar.take(until: 11).isEmpty)
        calendar.add("late", at: 3)
        #expect(calendar.take(until: 12).sorted() == ["b", "late"])
        // The machine slept.
        #expect(calendar.take(until: 9_000_000) == ["d"])
        #expect(calendar.take(until: 9_000_001).isEmpty)
    }
}
