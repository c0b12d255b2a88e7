// What intake asks of a webhook before it makes a delivery.

internal import Values

extension Explanation {
    /// - Parameter index: nil if there is no payload.
    static func routing(
        of message: ExplainedMessage, _ index: PayloadIndex?, to webhook: WebhookTarget, _ remembered: Remembered,
        budget: inout EvaluationBudget
    ) -> [ExplainedStep] {
        var steps = [Self.status(of: webhook), Self.trigger(of: webhook)]
        guard webhook.receivesMessages else { return steps }
        steps += Self.filters(
            of: webhook, thing: message.thing, subtopic: message.subtopic, index, remembered, budget: &budget)
        return steps
    }

    /// Its filters and conditions. Of what a filter does not let through nothing more is asked, as intake does not either.
    static func filters(
        of webhook: WebhookTarget, thing: EntityID, subtopic: String, _ index: PayloadIndex?, _ remembered: Remembered,
        budget: inout EvaluationBudget
    ) -> [ExplainedStep] {
        let trigger = webhook.options.trigger
        let refusal = webhook.filter.refusal(thing: thing, remembered.traits, subtopic: subtopic)
        var steps = Self.choice(of: thing, trigger, refusal)
        if !trigger.subtopics.isEmpty, refusal == nil || refusal == .subtopics {
            let name = subtopic.isEmpty ? "without a subtopic" : "the subtopic \(subtopic.prefix(200))"
            let all = Self.some(of: trigger.subtopics)
            steps.append(
                refusal == .subtopics
                    ? ExplainedStep(
                        .subtopics, isOK: false, "\(name) matches none of \(all) (trigger.subtopics)", fate: .ignore)
                    : ExplainedStep(.subtopics, "\(name) matches one of \(all)"))
        }
        if trigger.kind == .logEvent, refusal == nil || refusal == .codes {
            steps.append(Self.code(of: subtopic, trigger, isOK: refusal == nil))
        }
        guard refusal == nil else { return steps }
        if let filter = webhook.payloadFilter {
            let step = Self.data(filter, trigger, index, budget: &budget)
            steps.append(step)
            guard step.isOK else { return steps }
        }
        guard let conditions = webhook.conditions else { return steps }
        guard let index else {
            steps.append(
                ExplainedStep(.conditions, isOK: false, "there is no payload to ask them of", fate: .unknown))
            return steps
        }
        steps.append(Self.conditions(conditions, index, remembered, budget: &budget))
        return steps
    }

    /// The first few, which are nearly always all.
    private static func some(of texts: [String]) -> String {
        texts.prefix(5).joined(separator: ", ") + (texts.count > 5 ? ", …" : "")
    }

    private static func code(of subtopic: String, _ trigger: Trigger, isOK: Bool) -> ExplainedStep {
        guard let code = LogEvent.code(of: subtopic) else {
            return ExplainedStep(
                .subtopics, isOK: false, "it is no log event, which are on \(LogEvent.folder)/<code>", fate: .ignore)
        }
        let codes = Self.some(of: trigger.codes)
        let name = "the log event \(code.prefix(200))"
        guard isOK else {
            return ExplainedStep(
                .subtopics, isOK: false, "\(name) is none of \(codes) (trigger.codes)", fate: .ignore)
        }
        return ExplainedStep(.subtopics, codes.isEmpty ? "it is \(name)" : "\(name) is one of \(codes)")
    }

    private static func data(
        _ filter: PayloadFilter, _ trigger: Trigger, _ index: PayloadIndex?, budget: inout EvaluationBudget
    ) -> ExplainedStep {
        guard let index else {
            return ExplainedStep(.data, isOK: false, "there is no payload to look into", fate: .unknown)
        }
        let paths = Self.some(of: trigger.paths)
        let levels = trigger.levels.map(\.rawValue).joined(separator: ", ")
        return switch filter.verdict(on: index, budget: &budget) {
        case .admits:
            ExplainedStep(
                .data, trigger.paths.isEmpty ? "its level is one of \(levels)" : "the payload has one of \(paths)")
        case .lacksPaths:
            ExplainedStep(.data, isOK: false, "the payload has none of \(paths) (trigger.paths)", fate: .ignore)
        case .isOf(let level):
            ExplainedStep(
                .data, isOK: false, "its level is \(level.rawValue), and none of \(levels) (trigger.levels)",
                fate: .ignore)
        case .isTooCostly: ExplainedStep(.data, isOK: false, EvaluationBudget.tooCostly, fate: .skip)
        }
    }

