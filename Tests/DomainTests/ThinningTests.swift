import Domain
import Foundation
import TestSupport
import Testing
import Values

@Suite("What is left out of a thing's messages")
struct ThinningTests {
    /// A thing's messages to one webhook, one after the other.
    private struct Line {
        let thinning: Thinning
        var memory = Thinning.Memory()
        /// What went out, or waits to: when, and the number of the message.
        var out: [(at: Int64, message: Int)] = []
        var waiting: (at: Int64, message: Int)?
        private var ids: [MessageID] = []
        private var last: Int64 = 0

        init(_ change: (inout DeliveryPolicy) -> Void) throws {
            var policy = DeliveryPolicy()
            change(&policy)
            self.thinning = try #require(Thinning(policy))
        }

        /// - Parameter at: seconds.
        mutating func take(_ payload: String, at seconds: Double) -> String {
            let time = Self.start + Int64(seconds * 1_000)
            let id = MessageID(rawValue: MessageID.first(at: Instant(clampingMilliseconds: time)).rawValue)
            let bytes = Array(payload.utf8)
            var budget = EvaluationBudget()
            let judgment = self.thinning.judge(
                id, bytes, PayloadIndex(bytes, paths: PathSet(self.thinning.paths)), after: self.memory,
                budget: &budget)
            if let memory = judgment.memory { self.memory = memory }
            if let waiting, waiting.at <= time {
                self.out.append(waiting)
                self.waiting = nil
            }
            if judgment.replaced != nil { self.waiting = nil }
            self.ids.append(id)
            switch judgment.verdict {
            case .send:
                self.out.append((time, self.ids.count - 1))
                return "send"
            case .later(let due):
                self.waiting = (due.milliseconds, self.ids.count - 1)
                return "at \((due.milliseconds - Self.start) / 1_000)"
            case .leaveOut(.tooSoon): return "too soon"
            case .leaveOut(.duplicate): return "same"
            case .leaveOut(.replaced): return "replaced"
            }
        }

        static let start: Int64 = 1_800_000_000_000
    }

    private struct Case: Sendable {
        let what: String
        var rate: ThingRate?
        var duplicates: DuplicateRule?
        let messages: [(at: Double, payload: String, becomes: String)]
    }

