internal import Domain
internal import Journal
internal import Values
internal import WebhookClient

/// What an outcome means for the delivery, for its webhook and for the log. Pure, so that tables can test it.
struct Verdict {
    /// What the webhook's breaker learns.
    enum Health { case good, bad, unknown }

    var ending: DeliveryResult.Ending
    var status: Int16?
    var error: String?
    var response: [UInt8]?
    var health: Health
    /// How long nothing more is sent: because the receiver asked to be left alone, or because it would be in vain.
    var pause: Duration?
    var isGone = false
    /// Whether the receiver had no part in it. It is logged, and counts neither for nor against the webhook.
    var isFault = false
    /// The kind of failure, for the metric; nil for a success.
    var failureKind: String?

    /// How long a webhook's other deliveries are kept from the same fault.
    private static let pauseAfterFault = Duration.seconds(2)
    /// What is nobody's fault is tried again after a quarter of the delivery's age, which makes waits grow as long as that lasts, and ends
    /// them soon after it does.
    private static let waitsForNobody = (least: Duration.seconds(5), most: Duration.seconds(300))

    /// - Parameters:
    ///   - policy: of the webhook as it was called; nil if that is the target's. What an answer means was told to nobody else.
    ///   - location: where a redirection leads to.
    ///   - bodyFault: what is wrong with the answer's body, if something is.
    ///   - elapsed: as ``WallClock`` has it.
    init(
        _ outcome: Outcome, calledBy policy: DeliveryPolicy? = nil, location: String? = nil,
        bodyFault: AnswerMeaning.BodyFault? = nil, of delivery: Delivery,
        target: WebhookTarget,
        defaults: DeliveryDefaults, wallNow: Instant,
        elapsed: (Instant, Instant) -> Duration? = { $1 - $0 }, using generator: inout some RandomNumberGenerator
    ) {
        let policy = policy ?? target.policy
        switch outcome {
        case .response(let status, let body, let retryAfter):
            self.status = Int16(status)
            self.response = body.isEmpty ? nil : body
            let meaning = policy.meaning(ofStatus: status, body, fault: bodyFault)
            if meaning == .taken {
                self.ending = .succeeded
                self.health = .good
                return
            }
            self.health = .bad
            if case .denied(let denial) = meaning {
                self.failureKind = "answer"
                self.error = denial.error
                self.ending = Self.afterFailure(
                    denial.reason, of: delivery, target: target, defaults: defaults, pause: nil, wallNow: wallNow,
                    elapsed: elapsed, using: &generator)
                return
            }
            self.failureKind = "status"
            if let location, (300..<400).contains(status) { self.error = Self.redirection(to: location) }
            self.isGone = status == 410
            // Only these two statuses say by definition when to come back (RFC 6585, section 4; RFC 9110, 15.6.4).
            if status == 429 || status == 503, let retryAfter {
                let wait = RetryAfter.wait(retryAfter, now: wallNow)
                self.pause = wait.map { min($0, defaults.longestRetryAfter) }
            }
            if !policy.retriesClientErrors, (400..<500).contains(status), ![408, 410, 425, 429].contains(status) {
                self.ending = .failed(reason: "status \(status), which this webhook does not retry")
                // The receiver is well; it is the message that it does not like.
                self.health = .unknown
                return
            }
            // 410 disables the webhook, and what it has waits; but that of a resend disables nothing.
            self.ending = Self.afterFailure(
                "status \(status)", of: delivery, target: target, defaults: defaults, pause: self.pause,
                wallNow: wallNow, counts: !self.isGone || delivery.resent != nil, elapsed: elapsed, using: &generator)
        case .failure(.cancelled):
            // Nobody's fault: as if it had not been tried.
            self.ending = .released
            self.health = .unknown
            self.failureKind = "cancelled"
        case .failure(let failure):
            self.error = failure.description
            self.failureKind = failure.kind
            self.isFault = failure.isFault
            self.health = failure.isFault ? .unknown : .bad
            // The breaker learns nothing of it, so something else has to keep the queue from being spent on it.
            self.pause = failure.isFault ? Self.pauseAfterFault : failure.wait
            self.ending = Self.afterFailure(
                failure.description, of: delivery, target: target, defaults: defaults, pause: failure.wait,
                wallNow: wallNow, counts: !failure.isFault,
                elapsed: elapsed, using: &generator)
        }
    }

