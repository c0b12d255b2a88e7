import Domain
import Foundation
import Testing
import Values

@Suite("A webhook's delivery policy")
struct DeliveryPolicyTests {
    @Test("names the field at fault")
    func refused() {
        let cases: [(String, (inout DeliveryPolicy) -> Void)] = [
            ("success_statuses", { $0.successStatuses = [199] }),
            ("success_statuses", { $0.successStatuses = [600] }),
            ("success_statuses", { $0.successStatuses = [410] }),
            ("retry_schedule", { $0.retrySchedule = [] }),
            ("retry_schedule", { $0.retrySchedule = [0] }),
            ("retry_schedule", { $0.retrySchedule = [Int64](repeating: 1, count: 101) }),
            ("max_attempts", { $0.maxAttempts = 0 }), ("max_in_flight", { $0.maxInFlight = 0 }),
            ("max_in_flight", { $0.maxInFlight = 1_025 }),
            ("rate_limit.overflow", { $0.overflow = .dropOldest }),
            (
                "rate_limit.overflow",
                {
                    ($0.overflow, $0.rateLimit, $0.ordering) = (.latestPerThing, RateLimit(perSecond: 1), .thing)
                }
            ),
            (
                "rate_limit.per_thing",
                { ($0.perThing, $0.ordering) = (ThingRate(every: 1), .thing) }
            ),
            ("rate_limit.per_thing.every", { $0.perThing = ThingRate(every: 0) }),
            ("rate_limit.per_thing.every", { $0.perThing = ThingRate(every: 86_401) }),
            ("rate_limit.per_thing.bypass[1]", { $0.perThing = ThingRate(every: 1, bypass: ["a", "a..b"]) }),
            ("rate_limit.per_thing.bypass[0]", { $0.perThing = ThingRate(every: 1, bypass: [""]) }),
            (
                "rate_limit.per_thing.bypass",
                { $0.perThing = ThingRate(every: 1, bypass: Array(repeating: "a", count: 9)) }
            ),
            ("duplicates.path", { $0.duplicates = DuplicateRule(path: "a b") }),
            ("duplicates.within", { $0.duplicates = DuplicateRule(within: 0) }),
            ("max_age", { $0.maxAge = 0 }),
            ("failure_limit", { $0.failureLimit = -1 }),
            ("failure_limit", { $0.failureLimit = 1_001 }),
            ("failure_window", { $0.failureWindow = -1 }),
            ("rate_limit.per_second", { $0.rateLimit = RateLimit(perSecond: 0) }),
            ("rate_limit.burst", { $0.rateLimit = RateLimit(perSecond: 1, burst: 0) }),
        ]
        for (field, change) in cases {
            var policy = DeliveryPolicy()
            change(&policy)
            let error = #expect(throws: InvalidField.self) { try policy.check() }
            #expect(error?.field == field)
        }
    }

    @Test(
        "is stored so that the version before reads it, whatever order is wanted",
        arguments: DeliveryPolicy.Ordering.allCases)
    func stored(ordering: DeliveryPolicy.Ordering) throws {
        /// As it was read before.
        struct Before: Decodable {
            enum Ordering: String, Decodable { case none, thing }
            let ordering: Ordering?
        }
        var policy = DeliveryPolicy()
        policy.ordering = ordering
        let json = try JSONEncoder().encode(policy)
        #expect(try JSONDecoder().decode(DeliveryPolicy.self, from: json) == policy)
        #expect(
            try JSONDecoder().decode(Before.self, from: json).ordering
                == (ordering == .thing ? .thing : Before.Ordering.none))
        let former = Data(#"{"ordering":"none"}"#.utf8)
        #expect(try JSONDecoder().decode(DeliveryPolicy.self, from: former).ordering == .first)
    }

    @Test("has sensible defaults, all of them allowed")
    func defaults() throws {
        let policy = DeliveryPolicy()
        try policy.check()
        #expect(policy.failureLimit == 10 && policy.failureWindow == 300)
    }