    private static func conditions(
        _ conditions: ConditionSet, _ index: PayloadIndex, _ remembered: Remembered, budget: inout EvaluationBudget
    ) -> ExplainedStep {
        let (skip, met, findings): (String?, String, [ConditionSet.Finding])
        if let edge = conditions.edge {
            let alarm = remembered.alarm
            let (truth, found) = conditions.explainTruth(of: index, isHeld: alarm != nil, budget: &budget)
            let outcome = edge.outcome(of: truth, by: remembered.at, after: alarm)
            (skip, findings) = (outcome.skip, found)
            met =
                outcome.crossing.map {
                    $0.state == .normal
                        ? "they are no longer met, and were since \($0.since.text)" : "they become met"
                } ?? "they are met"
        } else {
            let (outcome, found) = conditions.explain(index, memory: remembered.rules, budget: &budget)
            (skip, met, findings) = (outcome.skip, "they are met", found)
        }
        return ExplainedStep(
            .conditions, isOK: skip == nil, skip ?? met, fate: skip == nil ? nil : .skip, findings: findings)
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

    /// Whether the thing is one of those that it chooses, by each of the ways in which it does.
    private static func choice(
        of thing: EntityID, _ trigger: Trigger, _ refusal: TriggerFilter.Refusal?
    ) -> [ExplainedStep] {
        let named = trigger.things + trigger.externalIDs
        let ways: [(isAsked: Bool, refusal: TriggerFilter.Refusal, yes: String, no: String)] = [
            (
                !named.isEmpty, .things,
                "the thing is one of those that it is for (\(trigger.things.isEmpty ? "trigger.external_ids" : "trigger.things"))",
                "it is for \(named.count == 1 ? "another thing" : "\(named.count) others"), not for \(thing) "
                    + "(\(trigger.things.isEmpty ? "trigger.external_ids" : "trigger.things"))"
            ),
            (
                !trigger.profiles.isEmpty, .profiles, "the thing has a profile that it is for (trigger.profiles)",
                "it is for things of other profiles (trigger.profiles)"
            ),
            (
                !trigger.labels.isEmpty, .labels, "the thing has the labels that it is for (trigger.labels)",
                "it is for things that are labelled \(trigger.labels.prefix(5).joined(separator: ", ")) (trigger.labels)"
            ),
        ]
        var steps: [ExplainedStep] = []
        for way in ways where way.isAsked {
            guard way.refusal != refusal else {
                return steps + [ExplainedStep(.things, isOK: false, way.no, fate: .ignore)]
            }
            steps.append(ExplainedStep(.things, way.yes))
        }
        return steps
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
    ///   - alarm: what is known of the thing where they have an edge.
    package static func obstacle(
        of message: Message, to webhook: WebhookTarget, in scene: ThingScene?, memory: [Int: String],
        alarm: Alarm? = nil, thinned: Thinning.Memory = Thinning.Memory()
    ) -> String? {
        var steps: [ExplainedStep] = []
        if message.event == nil, let scene { steps += Explanation.flags(of: scene.profile) }
        var budget = EvaluationBudget()
        let index = PayloadIndex(of: message, paths: PathSet(webhook.askedPaths ?? []))
        steps += Explanation.filters(
            of: webhook, thing: message.thing, subtopic: message.subtopic, index,
            .init(rules: memory, alarm: alarm, traits: scene?.traits ?? ThingTraits(), at: message.id), budget: &budget
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