    /// - Parameter counts: whether it can have been the last attempt. What is not the receiver's fault ends by age alone.
    private static func afterFailure(
        _ what: String, of delivery: Delivery, target: WebhookTarget, defaults: DeliveryDefaults, pause: Duration?,
        wallNow: Instant, counts: Bool = true, elapsed: (Instant, Instant) -> Duration?,
        using generator: inout some RandomNumberGenerator
    ) -> DeliveryResult.Ending {
        let number = Int(delivery.attempts) + 1
        let schedule = defaults.schedule(for: target.policy)
        let next =
            counts
            ? schedule.wait(after: number, using: &generator) : Self.wait(of: delivery, schedule, wallNow, &generator)
        guard let wait = next else {
            return .failed(reason: "given up after \(number) attempts; the last: \(what)")
        }
        // A receiver's wish can only delay.
        let due = wallNow + max(wait, pause ?? .zero)
        if delivery.isExpired(at: due, maxAge: defaults.maxAge(for: target.policy), elapsed) {
            let reason =
                delivery.expiry(before: defaults.maxAge(for: target.policy)) == nil
                ? "too old to be tried again" : "it expires before it can be tried again"
            return .failed(reason: "\(reason); the last attempt: \(what)")
        }
        return .retried(due: due)
    }

    private static func wait(
        of delivery: Delivery, _ schedule: RetrySchedule, _ now: Instant, _ generator: inout some RandomNumberGenerator
    ) -> Duration? {
        let first = min(schedule.waits.first ?? self.waitsForNobody.least, self.waitsForNobody.most)
        let wait = min(max(first, (now - delivery.since) / 4), self.waitsForNobody.most)
        return RetrySchedule(waits: [wait], jitter: schedule.jitter).wait(after: 1, using: &generator)
    }
}

extension Verdict {
    /// Everybody who sees the log, and whoever gets notices, reads of it what viewers see of a webhook's url: what is behind the
    /// host may be a secret, as it is where a receiver moves to https.
    ///
    /// - Parameter location: as the receiver says it.
    static func redirection(to location: String) -> String {
        "redirect: to \(Self.place(of: location)), and redirections are not followed; "
            + "if that is the right place, which the answer's header location has, call it instead"
    }

    /// Scheme and host of a location, or that it is on the same host.
    private static func place(of location: String) -> String {
        let printable = String(
            String.UnicodeScalarView(location.unicodeScalars.filter { (0x21...0x7E).contains($0.value) }))
        guard let slashes = printable.firstRange(of: "//") else { return "another path of the same host" }
        let scheme = printable[..<slashes.lowerBound]
        // A path may have slashes too, and so may what stands behind it.
        guard scheme.isEmpty || scheme.last == ":" && !scheme.contains(where: { "/?#".contains($0) }) else {
            return "another path of the same host"
        }
        let rest = printable[slashes.upperBound...]
        let authority = rest.prefix { !"/?#\\".contains($0) }
        let host = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? authority
        let behind = rest.dropFirst(authority.count)
        return String("\(scheme)//\(host)".prefix(Self.mostOfPlace)) + (behind.isEmpty || behind == "/" ? behind : "/…")
    }

    /// More than any scheme and host have.
    private static let mostOfPlace = 300
}

extension Delivery {
    /// - Parameter elapsed: as ``WallClock`` has it; asked of what is old by the clock alone, which is little.
    func isExpired(at time: Instant, maxAge: Duration, _ elapsed: (Instant, Instant) -> Duration?) -> Bool {
        let limit = self.expiry(before: maxAge) ?? maxAge
        guard time - self.since > limit else { return false }
        return elapsed(self.since, time).map { $0 > limit } ?? false
    }

    /// For how long its publisher meant the message to be of use, from when it came in or was replayed; nil if that is longer
    /// than `maxAge`.
    func expiry(before maxAge: Duration) -> Duration? {
        guard let seconds = self.message.properties?.expiry else { return nil }
        let expiry = Duration.seconds(seconds)
        return expiry < maxAge ? expiry : nil
    }

    /// Why it is not sent once it is expired.
    func reasonOfExpiry(maxAge: Duration) -> String {
        self.expiry(before: maxAge).map { "expired: its message was published to be of use for \($0)" }
            ?? "too old: it waited for over \(maxAge)"
    }
}
