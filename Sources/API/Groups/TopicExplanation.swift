internal import Domain
internal import Registry
internal import Values

/// What a group's rules make of a message.
struct TopicExplanation: Sendable {
    /// In their order.
    let rules: [Rule]
    let taken: TopicRule.Taken

    struct Rule: Sendable {
        let id: EntityID
        let filter: String
        /// nil if it takes the message.
        let why: String?
    }

    init(_ topic: String, _ payload: [UInt8], isRetained: Bool, received: Instant, _ rules: TopicRuleStore.Rules) {
        var (found, taken): ([Rule], TopicRule.Taken) = ([], TopicRule.Taken())
        let levels = TopicLevels(topic)
        var isTaken = false
        for record in rules.rules {
            var why: String?
            do throws(InvalidField) {
                let rule = try TopicRule(record.draft)
                why =
                    if !rule.pattern.filter.matches(topic) {
                        "its filter is for other topics"
                    } else if !rules.covers(rule.pattern.filter) {
                        "the group's allowed_topics do not cover it"
                    } else if isRetained, !rule.looksAtRetained {
                        "it takes no messages that the broker has kept"
                    } else if isTaken, rules.choice == .first {
                        "a rule before it takes the message"
                    } else {
                        nil
                    }
                if why == nil, let levels {
                    isTaken = true
                    taken.add(rule.take(levels, payload, isRetained: isRetained, received: received))
                }
            } catch {
                why = "\(error)"
            }
            found.append(Rule(id: record.id, filter: record.draft.filter, why: why))
        }
        self.rules = found
        self.taken = taken
    }
}

struct TopicExplanationDTO: Encodable {
    let taken: Bool
    let rules: [RuleDTO]
    /// What the message becomes.
    let parts: [PartDTO]
    /// Why nothing is made of it, or of parts of it.
    let refused: [String]
    /// What is wrong with a payload that a rule cannot decode.
    let undecoded: String?

    struct RuleDTO: Encodable {
        let id: String
        let filter: String
        let takes: Bool
        let why: String?
    }

    struct PartDTO: Encodable {
        /// As the message calls it.
        let thing: String
        /// nil if the group has none that is called so.
        let thing_id: String?
        let subtopic: String
        let payload: BodyDTO
        /// Whether it says that the thing is connected; nil if it says nothing of that.
        let connected: Bool?
        /// The message's type, where a rule has made JSON of the payload; nil if the thing's profile says it.
        let content_type: String?
        /// Whether it is a message of the thing.
        let delivered: Bool
    }

    init(_ explanation: TopicExplanation, _ known: [ExactText: EntityID]) {
        self.taken = explanation.rules.contains { $0.why == nil }
        self.rules = explanation.rules.map {
            RuleDTO(id: $0.id.description, filter: $0.filter, takes: $0.why == nil, why: $0.why)
        }
        self.parts = explanation.taken.parts.map { part in
            PartDTO(
                thing: part.thing, thing_id: known[ExactText(part.thing)]?.description, subtopic: part.subtopic,
                payload: BodyDTO(part.payload), connected: part.isConnected,
                content_type: part.origin == .made ? ProfileConfig.defaultContentType : nil, delivered: part.isDelivered
            )
        }
        self.refused = explanation.taken.refused.map(\.rawValue)
        self.undecoded = explanation.taken.undecoded?.description
    }
}
