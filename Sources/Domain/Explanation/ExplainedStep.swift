/// What becomes of a message at a webhook.
package enum Fate: String, Sendable, CaseIterable {
    /// It goes out at once.
    case send
    /// A delivery is made, and goes out later.
    case wait
    /// It does not meet the conditions, or is left out for others of its thing; the log and the counts say so.
    case skip
    /// It is not for the webhook, which never hears of it.
    case ignore
    /// Something that it depends on is not known.
    case unknown
}

/// One question that a message meets on its way to a webhook, and the answer.
package struct ExplainedStep: Sendable, Equatable {
    /// Names that do not change, in the order in which they are asked.
    package enum Check: String, Sendable, CaseIterable {
        case topic, thing, message, payload
        /// Whether JSON can be made of the payload as the thing's profile has it.
        case decode
        /// The flags of the thing's profile.
        case profileWebhook = "profile_webhook"
        case profileWrite = "profile_write"
        case webhooks
        case status, trigger, things, subtopics, data, conditions
        /// What its thing sent before (`rate_limit.per_thing`, `duplicates`).
        case earlier
        case order, rate, breaker, waiting
        case lastError = "last_error"
    }

    package let check: Check
    package let isOK: Bool
    /// In words.
    package let reason: String
    /// Of conditions alone.
    package let findings: [ConditionSet.Finding]
    /// What becomes of the message because of it; nil if that is for others to say.
    package let fate: Fate?

    init(
        _ check: Check, isOK: Bool = true, _ reason: String, fate: Fate? = nil,
        findings: [ConditionSet.Finding] = []
    ) {
        self.check = check
        self.isOK = isOK
        self.reason = reason
        self.findings = findings
        self.fate = fate
    }
}

extension [ExplainedStep] {
    /// The first that decides does.
    var fate: Fate? { self.lazy.compactMap(\.fate).first }
}