    private static let cases: [Case] = [
        Case(
            what: "the newest goes out when the time is over, and the next waits as long", rate: ThingRate(every: 10),
            messages: [
                (0, "1", "send"), (3, "2", "at 10"), (9.9, "3", "at 10"), (12, "4", "at 20"), (20, "5", "at 30"),
                (55, "6", "send"),
            ]),
        Case(
            what: "what comes when the time is over goes out, if nothing waited", rate: ThingRate(every: 10),
            messages: [(0, "1", "send"), (10, "2", "send"), (19, "3", "at 20")]),
        Case(
            what: "the first goes out and the others do not", rate: ThingRate(every: 10, keep: .first),
            messages: [(0, "1", "send"), (3, "2", "too soon"), (9.9, "3", "too soon"), (10, "4", "send")]),
        Case(
            what: "a change at one of the paths goes out at once, in the place of what waits",
            rate: ThingRate(every: 10, bypass: ["alarm", "door.open"]),
            messages: [
                (0, #"{"t":1}"#, "send"), (1, #"{"t":2}"#, "at 10"), (2, #"{"t":3,"alarm":true}"#, "send"),
                (3, #"{"t":4,"alarm": true}"#, "at 12"), (4, #"{"t":5}"#, "at 12"), (5, #"{"alarm":null}"#, "at 12"),
                (6, #"{"alarm":false}"#, "send"), (7, #"{"door":{"open":1}}"#, "send"),
                (8, #"{"door":{"open":1.0}}"#, "at 17"), (9, "no json", "at 17"),
            ]),
        Case(
            what: "the whole payload is compared byte by byte, until it is another", duplicates: DuplicateRule(),
            messages: [
                (0, #"{"a":1}"#, "send"), (1, #"{"a":1}"#, "same"), (90_000, #"{"a":1}"#, "same"),
                (90_001, #"{"a":1.0}"#, "send"), (90_002, #"{"a":1}"#, "send"), (90_003, "\u{0}", "send"),
                (90_004, "\u{0}", "same"),
            ]),
        Case(
            what: "a value is the same however it is written, and where there is none nothing is the same",
            duplicates: DuplicateRule(path: "a.b", within: 10),
            messages: [
                (0, #"{"a":{"b":1}}"#, "send"), (1, #"{"x":2,"a":{"b":1.0}}"#, "same"), (2, #"{"a":{}}"#, "send"),
                (3, #"{"a":{}}"#, "send"), (4, #"{"a":{"b":10e-1}}"#, "same"), (9.9, #"{"a":{"b":1}}"#, "same"),
                (10, #"{"a":{"b":1}}"#, "send"), (11, #"{"a":{"b":"1"}}"#, "send"), (12, #"{"a":{"b":1}}"#, "send"),
            ]),
        Case(
            what: "what says the same as the one that waits is left out, and an urgent one is never",
            rate: ThingRate(every: 10, bypass: ["alarm"]), duplicates: DuplicateRule(path: "t"),
            messages: [
                (0, #"{"t":1}"#, "send"), (1, #"{"t":1}"#, "same"), (2, #"{"t":2}"#, "at 10"), (3, #"{"t":2}"#, "same"),
                (4, #"{"t":2,"alarm":1}"#, "send"), (5, #"{"t":2,"alarm":1}"#, "same"),
            ]),
        Case(
            what: "a clock that is set back neither keeps everything waiting nor makes everything the same",
            rate: ThingRate(every: 10, keep: .first), duplicates: DuplicateRule(within: 10),
            messages: [(90_000, "1", "send"), (0, "1", "send"), (1, "2", "too soon"), (10, "2", "send")]),
    ]

    @Test("is decided by when a message comes and what it says", arguments: ThinningTests.cases.indices)
    func decided(index: Int) throws {
        let each = Self.cases[index]
        var line = try Line { ($0.perThing, $0.duplicates) = (each.rate, each.duplicates) }
        for message in each.messages {
            let becomes = line.take(message.payload, at: message.at)
            #expect(becomes == message.becomes, "\(each.what): \(message.payload) at \(message.at)")
        }
    }

    @Test(
        "is never so much that the newest is not sent, nor so little that two are sent in one span", arguments: 1...40)
    func properties(seed: UInt64) throws {
        var generator = Seeded(seed)
        let every = Int64.random(in: 1...20, using: &generator)
        var line = try Line { $0.perThing = ThingRate(every: every) }
        var time = 0.0
        var arrivals: [Int64] = []
        for number in 0..<300 {
            time += [0.001, 0.3, 2, Double(every), 60].randomElement(using: &generator) ?? 1
            _ = line.take("\(number)", at: time)
            arrivals.append(Line.start + Int64(time * 1_000))
            // It is remembered as it is stored.
            let stored = try JSONEncoder().encode(line.memory)
            #expect(try JSONDecoder().decode(Thinning.Memory.self, from: stored) == line.memory)
        }
        if let waiting = line.waiting { line.out.append(waiting) }
        #expect(line.out.last?.message == 299, "the newest goes out though nothing comes behind it")
        for (one, next) in zip(line.out, line.out.dropFirst()) {
            #expect(next.at - one.at >= every * 1_000 && one.message < next.message)
        }
        for (number, arrival) in arrivals.enumerated() {
            let isHeard = line.out.contains { $0.message >= number && $0.at <= arrival + every * 1_000 }
            #expect(isHeard, "it goes out itself within the span, or a newer one does")
        }
    }

    @Test("is said in words that its owners can read, with the setting that does it")
    func words() {
        #expect(Thinning.Reason.tooSoon(every: 5).words.contains("5 s before (rate_limit.per_thing)"))
        #expect(Thinning.Reason.replaced.words.contains("rate_limit.per_thing"))
        #expect(Thinning.Reason.duplicate(path: "a.b").words.contains("at a.b"))
        #expect(Thinning.Reason.duplicate(path: nil).words.contains("(duplicates)"))
    }

    @Test("is nothing where nothing is to be, and of a webhook that events make fire")
    func none() throws {
        #expect(Thinning(DeliveryPolicy()) == nil)
        var policy = DeliveryPolicy()
        policy.duplicates = DuplicateRule()
        var options = WebhookOptions()
        options.trigger = Trigger(kind: .thingCreated)
        #expect(throws: InvalidField("duplicates", "goes with the triggers MESSAGE and LOG_EVENT alone")) {
            try WebhookDraft(name: "n", url: "http://example.com", headers: [], policy: policy, options: options)
        }
    }
}