    @Test("cuts the installation's schedule to its number of attempts, or draws it out")
    func schedule() {
        var defaults = DeliveryDefaults()
        defaults.retrySchedule = RetrySchedule(waits: [.seconds(5), .seconds(60)], jitter: 0)
        func waits(_ change: (inout DeliveryPolicy) -> Void) -> [Duration] {
            var policy = DeliveryPolicy()
            change(&policy)
            return defaults.schedule(for: policy).waits
        }
        #expect(waits { _ in } == [.seconds(5), .seconds(60)])
        #expect(waits { $0.maxAttempts = 1 } == [])
        #expect(waits { $0.maxAttempts = 2 } == [.seconds(5)])
        #expect(waits { $0.maxAttempts = 5 } == [.seconds(5), .seconds(60), .seconds(60), .seconds(60)])
        #expect(waits { $0.retrySchedule = [7] } == [.seconds(7)])
    }

    @Test(
        "says what a saved webhook's status is",
        arguments: [
            (nil, WebhookStatus.enabled, WebhookStatus.enabled), (nil, .disabled, .disabled),
            (nil, .disabledDueToErrors, .enabled), (true, .disabled, .enabled), (false, .enabled, .disabled),
            (true, .disabledDueToErrors, .enabled), (false, .disabledDueToErrors, .disabled),
        ])
    func status(_ isEnabled: Bool?, _ before: WebhookStatus, _ after: WebhookStatus) throws {
        let draft = try WebhookDraft(name: "n", url: "http://example.com", headers: [], isEnabled: isEnabled)
        #expect(draft.status(after: before) == after)
    }
}

@Suite("Retry-After")
struct RetryAfterTests {
    /// 2026-11-21T12:00:00Z.
    private static let now = Instant(clampingSeconds: 1_795_262_400)

    @Test(
        "is seconds or a date",
        arguments: [
            ("0", Duration.zero), ("120", .seconds(120)), (" 7 ", .seconds(7)), ("1.5", .milliseconds(1_500)),
            ("99999999999", .seconds(1_000_000_000)),
            ("Sat, 21 Nov 2026 12:00:30 GMT", .seconds(30)), ("Sat, 21 Nov 2026 11:59:00 GMT", .zero),
            ("Sun, 28 Feb 2027 00:00:00 GMT", .seconds(8_510_400)),
            ("Tue, 29 Feb 2028 00:00:00 GMT", .seconds(40_132_800 - 86_400 + 86_400)),
            // What was written before, and must still be read (RFC 9110, section 5.6.7).
            ("Saturday, 21-Nov-26 12:00:30 GMT", .seconds(30)), ("Saturday, 21-Nov-26 11:59:00 GMT", .zero),
            ("Sunday, 06-Nov-94 08:49:37 GMT", .zero), ("Sunday, 01-Jan-77 00:00:00 GMT", .zero),
            ("Wednesday, 01-Jan-76 00:00:00 GMT", .seconds(1_549_800_000)),
            ("Sat Nov 21 12:00:30 2026", .seconds(30)), ("Sun Nov  6 08:49:37 1994", .zero),
            ("Tue Dec  1 00:00:00 2026", .seconds(820_800)),
            // As dates of mail are written, which is what some libraries do unless told otherwise.
            ("Sat, 21 Nov 2026 12:00:30 +0000", .seconds(30)), ("Sat, 21 Nov 2026 12:00:30 -0000", .seconds(30)),
            ("sat, 21 nov 2026 12:00:30 gmt", .seconds(30)),
        ])
    func understood(_ text: String, _ wait: Duration) {
        #expect(RetryAfter.wait(text, now: Self.now) == wait)
    }

