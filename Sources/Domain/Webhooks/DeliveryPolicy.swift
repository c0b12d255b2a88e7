/// How a webhook wants to be delivered to: what it may set beyond url and headers.
///
/// What is nil follows the installation's setting. It is kept as one JSON column.
package struct DeliveryPolicy: FieldTable {
    /// Statuses beyond 2xx that count as success.
    package var successStatuses: Set<Int> = []
    /// What a 2xx answer must say besides; nil is nothing.
    package var success: SuccessRule?
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
    /// How often each thing's messages go out.
    package var perThing: ThingRate?
    /// Which of a thing's messages say nothing new; nil is none.
    package var duplicates: DuplicateRule?
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

    /// All that `rate_limit` says.
    var rate: LimitedRate {
        get { LimitedRate(limit: self.rateLimit, overflow: self.overflow, perThing: self.perThing) }
        set { (self.rateLimit, self.overflow, self.perThing) = (newValue.limit, newValue.overflow, newValue.perThing) }
    }

    package static let defaultFailureLimit = 10
    package static let defaultFailureWindow: Int64 = 300
    /// The longest that a delivery may wait, in seconds.
    package static let longestAge: Int64 = 2_592_000

    package init() {}

    package static let fields: [Field<DeliveryPolicy>] = [
        Field("success_statuses", \.successStatuses, stored: "successStatuses", .statuses),
        Field("success", \.success, stored: "success", .successRule),
        Field("retry_schedule", \.retrySchedule, stored: "retrySchedule", .waits),
        Field("max_attempts", \.maxAttempts, stored: "maxAttempts", .integer(1...1_000)),
        Field("max_age", \.maxAge, stored: "maxAge", .integer(1...longestAge)),
        Field("retry_client_errors", \.retriesClientErrors, stored: "retriesClientErrors", .flag),
        Field("failure_limit", \.failureLimit, stored: "failureLimit", .integer(0...1_000)),
        Field("failure_window", \.failureWindow, stored: "failureWindow", .integer(0...604_800)),
        Field("max_in_flight", \.maxInFlight, stored: "maxInFlight", .integer(1...1_024)),
        Field(
            "rate_limit", \.rate,
            stored: [
                StoredField("rateLimit", \.rateLimit), StoredField("overflow", \.overflow),
                StoredField("perThing", \.perThing),
            ], FieldKind.rate),
        Field("duplicates", \.duplicates, stored: "duplicates", .duplicates),
        Field(
            "ordering", \.ordering,
            stored: [StoredField("ordering", \.order), StoredField("isSideBySide", \.isSideBySide)],
            .choice("must be none, first or thing")),
    ]
    package static let stored = fields.flatMap(\.stored)

    /// - Throws: ``InvalidField``, named as the API names it.
    package func check() throws(InvalidField) {
        try self.checkFields()
        if self.perThing != nil, self.ordering == .thing {
            throw InvalidField("rate_limit.per_thing", "does not go with the ordering thing, which leaves nothing out")
        }
        if self.overflow != .wait {
            guard self.rateLimit != nil else { throw InvalidField("rate_limit.overflow", "needs a rate") }
            guard self.ordering != .thing else {
                throw InvalidField(
                    "rate_limit.overflow", "does not go with the ordering thing, which leaves nothing out")
            }
        }
    }
}

extension DeliveryPolicy {
    /// How much of an answer's body has to be known before the answer can be judged; nil if its status says all.
    package var judgedBody: Int? { self.success == nil ? nil : SuccessRule.mostBytes }

    /// - Parameters:
    ///   - body: its beginning, ``judgedBody`` of it at the least.
    ///   - fault: what is wrong with the body, if something is.
    package func meaning(
        ofStatus status: Int, _ body: [UInt8], fault: AnswerMeaning.BodyFault? = nil
    ) -> AnswerMeaning {
        guard (200..<300).contains(status) else {
            return self.successStatuses.contains(status) ? .taken : .refused
        }
        return self.success?.denial(of: body, fault: fault).map(AnswerMeaning.denied) ?? .taken
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

    static let rates = 0.001...1_000_000
    static let bursts: ClosedRange<Int64> = 1...1_000_000

    package func check() throws(InvalidField) {
        guard Self.rates.contains(self.perSecond) else {
            throw InvalidField("rate_limit.per_second", "must be a number from 0.001 to 1000000")
        }
        guard Self.bursts.contains(Int64(self.burst)) else {
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
