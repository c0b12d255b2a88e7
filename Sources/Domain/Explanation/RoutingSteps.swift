internal import Values

// What intake asks of a webhook before it makes a delivery.

extension Explanation {
    /// - Parameter index: nil if there is no payload.
    static func routing(
        of message: ExplainedMessage, _ index: PayloadIndex?, to webhook: WebhookTarget, memory: [Int: String],
        budget: inout EvaluationBudget
    ) -> [ExplainedStep] {
        var steps = [Self.status(of: webhook), Self.trigger(of: webhook)]
        guard webhook.receivesMessages else { return steps }
        steps += Self.filters(
            of: webhook, thing: message.thing, subtopic: message.subtopic, index, memory: memory, budget: &budget)
        return steps
    }

    /// Its filters and conditions. Of what a filter does not let through nothing more is asked, as intake does not either.
    static func filters(
        of webhook: WebhookTarget, thing: EntityID, subtopic: String, _ index: PayloadIndex?, memory: [Int: String],
        budget: inout EvaluationBudget
    ) -> [ExplainedStep] {
        let trigger = webhook.options.trigger
        let refusal = webhook.filter.refusal(thing: thing, subtopic: subtopic)
        var steps: [ExplainedStep] = []
        if !trigger.things.isEmpty {
            let names = trigger.things.count == 1 ? "another thing" : "\(trigger.things.count) others"
            steps.append(
                refusal == .things
                    ? ExplainedStep(
                        .things, isOK: false, "it is for \(names), not for \(thing) (trigger.things)", fate: .ignore)
                    : ExplainedStep(.things, "the thing is one of those that it is for (trigger.things)"))
        }
        if !trigger.subtopics.isEmpty, refusal != .things {
            let name = subtopic.isEmpty ? "without a subtopic" : "the subtopic \(subtopic.prefix(200))"
            let filters = trigger.subtopics.prefix(5).joined(separator: ", ")
            let all = trigger.subtopics.count > 5 ? "\(filters), …" : filters
            steps.append(
                refusal == .subtopics
                    ? ExplainedStep(
                        .subtopics, isOK: false, "\(name) matches none of \(all) (trigger.subtopics)", fate: .ignore)
                    : ExplainedStep(.subtopics, "\(name) matches one of \(all)"))
        }
        guard refusal == nil, let conditions = webhook.conditions else { return steps }
        guard let index else {
            steps.append(
                ExplainedStep(.conditions, isOK: false, "there is no payload to ask them of", fate: .unknown))
            return steps
        }
        let (outcome, findings) = conditions.explain(index, memory: memory, budget: &budget)
        steps.append(
            ExplainedStep(
                .conditions, isOK: outcome.skip == nil, outcome.skip ?? "they are met",
                fate: outcome.skip == nil ? nil : .skip, findings: findings))
        return steps
    }

    /// What it comes to by what the thing sent before.
    static func earlier(
        _ payload: [UInt8]?, _ index: PayloadIndex?, _ thinning: Thinning, after memory: Thinning.Memory, now: Instant,
        budget: inout EvaluationBudget
    ) -> ExplainedStep {
        guard let payload, let index else {
            return ExplainedStep(
                .earlier, isOK: false, "there is no payload to compare with what the thing sent before",
                fate: .unknown)
        }
        let judgment = thinning.judge(
            .first(at: now), payload, index, after: memory, budget: &budget)
        return switch judgment.verdict {
        case .send: ExplainedStep(.earlier, "it is not left out for what the thing sent before")
        case .later(let due):
            ExplainedStep(
                .earlier, isOK: false,
                "it waits until \(due.text), unless a newer message of its thing takes its place (rate_limit.per_thing)",
                fate: .wait)
        case .leaveOut(let reason): ExplainedStep(.earlier, isOK: false, reason.words, fate: .skip)
        }
    }

    private static func status(of webhook: WebhookTarget) -> ExplainedStep {
        switch webhook.status {
        case .enabled: ExplainedStep(.status, "it is enabled")
        case .disabled:
            ExplainedStep(
                .status, isOK: false, "it is disabled: messages that come in meanwhile are not for it", fate: .ignore)
        case .disabledDueToErrors:
            ExplainedStep(
                .status, isOK: false,
                "Hookline has disabled it because of failures: what comes in waits until it is enabled")
        case .unreadable:
            ExplainedStep(
                .status, isOK: false,
                "this version cannot read it, so what comes in waits: \(webhook.fault ?? "unknown")")
        }
    }

    private static func trigger(of webhook: WebhookTarget) -> ExplainedStep {
        webhook.isForMessages
            ? ExplainedStep(.trigger, "messages make it fire")
            : ExplainedStep(
                .trigger, isOK: false, "\(webhook.filter.kind.rawValue) makes it fire, and no message does",
                fate: .ignore)
    }
}

/// Why a message that a webhook is tried with would not come to it.
package enum TestedMessage {
    /// nil if it would. A real message's thing and profile count; those of a made-up one do not.
    ///
    /// - Parameters:
    ///   - scene: what the thing's messages meet; nil if there is no such thing in the webhook's group.
    ///   - memory: what its conditions remember of the thing.
    package static func obstacle(
        of message: Message, to webhook: WebhookTarget, in scene: ThingScene?, memory: [Int: String],
        thinned: Thinning.Memory = Thinning.Memory()
    ) -> String? {
        var steps: [ExplainedStep] = []
        if message.event == nil, let scene { steps += Explanation.flags(of: scene.profile) }
        var budget = EvaluationBudget()
        let index = PayloadIndex(message.payload, paths: PathSet(webhook.askedPaths ?? []))
        steps += Explanation.filters(
            of: webhook, thing: message.thing, subtopic: message.subtopic, index, memory: memory, budget: &budget
        ).filter { scene != nil || $0.check != .things }
        if scene != nil, steps.fate == nil, let thinning = webhook.thinning {
            let earlier = Explanation.earlier(
                message.payload, index, thinning, after: thinned, now: message.id.time, budget: &budget)
            // What waits is not left out.
            if earlier.fate == .skip { steps.append(earlier) }
        }
        return steps.first { $0.fate != nil }?.reason
    }
}
