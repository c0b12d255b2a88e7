import Logging
import Observability
import Synchronization
import Testing

/// What is said of something that is tried, second by second.
private struct Story {
    private let start = ContinuousClock.now
    private var recurrence = Recurrence(shortest: .seconds(10))
    private(set) var said: [Int] = []
    private(set) var ended: [Int] = []

    func at(_ second: Int) -> ContinuousClock.Instant { self.start + .seconds(second) }

    mutating func fails(_ seconds: some Sequence<Int>, because reason: (Int) -> String = { _ in "away" }) {
        for second in seconds where self.recurrence.failed(reason(second), at: self.at(second)) != nil {
            self.said.append(second)
        }
    }

    mutating func happens(_ seconds: some Sequence<Int>) {
        for second in seconds where self.recurrence.happened(at: self.at(second)) != nil { self.said.append(second) }
    }

    mutating func works(at second: Int) {
        if self.recurrence.over(at: self.at(second)) != nil { self.ended.append(second) }
    }
}

@Suite("What goes wrong again and again")
struct RecurrenceTests {
    @Test("is said at once, and then at intervals that grow to ten minutes")
    func grows() {
        var story = Story()
        story.fails(0...3_000)
        #expect(story.said == [0, 10, 30, 70, 150, 310, 630, 1_230, 1_830, 2_430])
    }

    @Test("is said to be over, once, and at once if it comes again after a while")
    func ends() {
        var story = Story()
        story.works(at: 0)
        story.fails(1...2_000)
        for second in 2_001...2_060 { story.works(at: second) }
        story.fails([2_061])
        #expect(story.said.last == 2_061 && story.ended == [2_001])
    }

    @Test("is not said anew each time that it pauses")
    func flaps() {
        var story = Story()
        for second in stride(from: 0, to: 3_600, by: 6) {
            story.fails([second])
            story.works(at: second + 3)
        }
        #expect((50...64).contains(story.said.count), "\(story.said)")
        #expect(story.ended.count == story.said.count, "an end that nobody was told the beginning of says nothing")
    }

    @Test("is said within ten seconds if the reason is another one, but not for ever if all differ")
    func reasons() {
        var story = Story()
        story.fails(0...199) { $0 < 155 ? "away" : "full" }
        #expect(story.said == [0, 10, 30, 70, 150, 160])
        var other = Story()
        other.fails(0...3_600) { "process \($0)" }
        #expect(other.said.count < 20, "\(other.said)")
    }

    @Test("is said once a minute at most if nobody can say when it ends")
    func happens() {
        var story = Story()
        story.happens(0...400)
        #expect(story.said == [0, 10, 30, 70, 130, 190, 250, 310, 370])
        story.happens([500])
        #expect(story.said.last == 500)
    }

    @Test(
        "has kept something from being done if it lasts, and was tried of late",
        arguments: [
            (0, 0, 5, nil), (0, 5, 9, nil), (0, 10, 10, 10), (0, 300, 310, 310), (0, 300, 390, 390), (0, 300, 391, nil),
        ] as [(Int, Int, Int, Int?)])
    func lasts(since: Int, last: Int, now: Int, seconds: Int?) {
        let story = Story()
        let trouble = Recurrence.Trouble(since: story.at(since), last: story.at(last), reason: "full")
        #expect(trouble.lasted(at: story.at(now)) == seconds.map { .seconds($0) })
    }

    @Test("stands in the log with its reason, how often nothing was said, and how long it lasted")
    func lines() throws {
        let lines = Mutex<[String]>([])
        let logger = Logger(label: "test") { label in
            LineLogHandler(label: label, level: .info, format: .text) { line in lines.withLock { $0.append(line) } }
        }
        let now = Mutex(ContinuousClock.now)
        let log = RateLimitedLog(logger: logger) { now.withLock { $0 } }
        log.over("commit")
        for _ in 0..<25 {
            log.trouble("commit", "cannot be committed", "disk full at 10.0.0.1", inWords: "disk full")
            now.withLock { $0 += .seconds(1) }
        }
        #expect(log.trouble("commit")?.reason == "disk full" && log.trouble("commit")?.times == 25)
        log.over("commit")
        log.over("commit")
        #expect(log.trouble("commit") == nil && log.trouble("other") == nil)
        let said = lines.withLock { $0 }
        try #require(said.count == 3, "\(said)")
        #expect(said.first?.contains("WARNING  cannot be committed error=\"disk full at 10.0.0.1\"\n") == true)
        #expect(said.dropFirst().first?.contains("not_logged=\"9\"") == true)
        #expect(said.last?.contains("NOTICE   no longer so") == true)
        #expect(said.last?.contains(#"seconds="25" times="25" what="cannot be committed""#) == true)
    }
}
