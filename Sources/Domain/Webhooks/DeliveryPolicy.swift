/// How a webhook wants to be delivered to: what it may set beyond url and headers.
///
/// What is nil follows the installation's setting. `Codable` is for Storage, which keeps it as one JSON column.
package struct DeliveryPolicy: Sendable, Equatable, Codable {
    /// Statuses beyond 2xx that count as success.
    package var successStatuses: Set<Int> = []
    /// The waits between attempts, in seconds.
    package var retrySchedule: [Int64]?
    package var maxAttempts: Int?
    /// How old a delivery may become before it is given up, in seconds.
    package var maxAge: Int64?
    /// Whether 4xx answers other than 408, 410, 425 and 429 are tried again like everything else.
    package var retriesClientErrors = true
    /// How many failures in a row disable the webhook; 0 is never.
    package var failureLimit = Self.defaultFailureLimit
    /// For how long at least it must have been failing, in seconds; 0 lets the count alone decide.
    package var failureWindow = Self.defaultFailureWindow
    package var rateLimit: RateLimit?
    /// What becomes of what is over the rate.
    package var overflow = Overflow.wait
    /// How many requests there may be at a time, over all instances; nil is as many as the receiver does well with.
    package var maxInFlight: Int?
    private var order = StoredOrder.none
    private var isSideBySide = false

    package enum Ordering: String, Sendable, CaseIterable {
        /// A thing's messages go out at the same time, as many as there may be.
        case none
        /// A thing's messages go out one at a time in their order, but one that is retried does not hold up those behind it.
        case first
        /// A thing's message goes out when the one before it has succeeded or was given up.
        case thing
    }

    /// What becomes of what waits for the rate.
    package enum Overflow: String, Sendable, Codable, CaseIterable {
        /// All of it waits, in order.
        case wait
        /// Of what waits there is no more than one burst; the oldest is left out for it.
        case dropOldest = "drop_oldest"
        /// Of each thing the newest waits, in the place of the one before it, which is left out.
        case latestPerThing = "latest_per_thing"
    }

    /// As it is stored: what became ``Ordering/first`` is none in rows of any version, and what is none now has a field of its
    /// own. A version that does not know that keeps more order than was asked for.
    package enum StoredOrder: String, Sendable, Codable {
        case none, thing
    }

    package var ordering: Ordering {
        get {
            switch self.order {
            case .none: self.isSideBySide ? .none : .first
            case .thing: .thing
            }
        }
        set {
            self.order = newValue == .thing ? .thing : .none
            self.isSideBySide = newValue == .none
        }
    }

    package static let defaultFailureLimit = 10
    package static let defaultFailureWindow: Int64 = 300
    /// The longest that a delivery may wait, in seconds.
    package static let longestAge: Int64 = 2_592_000

    package init() {}

    private enum CodingKeys: String, CodingKey {
        case successStatuses, retrySchedule, maxAttempts, maxAge, retriesClientErrors, failureLimit, failureWindow
        case rateLimit, overflow, maxInFlight, isSideBySide
        case order = "ordering"
    }

    package init(from decoder: any Decoder) throws {
        // What an older version did not write has its default.
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.successStatuses = try values.decodeIfPresent(Set<Int>.self, forKey: .successStatuses) ?? []
        self.retrySchedule = try values.decodeIfPresent([Int64].self, forKey: .retrySchedule)
        self.maxAttempts = try values.decodeIfPresent(Int.self, forKey: .maxAttempts)
        self.maxAge = try values.decodeIfPresent(Int64.self, forKey: .maxAge)
        self.retriesClientErrors = try values.decodeIfPresent(Bool.self, forKey: .retriesClientErrors) ?? true
        self.failureLimit = try values.decodeIfPresent(Int.self, forKey: .failureLimit) ?? Self.defaultFailureLimit
        self.failureWindow =
            try values.decodeIfPresent(Int64.self, forKey: .failureWindow) ?? Self.defaultFailureWindow
        self.rateLimit = try values.decodeIfPresent(RateLimit.self, forKey: .rateLimit)
        self.overflow = try values.decodeIfPresent(Overflow.self, forKey: .overflow) ?? .wait
        self.maxInFlight = try values.decodeIfPresent(Int.self, forKey: .maxInFlight)
        self.order = try values.decodeIfPresent(StoredOrder.self, forKey: .order) ?? .none
        self.isSideBySide = try values.decodeIfPresent(Bool.self, forKey: .isSideBySide) ?? false
    }

    /// - Throws: ``InvalidField``, named as the API names it.
    package func check() throws(InvalidField) {
        for status in self.successStatuses where !(200...599).contains(status) {
            throw InvalidField("success_statuses", "must hold numbers from 200 to 599")
        }
        if self.successStatuses.contains(410) {
            throw InvalidField("success_statuses", "must not hold 410, which says that the webhook is gone for good")
        }
        if let waits = self.retrySchedule {
            guard (1...100).contains(waits.count), waits.allSatisfy({ (1...2_592_000).contains($0) }) else {
                throw InvalidField("retry_schedule", "must hold 1 to 100 waits of 1 to 2592000 seconds")
            }
        }
        try Self.check("max_attempts", self.maxAttempts.map(Int64.init), in: 1...1_000)
        try Self.check("max_age", self.maxAge, in: 1...Self.longestAge)
        try Self.check("failure_limit", Int64(self.failureLimit), in: 0...1_000)
        try Self.check("failure_window", self.failureWindow, in: 0...604_800)
        try Self.check("max_in_flight", self.maxInFlight.map(Int64.init), in: 1...1_024)
        try self.rateLimit?.check()
        if self.overflow != .wait {
            guard self.rateLimit != nil else { throw InvalidField("rate_limit.overflow", "needs a rate") }
            guard self.ordering != .thing else {
                throw InvalidField(
                    "rate_limit.overflow", "does not go with the ordering thing, which leaves nothing out")
            }
        }
    }

    private static func check(_ field: String, _ value: Int64?, in range: ClosedRange<Int64>) throws(InvalidField) {
        guard let value, !range.contains(value) else { return }
        throw InvalidField(field, "must be a number from \(range.lowerBound) to \(range.upperBound)")
    }
}

