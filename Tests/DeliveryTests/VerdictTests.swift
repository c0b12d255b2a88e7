import Domain
import Journal
import Observability
import Testing
import Values
import WebhookClient

@testable import Delivery

@Suite("What an outcome means")
struct VerdictTests {
    private static let received: Int64 = 1_800_000_000_000

    private static func delivery(
        attempts: Int32 = 0, replayedAt: Int64? = nil, expiry: Int64? = nil,
        _ change: (inout DeliveryPolicy) -> Void = { _ in }
    ) throws -> Delivery {
        var policy = DeliveryPolicy()
        change(&policy)
        let target = WebhookTarget(
            key: WebhookKey(rawValue: 1), id: .random(), group: .random(), version: 1,
            url: try WebhookURL("http://example.com"), headers: [], policy: policy)
        var parts = MessageProperties.Parts()
        parts.expiry = expiry
        let message = Message(
            id: .first(at: Instant(clampingMilliseconds: Self.received)), thing: .random(), group: target.group,
            subtopic: "",
            contentType: "a/b", payload: [], traceparent: nil, isKept: false, receivedNanoseconds: nil,
            properties: expiry == nil ? nil : MessageProperties(parts))
        return Delivery(
            message: message, webhook: target, attempts: attempts,
            replayedAt: replayedAt.map { Instant(clampingMilliseconds: $0) })
    }

    /// - Parameter later: seconds from the receipt to the verdict.
    private static func verdict(
        _ outcome: Outcome, of delivery: Delivery, later: Int64 = 1, isClockTrusted: Bool = true
    ) -> Verdict {
        var defaults = DeliveryDefaults()
        defaults.retrySchedule = RetrySchedule(waits: [.seconds(5), .seconds(300)], jitter: 0)
        defaults.maxAge = .seconds(86_400)
        var generator = SystemRandomNumberGenerator()
        return Verdict(
            outcome, of: delivery, target: delivery.webhook, defaults: defaults,
            wallNow: Instant(clampingMilliseconds: Self.received + later * 1_000),
            elapsed: { isClockTrusted ? $1 - $0 : nil },
            using: &generator)
    }

    @Test("is by what the webhook was when it was called, and comes again by what it is now")
    func changed() throws {
        var generator = SystemRandomNumberGenerator()
        let delivery = try Self.delivery { policy in
            policy.successStatuses = [302]
            policy.retriesClientErrors = false
            policy.maxAttempts = 1
        }
        var former = DeliveryPolicy()
        former.maxAttempts = 9
        for status in [302, 400] {
            let verdict = Verdict(
                Self.response(status), calledBy: former, of: delivery, target: delivery.webhook,
                defaults: DeliveryDefaults(), wallNow: Instant(clampingMilliseconds: Self.received), using: &generator)
            guard case .failed(let reason) = verdict.ending else {
                Issue.record("\(status): \(verdict.ending)")
                continue
            }
            #expect(reason.hasPrefix("given up after 1 attempts"), "\(reason)")
        }
    }

    /// Seconds until the retry; -1 for a success, -2 for a failure for good, -3 for a release.
    private static func ending(_ verdict: Verdict, later: Int64 = 1) -> Int64 {
        switch verdict.ending {
        case .succeeded: -1
        case .failed: -2
        case .released: -3
        case .retried(let due): (due.milliseconds - Self.received) / 1_000 - later
        }
    }

    private static func response(_ status: Int, retryAfter: String? = nil) -> Outcome {
        .response(status: status, body: [], retryAfter: retryAfter)
    }

    @Test(
        "is one more try only while the message is of use, which counts from its replay too",
        arguments: [
            (Int64(4), nil, Int64(-2)), (6, nil, 5), (5, nil, -2), (0, nil, -2), (4, Int64(3_000), 5),
            (1_000_000, nil, 5), (nil, nil, 5),
        ] as [(Int64?, Int64?, Int64)])
    func expiry(_ seconds: Int64?, replayed: Int64?, _ expected: Int64) throws {
        let delivery = try Self.delivery(replayedAt: replayed.map { Self.received + $0 }, expiry: seconds)
        let verdict = Self.verdict(Self.response(500), of: delivery)
        #expect(Self.ending(verdict) == expected)
        if case .failed(let reason) = verdict.ending {
            #expect(reason == "it expires before it can be tried again; the last attempt: status 500")
            #expect(Self.ending(Self.verdict(Self.response(500), of: delivery, isClockTrusted: false)) == 5)
            let (day, later) = (Duration.seconds(86_400), Instant(clampingMilliseconds: Self.received + 5_001))
            #expect(delivery.isExpired(at: later, maxAge: day) { $1 - $0 })
            #expect(!delivery.isExpired(at: later, maxAge: day) { _, _ in nil })
            #expect(!delivery.isExpired(at: later, maxAge: day) { _, _ in .zero }, "the clock was set forward")
            #expect(!delivery.isExpired(at: Instant(clampingMilliseconds: Self.received), maxAge: day) { $1 - $0 })
            #expect(delivery.reasonOfExpiry(maxAge: day).hasPrefix("expired: its message was published"))
            #expect(delivery.reasonOfExpiry(maxAge: .zero).hasPrefix("too old"))
        }
    }