    @Test(
        "says nothing if it is neither",
        arguments: [
            "", "soon", "-1", "+5", "1e3", "0x10", "Sat, 21 Nov 2026 12:00:30", "Sat, 21 Nix 2026 12:00:30 GMT",
            "Sat, 32 Nov 2026 12:00:30 GMT", "Sat, 21 Nov 2026 25:00:30 GMT", "21 Nov 2026 12:00:30 GMT",
            "Sat, 21 Nov 2026 12:00 GMT", "Saturday, 21-Nov-2026 12:00:30 GMT", "Saturday, 21-Nov-26 12:00:30",
            "Saturday, 21-Nov 12:00:30 GMT", "Sat Nov 21 12:00:30 26", "Sat Nov 32 12:00:30 2026",
            "Sat Nix 21 12:00:30 2026", "Sat, 21 Nov 2026 12:00:30 +0100",
        ])
    func ignored(_ text: String) {
        #expect(RetryAfter.wait(text, now: Self.now) == nil)
    }
}

@Suite("A token bucket")
struct TokenBucketTests {
    private static let second: Int64 = 1_000_000_000

    @Test("lets a burst through, then so many per second")
    func rate() {
        var bucket = TokenBucket(RateLimit(perSecond: 10, burst: 3), now: 0)
        #expect((0..<5).filter { _ in bucket.take(now: 0) == nil }.count == 3)
        #expect(bucket.take(now: 0) == Self.second / 10)
        #expect(bucket.take(now: Self.second / 10) == nil)
        #expect(
            (0..<10).filter { _ in bucket.take(now: 100 * Self.second) == nil }.count == 3, "no more than the burst")
    }

    @Test("over any time lets through what it should, to one")
    func total() {
        var bucket = TokenBucket(RateLimit(perSecond: 7.5, burst: 1), now: 0)
        var taken = 0
        var now: Int64 = 0
        while now <= 100 * Self.second {
            if let wait = bucket.take(now: now) { now += wait } else { taken += 1 }
        }
        #expect((750...751).contains(taken))
    }

    @Test("takes back what was not used, and follows a change")
    func change() {
        var bucket = TokenBucket(RateLimit(perSecond: 1, burst: 1), now: 0)
        #expect(bucket.take(now: 0) == nil)
        bucket.giveBack()
        #expect(bucket.take(now: 0) == nil)
        bucket.change(to: RateLimit(perSecond: 100, burst: 10), now: 0)
        #expect(bucket.take(now: 0) == Self.second / 100)
    }

    @Test("goes over to another limit with what it has by the one before, and no more than the new one's burst")
    func anotherLimit() {
        func emptied() -> TokenBucket {
            var bucket = TokenBucket(RateLimit(perSecond: 1, burst: 10), now: 0)
            for _ in 0..<10 { _ = bucket.take(now: 0) }
            return bucket
        }
        for (limit, later, available) in [
            (RateLimit(perSecond: 100, burst: 10), 5, 5), (RateLimit(perSecond: 0.1, burst: 10), 5, 5),
            (RateLimit(perSecond: 1, burst: 3), 5, 3), (RateLimit(perSecond: 1, burst: 1_000), 5, 5),
            (RateLimit(perSecond: 1, burst: 10), 5, 5),
        ] as [(RateLimit, Int64, Int)] {
            var bucket = emptied()
            bucket.change(to: limit, now: later * Self.second)
            #expect(bucket.available(now: later * Self.second) == available, "\(limit)")
        }
        var faster = emptied()
        faster.change(to: RateLimit(perSecond: 100, burst: 1_000), now: 5 * Self.second)
        #expect(faster.available(now: 6 * Self.second) == 105)
    }

    @Test("stands a clock that is set back")
    func clock() {
        var bucket = TokenBucket(RateLimit(perSecond: 1, burst: 1), now: 10 * Self.second)
        #expect(bucket.take(now: 10 * Self.second) == nil)
        #expect(bucket.take(now: 0) != nil)
        #expect(bucket.take(now: 11 * Self.second) == nil)
    }
}

@Suite("A breaker")
struct BreakerTests {
    private var generator = SystemRandomNumberGenerator()

