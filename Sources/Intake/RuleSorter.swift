internal import Domain
internal import MQTT
internal import Observability
internal import Registry
internal import Values

/// Finds what groups' rules make of messages that are not below `things/`. Without I/O.
struct RuleSorter {
    let topics: TopicTable
    /// Numbers of subscriptions that were there before all later ones: see ``Seniority``.
    var senior: Set<Int32> = []
    /// Asked once for all names of a batch.
    let resolve: ([ThingName]) -> [(thing: EntityID, route: Routes.Resolution)?]

    static var none: RuleSorter { RuleSorter(topics: TopicTable()) { $0.map { _ in nil } } }

    typealias Found = (
        received: ReceivedMessage, part: TopicRule.Part, thing: EntityID, route: Routes.Resolution
    )

    /// In the order in which they came.
    ///
    /// - Parameter time: when they did.
    func find(
        _ messages: [ReceivedMessage], largestPayload: Int, at time: Instant, in sorted: inout SortedBatch
    ) -> [Found] {
        var parts: [(received: ReceivedMessage, part: TopicRule.Part, name: ThingName)] = []
        for received in messages {
            switch self.topics.find(
                received.topic, numbers: received.subscriptions, isRetained: received.isRetained, senior: self.senior)
            {
            case .none:
                let level = received.topic.unicodeScalars.prefix { $0 != "/" }
                sorted.untaken[String(level.prefix(64)), default: 0] += 1
                BatchSorter.refuse(received, .topic, in: &sorted)
            case .repetition:
                sorted.count -= 1
                sorted.repeated += 1
            case .rules(let match):
                guard received.payload.count <= largestPayload else {
                    Self.refuse(received, .payloadTooLarge, of: match.group, in: &sorted)
                    continue
                }
                let taken = match.take(received.payload, received: time)
                sorted.count += taken.parts.count + taken.refused.count - 1
                for refusal in taken.refused {
                    Self.refuse(received, RefusalReason(refusal), of: match.group, in: &sorted)
                }
                if let why = taken.undecoded { sorted.whyUndecoded = why.description }
                for part in taken.parts {
                    // What is made of a payload may be longer than that.
                    guard part.origin != .made || part.payload.count <= largestPayload else {
                        Self.refuse(received, .payloadTooLarge, of: match.group, in: &sorted)
                        continue
                    }
                    parts.append((received, part, ThingName(part.thing, in: match.group)))
                }
            }
        }
        guard !parts.isEmpty else { return [] }
        var found: [Found] = []
        found.reserveCapacity(parts.count)
        for ((received, part, name), thing) in zip(parts, self.resolve(parts.map(\.name))) {
            if let thing {
                found.append((received, part, thing.thing, thing.route))
            } else {
                sorted.unknownNames[name, default: 0] += 1
                Self.refuse(received, .unknownThing, of: name.group, in: &sorted)
            }
        }
        return found
    }

    private static func refuse(
        _ received: ReceivedMessage, _ reason: RefusalReason, of group: EntityID, in sorted: inout SortedBatch
    ) {
        BatchSorter.refuse(received, reason, in: &sorted)
        let subject = TopicRefusals.Subject(group: group, reason: reason.rawValue)
        let one = TopicRefusals.Count(count: 1, topic: received.topic)
        sorted.ruleRefusals[subject, default: .init(count: 0, topic: "")].add(one)
    }
}

extension RefusalReason {
    fileprivate init(_ refusal: TopicRule.Refusal) {
        switch refusal {
        case .notJSON: self = .notJSON
        case .noThing: self = .noThing
        case .notSplit: self = .notSplit
        case .badSubtopic: self = .subtopic
        case .undecoded: self = .undecoded
        }
    }
}
