import Testing

@testable import Delivery

@Suite("When results are written")
struct RecordingPaceTests {
    private var pace = RecordingPace(delay: 20, interval: 200)

    @Test("after a pause soon, then no more often than the interval")
    mutating func gathers() {
        #expect(self.noted(at: 1_000) == 1_020)
        #expect(self.noted(at: 1_010) == nil, "it is written along")
        self.pace.wrote(now: 1_020)
        #expect(self.noted(at: 1_021) == 1_220)
        #expect(self.noted(at: 1_219) == nil)
        self.pace.wrote(now: 1_220)
        #expect(self.noted(at: 1_410) == 1_430, "never sooner than the delay, or they would not gather at all")
        self.pace.wrote(now: 1_430)
        #expect(self.noted(at: 5_000) == 5_020)
    }

    @Test("sooner for what is waited for, and not later for what comes then")
    mutating func urgent() {
        self.pace.wrote(now: 1_000)
        #expect(self.noted(at: 1_010) == 1_200)
        #expect(self.noted(at: 1_020, isUrgent: true) == 1_040)
        #expect(self.noted(at: 1_021) == nil)
        #expect(self.noted(at: 1_022, isUrgent: true) == nil)
        self.pace.wrote(now: 1_040)
        #expect(self.noted(at: 1_050) == 1_240)
        #expect(self.noted(at: 1_235, isUrgent: true) == nil, "it is written before that")
        #expect(self.noted(at: 1_236, isUrgent: true) == nil)
    }

    @Test("does not look at the clock when nothing depends on it")
    mutating func clock() {
        _ = self.noted(at: 1_000)
        let due = self.pace.note(
            isUrgent: false,
            now: {
                Issue.record("asked for the time")
                return 0
            }())
        #expect(due == nil)
    }

    private mutating func noted(at now: Int64, isUrgent: Bool = false) -> Int64? {
        self.pace.note(isUrgent: isUrgent, now: now)
    }
}
