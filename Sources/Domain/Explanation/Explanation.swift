package import Values

/// What a thing's messages meet: the routes, as messages find them.
package struct ThingScene: Sendable {
    package let group: EntityID
    package let profile: ProfileConfig
    /// All of the group, in the order of their keys.
    package let webhooks: [WebhookTarget]
    /// What the conditions of those that messages go to ask of a payload.
    package let conditionPaths: PathSet
    /// What webhooks may choose the thing by.
    package let traits: ThingTraits
    /// On which it is heard by rules of its group.
    package let topics: [String]

    package init(
        group: EntityID, profile: ProfileConfig, webhooks: [WebhookTarget], conditionPaths: PathSet,
        traits: ThingTraits = ThingTraits(), topics: [String] = []
    ) {
        self.traits = traits
        self.topics = topics
        self.group = group
        self.profile = profile
        self.webhooks = webhooks
        self.conditionPaths = conditionPaths
    }
}

/// The message that is asked about.
package struct ExplainedMessage: Sendable {
    package enum Origin: Sendable {
        case given
        /// The newest that is kept.
        case kept(at: Instant)
        /// None is given, and none is kept.
        case missing
    }

    package let thing: EntityID
    package let subtopic: String
    /// nil if there is none.
    package let payload: [UInt8]?
    package let properties: MessageProperties?
    package let origin: Origin
    /// Whether it is given as JSON or text, which of a format that is neither is what would be made of what the thing sends.
    package let isWritten: Bool

    package init(
        thing: EntityID, subtopic: String, payload: [UInt8]?, properties: MessageProperties? = nil, origin: Origin,
        isWritten: Bool = false
    ) {
        self.properties = properties
        self.isWritten = isWritten
        self.thing = thing
        self.subtopic = subtopic
        self.payload = payload
        self.origin = origin
    }
}

/// Why a message goes to the webhooks of its group, or does not, step by step.
///
/// It asks what intake asks, in the same order and by the same functions, and then what delivery waits for. Nothing is
/// written: what conditions remember is looked at.
package struct Explanation: Sendable {
    package struct OfWebhook: Sendable {
        package let target: WebhookTarget
        package let would: Fate
        package let steps: [ExplainedStep]
    }

    /// What holds for all webhooks.
    package let steps: [ExplainedStep]
    package let webhooks: [OfWebhook]

    /// - Parameters:
    ///   - scene: nil if there is no such thing.
    ///   - largest: the largest payload that is taken, in bytes.
    ///   - now: when it would come in.
    ///   - alarm: what is known of the thing where conditions have an edge.
    ///   - memory: what conditions remember of the thing, by the number of the rule.
    ///   - thinned: what is remembered of it where messages are left out.
    package init(
        of message: ExplainedMessage, in scene: ThingScene?, largestPayload largest: Int, now: Instant = .first,
        alarm: (WebhookTarget) -> Alarm? = { _ in nil }, memory: (WebhookKey) -> [Int: String],
        thinned: (WebhookKey) -> Thinning.Memory = { _ in Thinning.Memory() }
    ) {
        var steps = [Self.topic(of: message, in: scene), Self.thing(of: message, in: scene), Self.origin(of: message)]
        if let payload = message.payload {
            let isTaken = payload.count <= largest
            let size = "\(payload.count) bytes"
            steps.append(
                isTaken
                    ? ExplainedStep(.payload, size)
                    : ExplainedStep(
                        .payload, isOK: false, "\(size), and at most \(largest) are taken (INTAKE_LARGEST_PAYLOAD)",
                        fate: .ignore))
        }
        guard let scene else {
            self.steps = steps
            self.webhooks = []
            return
        }
        let isView = message.isWritten && scene.profile.decoder?.format.isText == false
        var index = message.payload.map {
            PayloadIndex(
                $0, by: isView ? nil : scene.profile.decoder?.chosen(for: message.subtopic), received: now,
                paths: scene.conditionPaths)
        }
        index?.properties = message.properties
        if let step = Self.decoding(by: scene.profile, index, isView: isView) { steps.append(step) }
        steps += Self.flags(of: scene.profile)
        let count = scene.webhooks.count
        steps.append(
            ExplainedStep(
                .webhooks, isOK: count > 0,
                count == 0 ? "the group has no webhooks" : "the group has \(count == 1 ? "one" : "\(count)")"))
        self.steps = steps
        let before = steps.fate
        var budget = EvaluationBudget(for: scene.conditionPaths)
        self.webhooks = scene.webhooks.map { webhook in
            let remembered = Remembered(
                rules: memory(webhook.key), alarm: alarm(webhook), traits: scene.traits, at: MessageID.first(at: now))
            var steps = Self.routing(of: message, index, to: webhook, remembered, budget: &budget)
            if steps.fate == nil, let thinning = webhook.thinning {
                steps.append(
                    Self.earlier(
                        message.payload, index, thinning, after: thinned(webhook.key), now: now, budget: &budget))
            }
            return OfWebhook(target: webhook, would: before ?? steps.fate ?? .send, steps: steps)
        }
    }

    /// What is known of a thing at a webhook when a message is looked at.
    struct Remembered {
        let rules: [Int: String]
        let alarm: Alarm?
        let traits: ThingTraits
        /// The message; of one that has not come in, one of that time.
        let at: MessageID
    }

    private init(steps: [ExplainedStep], webhooks: [OfWebhook]) {
        self.steps = steps
        self.webhooks = webhooks
    }

    /// The same for those that are wanted, with what delivery says of them.
    ///
    /// - Parameter standings: a webhook that is not among them is left out.
    package func with(
        _ standings: [WebhookKey: WebhookStanding], gates: [WebhookKey: GateStanding]
    ) -> Explanation {
        Explanation(
            steps: self.steps,
            webhooks: self.webhooks.compactMap { webhook in
                guard let standing = standings[webhook.target.key] else { return nil }
                let steps = Self.delivery(to: webhook.target, standing, gates[webhook.target.key])
                // What is not for it does not wait for anything.
                let would = webhook.would == .send ? steps.fate ?? .send : webhook.would
                return OfWebhook(target: webhook.target, would: would, steps: webhook.steps + steps)
            })
    }
}