    @Test(
        "of a status is success, or one more try at the schedule's time",
        arguments: [
            (200, Int64(-1)), (204, -1), (299, -1), (300, 5), (301, 5), (302, 5), (304, 5), (400, 5), (401, 5),
            (404, 5),
            (410, 5), (422, 5), (429, 5), (500, 5), (502, 5), (503, 5), (599, 5), (600, 5), (999, 5),
        ])
    func statuses(_ status: Int, _ expected: Int64) throws {
        let verdict = Self.verdict(Self.response(status), of: try Self.delivery())
        #expect(Self.ending(verdict) == expected)
        #expect(verdict.isGone == (status == 410))
        #expect(verdict.health == (expected == -1 ? .good : .bad))
    }

    @Test("follows what the webhook counts as success")
    func successStatuses() throws {
        let delivery = try Self.delivery { $0.successStatuses = [302, 404] }
        #expect(Self.ending(Self.verdict(Self.response(302), of: delivery)) == -1)
        #expect(Self.ending(Self.verdict(Self.response(404), of: delivery)) == -1)
        #expect(Self.ending(Self.verdict(Self.response(200), of: delivery)) == -1)
        #expect(Self.ending(Self.verdict(Self.response(301), of: delivery)) == 5)
    }

    @Test(
        "is the end of client errors where the webhook does not want them retried",
        arguments: [
            (400, Int64(-2)), (404, -2), (422, -2), (499, -2), (408, 5), (410, 5), (425, 5), (429, 5), (500, 5),
            (302, 5),
        ])
    func clientErrors(_ status: Int, _ expected: Int64) throws {
        let delivery = try Self.delivery { $0.retriesClientErrors = false }
        let verdict = Self.verdict(Self.response(status), of: delivery)
        #expect(Self.ending(verdict) == expected)
        #expect(verdict.health == (expected == -2 ? .unknown : .bad), "the receiver is well, it is the message")
    }

    @Test(
        "waits as long as the receiver asks, if it may ask, and never less than the schedule",
        arguments: [
            (429, "60", Int64(60), true), (503, "60", 60, true), (429, "1", 5, true), (429, "99999", 3_600, true),
            (500, "60", 5, false), (429, "soon", 5, false), (429, nil, 5, false),
        ])
    func retryAfter(_ status: Int, _ header: String?, _ expected: Int64, _ pauses: Bool) throws {
        let verdict = Self.verdict(Self.response(status, retryAfter: header), of: try Self.delivery())
        #expect(Self.ending(verdict) == expected)
        #expect((verdict.pause != nil) == pauses)
    }

