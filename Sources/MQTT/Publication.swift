/// A message to be published.
package struct Publication: Sendable {
    package let topic: String
    package let payload: [UInt8]
    let qos: Int32
    let isRetained: Bool
    let properties: Properties?
    /// Whether it is there to take away what the broker keeps on its topic.
    private(set) var isClearing = false

    /// - Parameters:
    ///   - payload: any bytes.
    ///   - topic: without wildcards.
    ///   - qos: 0 to 2; at 0 nobody says whether the broker has it.
    ///   - isRetained: whether the broker keeps it for who subscribes later.
    ///   - properties: what goes along with it; nil is nothing.
    package init(
        _ payload: [UInt8], to topic: String, qos: Int = 1, isRetained: Bool = false, properties: Properties? = nil
    ) {
        self.topic = topic
        self.payload = payload
        self.qos = Int32(clamping: min(max(qos, 0), 2))
        self.isRetained = isRetained
        self.properties = properties
    }

    /// What takes away what the broker keeps on this topic. Who is subscribed gets it as an empty message (MQTT 5, section 3.3.1.3); where
    /// the broker keeps nothing it is not sent.
    package static func clearing(_ topic: String) -> Publication {
        var publication = Publication([], to: topic, isRetained: true)
        publication.isClearing = true
        return publication
    }
}

extension Publication {
    /// What its packet has beside an empty list of properties, in bytes.
    var size: Int { self.payload.count + (self.properties?.size ?? 0) }
}

/// Why the broker does not take a message, while it takes others.
package struct PublishRefusal: Error, Sendable, Equatable {
    package let reason: String
    /// Whether it never will, however often it is asked.
    package let isFinal: Bool

    /// - Parameter most: the largest payload on that topic, if the broker told.
    static func tooLarge(_ most: Int?) -> PublishRefusal {
        PublishRefusal(
            reason: "it is larger than the broker takes\(most.map { " (\($0) bytes)" } ?? "")", isFinal: true)
    }

    /// Reason codes of a PUBACK (MQTT 5, section 3.4.2.1). A name or format is wrong for ever; rights and quotas change.
    package init(code: Int32) {
        switch code {
        case 135: self.init(reason: "this account may not publish there", isFinal: false)
        case 144: self.init(reason: "the broker does not take its topic", isFinal: true)
        case 149: self = .tooLarge(nil)
        case 151: self.init(reason: "a quota at the broker is used up", isFinal: false)
        case 153: self.init(reason: "the broker does not take its format", isFinal: true)
        default: self.init(reason: "the broker refuses it with code \(code)", isFinal: false)
        }
    }

    package init(reason: String, isFinal: Bool) {
        self.reason = reason
        self.isFinal = isFinal
    }
}

/// What became of a message.
package enum PublishOutcome: Sendable, Equatable {
    /// The broker has it.
    case taken
    case refused(PublishRefusal)
    /// The connection ended before it was answered: the broker has it, or not.
    case unanswered
    /// The connection ended before it was sent.
    case unsent
}

/// What became of messages that were published together, in their order.
package struct PublishReport: Sendable {
    package internal(set) var outcomes: [PublishOutcome]
    /// Why the connection ended; nil if it did not.
    package internal(set) var failure: MQTTError?
    /// Places of those for which nobody was subscribed, as far as the broker tells (reason code 16: MQTT 5, section 3.4.2.1).
    package internal(set) var unheard: Set<Int> = []
    /// Places of those that the broker was to keep and did not, because it keeps nothing (MQTT 5, section 3.2.2.3.5).
    package internal(set) var unkept: Set<Int> = []

    package init(outcomes: [PublishOutcome], failure: MQTTError? = nil) {
        self.outcomes = outcomes
        self.failure = failure
    }
}