    @Test("opens after failures in a row, lets one probe at a time through, and starts slowly afterwards")
    mutating func cycle() throws {
        var breaker = Breaker(most: 16)
        for _ in 1..<Breaker.threshold { breaker.failed(startedAt: 0, now: 0, using: &self.generator) }
        #expect(!breaker.isOpen && breaker.allowance(now: 0) == 4, "of one that is new nothing is known")
        breaker.failed(startedAt: 0, now: 0, using: &self.generator)
        #expect(breaker.isOpen && breaker.allowance(now: 0) == 0)
        let probeAt = try #require(breaker.probeAt)
        #expect((800_000_000...1_200_000_000).contains(probeAt))
        #expect(breaker.allowance(now: probeAt) == 1)
        // Those that were under way when it opened end, and say nothing new.
        breaker.failed(startedAt: 0, now: probeAt, using: &self.generator)
        #expect(breaker.probeAt == probeAt)
        breaker.failed(startedAt: probeAt, now: probeAt, using: &self.generator)
        let second = try #require(breaker.probeAt)
        #expect((1_600_000_000...2_400_000_000).contains(second - probeAt))
        breaker.succeeded()
        #expect(!breaker.isOpen)
        var allowances = [breaker.allowance(now: second)]
        for _ in 0..<20 {
            breaker.succeeded()
            allowances.append(breaker.allowance(now: second))
        }
        #expect(allowances.prefix(4) == [2, 3, 4, 5] && allowances.last == 16)
    }

    @Test("begins anew after a recovery: as many failures until it opens, for as short a time as the first")
    mutating func recovery() throws {
        var breaker = Breaker(most: 16)
        var now: Int64 = 0
        for _ in 0..<(Breaker.threshold + 6) {
            breaker.failed(startedAt: now, now: now, using: &self.generator)
            now = max(now, breaker.probeAt ?? now)
        }
        #expect(breaker.isOpen)
        breaker.succeeded()
        for _ in 1..<Breaker.threshold {
            breaker.failed(startedAt: now, now: now, using: &self.generator)
            #expect(!breaker.isOpen)
        }
        breaker.failed(startedAt: now, now: now, using: &self.generator)
        let pause = try #require(breaker.probeAt) - now
        #expect(pause <= Breaker.firstPause * 12 / 10)
    }

    @Test("is widened by what does not count while nothing has failed since the last success, and not beyond its most")
    mutating func widened() {
        var breaker = Breaker(most: 6)
        breaker.widen()
        #expect(breaker.allowance(now: 0) == 5)
        breaker.failed(startedAt: 0, now: 0, using: &self.generator)
        breaker.widen()
        #expect(breaker.allowance(now: 0) == 5)
        breaker.succeeded()
        for _ in 1...3 { breaker.widen() }
        #expect(breaker.allowance(now: 0) == 6)
    }

    @Test("pauses for less than the time as often as for more: those that opened together do not probe together")
    mutating func jitter() {
        var pauses: [Int64] = []
        for _ in 0..<400 {
            var breaker = Breaker(most: 16)
            for _ in 0..<Breaker.threshold { breaker.failed(startedAt: 0, now: 0, using: &self.generator) }
            pauses.append(breaker.probeAt ?? 0)
        }
        let longer = pauses.filter { $0 > Breaker.firstPause }.count
        #expect((100...300).contains(longer))
        #expect((pauses.max() ?? 0) - (pauses.min() ?? 0) > Breaker.firstPause / 5)
    }

    @Test("stays closed while successes come in between, and its pauses have a limit")
    mutating func limits() {
        var breaker = Breaker(most: 4)
        for _ in 0..<50 {
            breaker.failed(startedAt: 0, now: 0, using: &self.generator)
            breaker.succeeded()
        }
        #expect(!breaker.isOpen)
        var now: Int64 = 0
        for _ in 0..<50 {
            breaker.failed(startedAt: now, now: now, using: &self.generator)
            let pause = (breaker.probeAt ?? now) - now
            #expect(pause <= Breaker.longestPause * 12 / 10)
            now = max(now, breaker.probeAt ?? now)
        }
        breaker.reset()
        #expect(breaker.allowance(now: now) == 4)
    }
}