    @Test("is the end after the schedule's last attempt, and when the next would come too late")
    func exhausted() throws {
        #expect(Self.ending(Self.verdict(Self.response(500), of: try Self.delivery(attempts: 1))) == 300)
        #expect(Self.ending(Self.verdict(Self.response(500), of: try Self.delivery(attempts: 2))) == -2)
        #expect(
            Self.ending(Self.verdict(Self.response(500), of: try Self.delivery { $0.maxAttempts = 1 })) == -2)
        let late = try Self.delivery(attempts: 1)
        #expect(Self.ending(Self.verdict(Self.response(500), of: late, later: 86_200), later: 86_200) == -2)
        let replayed = try Self.delivery(attempts: 1, replayedAt: Self.received + 86_000_000)
        #expect(Self.ending(Self.verdict(Self.response(500), of: replayed, later: 86_200), later: 86_200) == 300)
    }

    @Test(
        "names each failure, and a cancelled request is nobody's",
        arguments: [
            (Outcome.Failure.dns("x"), "dns"), (.connect("x"), "connect"), (.tls("x"), "tls"),
            (.timeout(.firstByte), "timeout"), (.forbiddenAddress("x"), "address"), (.closed, "closed"),
            (.invalidResponse("x"), "response"), (.reset, "closed"),
        ])
    func failures(_ failure: Outcome.Failure, _ kind: String) throws {
        let verdict = Self.verdict(.failure(failure), of: try Self.delivery())
        #expect(verdict.failureKind == kind)
        #expect(verdict.error?.hasPrefix(kind) == true)
        #expect(Self.ending(verdict) == 5 && verdict.health == .bad)
        #expect(Self.ending(Self.verdict(.failure(.cancelled), of: try Self.delivery())) == -3)
    }

    @Test("says of a redirection where it leads to, and nothing that may be a secret")
    func redirection() throws {
        func said(_ status: Int, _ location: String, _ policy: (inout DeliveryPolicy) -> Void = { _ in }) throws
            -> Verdict
        {
            var generator = SystemRandomNumberGenerator()
            let delivery = try Self.delivery(policy)
            return Verdict(
                Self.response(status), location: location, of: delivery, target: delivery.webhook,
                defaults: DeliveryDefaults(), wallNow: Instant(clampingMilliseconds: Self.received), using: &generator)
        }
        for (location, place) in [
            ("https://example.com/services/secret", "https://example.com/…"),
            ("https://exam ple.com:8443\u{1b}?token=secret#x", "https://example.com:8443/…"),
            ("https://me:secret@example.com/", "https://example.com/"), ("HTTP://example.com", "HTTP://example.com"),
            ("https://me:secret@also@[::1]/x", "https://[::1]/…"), ("//example.com/secret", "//example.com/…"),
            ("https://example.com\\secret", "https://example.com/…"), ("https:secret", "another path of the same host"),
            ("/services/secret/", "another path of the same host"), ("secret", "another path of the same host"),
            ("/a//secret", "another path of the same host"), ("/a://secret", "another path of the same host"),
            ("?next=https://secret.example/", "another path of the same host"), ("", "another path of the same host"),
        ] {
            let error = try said(301, location).error
            #expect(error?.hasPrefix("redirect: to \(place), ") == true, "\(location): \(error ?? "")")
            #expect(error?.contains("secret") == false, "\(location)")
        }
        let verdict = try said(301, "https://example.com/")
        #expect(verdict.status == 301 && verdict.failureKind == "status")
        #expect(try said(302, "https://\(String(repeating: "x", count: 9_999))").error?.utf8.count ?? 0 < 500)
        #expect(try said(201, "https://example.com/made").error == nil)
        #expect(try said(302, "/login") { $0.successStatuses = [302] }.error == nil)
        #expect(try said(503, "/login").error == nil)
    }

    @Test("is a failure where the body says no, and what it says is in the log alone")
    func denied() throws {
        func answered(_ body: String) throws -> Verdict {
            let delivery = try Self.delivery { $0.success = SuccessRule(path: "ok", equals: "true") }
            #expect(delivery.webhook.judgedBody == SuccessRule.mostBytes)
            return Self.verdict(.response(status: 200, body: Array(body.utf8), retryAfter: nil), of: delivery)
        }
        let verdict = try answered(#"{"ok":"secret"}"#)
        #expect(Self.ending(verdict) == 5 && verdict.health == .bad && verdict.failureKind == "answer")
        #expect(verdict.status == 200 && verdict.error == #"the answer says no: ok must be true, and is "secret""#)
        #expect(Self.ending(try answered(#"{"ok":true}"#)) == -1)
        #expect(Self.ending(try answered("")) == 5)
        let delivery = try Self.delivery(attempts: 9) { $0.success = SuccessRule(matches: "ok") }
        let last = Self.verdict(.response(status: 204, body: Array("secret".utf8), retryAfter: nil), of: delivery)
        guard case .failed(let reason) = last.ending else {
            Issue.record("it is given up: \(last.ending)")
            return
        }
        #expect(reason.contains("the answer says no: the body must match ok") && !reason.contains("secret"))
    }

    @Test(
        "is nobody's fault where no name server or no proxy does its part: retried on the schedule, told to no breaker, not counted",
        arguments: [
            (Outcome.Failure.nameServer("x"), "nameserver"), (.proxy("x"), "proxy"),
        ])
    func faults(failure: Outcome.Failure, kind: String) throws {
        let verdict = Self.verdict(.failure(failure), of: try Self.delivery())
        #expect(Self.ending(verdict) == 5)
        #expect(verdict.health == .unknown && verdict.isFault && verdict.failureKind == kind)
        // The queue is not spent on it all the same.
        #expect(verdict.pause != nil)
    }

    @Test(
        "gives nothing up for a count of attempts where the receiver had no part in it, or is gone and the webhook disabled; only for age",
        arguments: [
            (Outcome.failure(.nameServer("x")), Int64(5), Int64(5)), (.failure(.proxy("x")), 5, 5),
            (.response(status: 410, body: [], retryAfter: nil), 5, 5), (.failure(.connect("x")), -2, -2),
            (.response(status: 500, body: [], retryAfter: nil), -2, -2),
        ])
    func last(_ outcome: Outcome, _ ending: Int64, withoutSchedule: Int64) throws {
        for attempts in [2, 3, 99] as [Int32] {
            #expect(Self.ending(Self.verdict(outcome, of: try Self.delivery(attempts: attempts))) == ending)
        }
        #expect(
            Self.ending(Self.verdict(outcome, of: try Self.delivery { $0.maxAttempts = 1 })) == withoutSchedule)
        for (later, wait) in [(19, 5), (100, 25), (1_200, 300), (80_000, 300)] as [(Int64, Int64)] where ending > 0 {
            let aged = Self.verdict(outcome, of: try Self.delivery(attempts: 9), later: later)
            #expect(Self.ending(aged, later: later) == wait)
        }
        let old = Self.verdict(outcome, of: try Self.delivery(attempts: 2), later: 86_200)
        #expect(Self.ending(old) == -2)
    }

    @Test("of a resend that is gone is the last after the last, for that disables nothing")
    func goneAgain() throws {
        var delivery = try Self.delivery(attempts: 2)
        delivery.resent = Resent(code: 1)
        #expect(delivery.resent != nil && Self.ending(Self.verdict(Self.response(410), of: delivery)) == -2)
    }

    @Test("adds an attempt to its delivery, but none after the first with which nothing was sent")
    func tried() throws {
        for (attempts, wasSent, tried) in [(0, true, 1), (0, false, 1), (1, true, 1), (1, false, 0), (9, false, 0)]
            as [(Int32, Bool, Int16)]
        {
            let record = AttemptRecord(
                at: .first, latencyMicroseconds: 1, status: nil, error: "x", response: nil,
                peculiarities: AttemptRecord.Peculiarities(wasSent: wasSent))
            let result = DeliveryResult(
                delivery: try Self.delivery(attempts: attempts), ending: .retried(due: .first), attempt: record)
            #expect(result.tried == tried)
        }
    }

    @Test("pauses the webhook for as long as its token url asks to be left alone, and tries it again no sooner")
    func tokenWait() throws {
        let verdict = Self.verdict(.failure(.token("x", wait: .seconds(90))), of: try Self.delivery())
        #expect(verdict.pause == .seconds(90) && Self.ending(verdict) == 90 && verdict.health == .bad)
        let short = Self.verdict(.failure(.token("x", wait: .seconds(2))), of: try Self.delivery())
        #expect(short.pause == .seconds(2) && Self.ending(short) == 5)
        #expect(Self.verdict(.failure(.token("x")), of: try Self.delivery()).pause == nil)
    }

    @Test("has a kind that is counted, whatever it is")
    func counted() throws {
        let failures: [Outcome.Failure] = [
            .dns("x"), .nameServer("x"), .forbiddenAddress("x"), .connect("x"), .proxy("x"), .tls("x"),
            .timeout(.connect), .timeout(.handshake), .closed, .reset, .invalidResponse("x"), .token("x"), .cancelled,
        ]
        let delivery = try Self.delivery()
        let verdicts = failures.map { Self.verdict(.failure($0), of: delivery) }
        for verdict in verdicts + [Self.verdict(Self.response(500), of: delivery)] {
            let kind = try #require(verdict.failureKind)
            #expect(Metrics.failureKinds.contains(kind), "\(kind)")
        }
    }

    @Test("is the receiver's where there is no such host")
    func noHost() throws {
        let unknown = Self.verdict(.failure(.dns("x")), of: try Self.delivery())
        #expect(!unknown.isFault && unknown.health == .bad)
    }

    @Test("is not that a delivery is too old, as long as the clocks do not agree")
    func wrongClock() throws {
        let later: Int64 = 40 * 86_400
        for (isClockTrusted, ending) in [(true, -2), (false, 5)] as [(Bool, Int64)] {
            let verdict = Self.verdict(
                Self.response(500), of: try Self.delivery(), later: later, isClockTrusted: isClockTrusted)
            #expect(Self.ending(verdict, later: later) == ending)
        }
    }
}