/// So many requests per second, and so many at once after a quiet time.
package struct RateLimit: Sendable, Equatable, Codable {
    package let perSecond: Double
    package let burst: Int

    package init(perSecond: Double, burst: Int? = nil) {
        self.perSecond = perSecond
        // Clamped first: it has not been checked yet, and a number that no Int can hold would trap.
        self.burst = burst ?? Int(max(1, min(perSecond.rounded(.up), 1_000_000)))
    }

    package func check() throws(InvalidField) {
        guard self.perSecond >= 0.001, self.perSecond <= 1_000_000 else {
            throw InvalidField("rate_limit.per_second", "must be a number from 0.001 to 1000000")
        }
        guard (1...1_000_000).contains(self.burst) else {
            throw InvalidField("rate_limit.burst", "must be a number from 1 to 1000000")
        }
    }
}

/// Whether a webhook is called.
package enum WebhookStatus: String, Sendable, Codable, CaseIterable {
    case enabled = "ENABLED"
    /// By its owners: messages pass it by.
    case disabled = "DISABLED"
    /// By Hookline, because its receiver failed or said that it is gone: messages wait until it is enabled again or
    /// they are too old.
    case disabledDueToErrors = "DISABLED_DUE_TO_ERRORS"
    /// Something of it is not what this version can read, as after a newer one: nothing is sent to it, and messages wait
    /// until it can be read. Never stored.
    case unreadable = "UNREADABLE"
}

/// How an installation delivers where a webhook says nothing of its own.
package struct DeliveryDefaults: Sendable {
    package var retrySchedule = RetrySchedule.standard
    package var maxAge: Duration = .seconds(4 * 86_400)
    /// How long a receiver may make us wait with `Retry-After`.
    package var longestRetryAfter: Duration = .seconds(3_600)

    package init() {}

    /// The schedule of a webhook: its own waits or the installation's, cut or drawn out to its number of attempts.
    package func schedule(for policy: DeliveryPolicy) -> RetrySchedule {
        var waits = policy.retrySchedule?.map { Duration.seconds($0) } ?? self.retrySchedule.waits
        if let most = policy.maxAttempts {
            let last = waits.last ?? .seconds(5)
            while waits.count < most - 1 { waits.append(last) }
            waits.removeLast(waits.count - (most - 1))
        }
        return RetrySchedule(waits: waits, jitter: self.retrySchedule.jitter)
    }

    package func maxAge(for policy: DeliveryPolicy) -> Duration {
        policy.maxAge.map { .seconds($0) } ?? self.maxAge
    }
}
