import Domain
import Testing

@Suite("What is told of failures")
struct FailureStoryTests {
    /// Failures in a row after each delivery, or that it was disabled with them.
    private func tell(_ failures: [Int], limit: Int, disabledAt: Int = .max, mayBegin: Bool = true) -> [String] {
        var told: [String] = []
        var story = FailureStory(told: 0, mayBegin: mayBegin)
        for count in failures {
            let events = story.goOn(failures: count, limit: limit, isDisabled: count >= disabledAt)
            told += events.map { "\(count) \($0.rawValue)" }
        }
        return told
    }

    @Test("is one notice for each change, and none for each message")
    func changes() {
        let whole = self.tell(Array(1...20), limit: 20, disabledAt: 20)
        #expect(whole == ["1 WEBHOOK_FAILING", "10 WEBHOOK_HALF_LIMIT", "20 WEBHOOK_DISABLED"])
        #expect(self.tell([0, 0, 0], limit: 20) == [])
        #expect(self.tell([1, 2, 3, 0, 0], limit: 20) == ["1 WEBHOOK_FAILING", "0 WEBHOOK_RECOVERED"])
        #expect(self.tell(Array(1...500), limit: 0) == ["1 WEBHOOK_FAILING"])
    }

    @Test("leaves nothing out where many fail at once")
    func atOnce() {
        #expect(self.tell([15], limit: 20) == ["15 WEBHOOK_FAILING", "15 WEBHOOK_HALF_LIMIT"])
        #expect(self.tell([20], limit: 20, disabledAt: 20) == ["20 WEBHOOK_DISABLED"])
        #expect(self.tell([1], limit: 1, disabledAt: 1) == ["1 WEBHOOK_DISABLED"])
    }

    @Test("begins once in a while, but that one was disabled is told each time")
    func windows() {
        #expect(self.tell([1, 0, 1, 0, 15], limit: 20, mayBegin: false) == [])
        #expect(self.tell([20], limit: 20, disabledAt: 20, mayBegin: false) == ["20 WEBHOOK_DISABLED"])
        let twice = self.tell([20, 1, 20, 0], limit: 20, disabledAt: 20)
        #expect(twice == ["20 WEBHOOK_DISABLED", "20 WEBHOOK_DISABLED", "0 WEBHOOK_RECOVERED"])
    }

    @Test("goes on from what a newer version has told")
    func newer() {
        var story = FailureStory(told: 9, mayBegin: true)
        #expect(story.goOn(failures: 3, limit: 4, isDisabled: false) == [])
        #expect(story.goOn(failures: 0, limit: 4, isDisabled: false) == [.recovered])
    }
}
