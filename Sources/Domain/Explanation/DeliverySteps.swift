internal import Values

// What a delivery waits for once it is made.

extension Explanation {
    /// - Parameter gate: nil if no instance was asked.
    static func delivery(
        to webhook: WebhookTarget, _ standing: WebhookStanding, _ gate: GateStanding?
    ) -> [ExplainedStep] {
        var steps: [ExplainedStep] = []
        if webhook.status != .enabled, webhook.receivesMessages {
            steps.append(
                ExplainedStep(
                    .waiting, isOK: false,
                    "nothing goes out while it is \(webhook.status.rawValue)"
                        + (standing.statusReason.map { ": \($0)" } ?? ""), fate: .wait))
        }
        if webhook.isInLine { steps.append(Self.order(webhook.ordering, standing)) }
        if let limit = webhook.policy.rateLimit { steps.append(Self.rate(limit, gate)) }
        steps += [Self.breaker(standing, gate), Self.waiting(standing, gate), Self.lastError(standing)]
        return steps
    }

    private static func order(_ ordering: DeliveryPolicy.Ordering, _ standing: WebhookStanding) -> ExplainedStep {
        guard ordering == .thing else {
            return ExplainedStep(.order, "it waits for the first try of the thing's message before it (ordering)")
        }
        return standing.isThingWaiting
            ? ExplainedStep(
                .order, isOK: false, "a message of the thing before it is not delivered yet (ordering: thing)",
                fate: .wait)
            : ExplainedStep(.order, "no message of the thing waits before it (ordering: thing)")
    }

    private static func rate(_ limit: RateLimit, _ gate: GateStanding?) -> ExplainedStep {
        let rate = "\(limit.perSecond) a second, \(limit.burst) at once (rate_limit)"
        guard let at = gate?.rateFreeAt else { return ExplainedStep(.rate, rate) }
        return ExplainedStep(.rate, isOK: false, "\(rate), used up until \(at.text)", fate: .wait)
    }

    private static func breaker(_ standing: WebhookStanding, _ gate: GateStanding?) -> ExplainedStep {
        guard let gate else {
            return standing.consecutiveFailures < Breaker.threshold
                ? ExplainedStep(.breaker, "it has not failed \(Breaker.threshold) times in a row")
                : ExplainedStep(
                    .breaker, isOK: false,
                    "after \(standing.consecutiveFailures) failures in a row one request at a time tries whether the receiver is back",
                    fate: .wait)
        }
        if let at = gate.probeAt {
            return ExplainedStep(
                .breaker, isOK: false, "it is open; the next request tries whether the receiver is back at \(at.text)",
                fate: .wait)
        }
        if let at = gate.pausedUntil {
            return ExplainedStep(
                .breaker, isOK: false,
                "the receiver, or its token url, asked to be left alone until \(at.text) (Retry-After)",
                fate: .wait)
        }
        return ExplainedStep(.breaker, "it is closed")
    }

    private static func waiting(_ standing: WebhookStanding, _ gate: GateStanding?) -> ExplainedStep {
        guard standing.waiting > 0 else { return ExplainedStep(.waiting, "nothing waits for it") }
        let count = "\(standing.waiting)\(standing.waitingIsCapped ? " or more" : "") not delivered yet"
        let due = standing.nextAttemptAt.map { ", the next of them due at \($0.text)" } ?? ""
        guard let holdup = gate?.holdup else { return ExplainedStep(.waiting, "\(count)\(due)") }
        // A retry of others is in nobody's way.
        return ExplainedStep(
            .waiting, isOK: false, "\(count)\(due). \(holdup.hint)", fate: holdup.reason == .retry ? nil : .wait)
    }

    private static func lastError(_ standing: WebhookStanding) -> ExplainedStep {
        guard standing.consecutiveFailures > 0 else {
            return ExplainedStep(
                .lastError, standing.attempts == 0 ? "nothing was sent to it yet" : "the last request succeeded")
        }
        let since = standing.failingSince.map { " since \($0.text)" } ?? ""
        let last = standing.lastFailure.map { "; the last, at \($0.at.text): \($0.text)" } ?? ""
        let count = standing.consecutiveFailures
        return ExplainedStep(
            .lastError, isOK: false, "\(count == 1 ? "one failure" : "\(count) failures in a row")\(since)\(last)")
    }
}
