/// One message as the broker handed it over.
package struct ReceivedMessage: Sendable {
    package let topic: String
    package let payload: [UInt8]
    /// The user property `traceparent` of the publish (W3C Trace Context), if it had one.
    package let traceparent: String?
    /// The numbers of the subscriptions that the broker sends it for (MQTT 5, section 3.3.2.3.8); empty for those without one.
    package let subscriptions: [Int32]
    /// Whether the broker had kept it before it was subscribed to.
    package let isRetained: Bool
    /// At which the broker hands it over: that of the publish, or of the subscription if that is less.
    package let qos: UInt8
    /// What else the publish said of itself; nil if nothing.
    package let properties: ReceivedProperties?

    package init(
        topic: String, payload: [UInt8], traceparent: String?, subscriptions: [Int32] = [], isRetained: Bool = false,
        qos: UInt8 = 1, properties: ReceivedProperties? = nil
    ) {
        self.qos = qos
        self.properties = properties
        self.topic = topic
        self.payload = payload
        self.traceparent = traceparent
        self.subscriptions = subscriptions
        self.isRetained = isRetained
    }

    /// Of its payload and properties.
    var byteCount: Int { self.payload.count + (self.properties?.byteCount ?? 0) }
}

/// Messages that are read but not acknowledged.
///
/// They are acknowledged together by the next ``Session/acknowledgeAndReceive(upTo:bytes:within:linger:longer:)``. If the process or
/// the connection ends before that, the broker sends them again.
package struct Batch: Sendable {
    package internal(set) var messages: [ReceivedMessage] = []
    /// The sum of the payloads' sizes, and of what else they said.
    package internal(set) var payloadBytes = 0
    /// How many more came whose topics are no texts to MQTT: they are nobody's, and are acknowledged with the others.
    package internal(set) var unreadable = 0
    /// The topic of one of them, as far as it is a text.
    package internal(set) var unreadableTopic: String?

    /// How many came.
    var count: Int { self.messages.count + self.unreadable }

    mutating func append(_ message: ReceivedMessage) {
        self.messages.append(message)
        self.payloadBytes += message.byteCount
    }

    private static let longestShown = 200

    mutating func note(unreadable topic: ArraySlice<UInt8>) {
        self.unreadable += 1
        self.unreadableTopic = String(decoding: topic.prefix(Self.longestShown), as: UTF8.self)
    }

    /// In their order; nil if there is nothing to divide.
    package var halves: (Batch, Batch)? {
        guard self.messages.count > 1 else { return nil }
        let middle = self.messages.count / 2
        return (Batch(self.messages[..<middle]), Batch(self.messages[middle...]))
    }
}

extension Batch {
    fileprivate init(_ messages: ArraySlice<ReceivedMessage>) {
        self.messages = Array(messages)
        self.payloadBytes = messages.reduce(0) { $0 + $1.byteCount }
    }
}
