/// Where a message asks to be answered, and with what: its response topic and correlation data (MQTT 5, section 4.10).
package struct AskedAnswer: Sendable, Equatable {
    /// nil if nothing may be published there.
    package let topic: ResponseTopic?
    /// Goes back as it came.
    package let correlationData: [UInt8]?

    /// - Parameters:
    ///   - isOwn: whether a topic that is not below `things/` is the thing's own by the rules of its group.
    /// - Returns: nil if the message asks nothing.
    package init?(_ message: Message, isOwn: (String) -> Bool) {
        guard let properties = message.properties, let topic = properties.responseTopic else { return nil }
        self.topic = ResponseTopic(asked: topic, of: message.thing, isOwn: isOwn)
        self.correlationData = properties.correlationData
    }
}

extension ResponseTopic {
    private static let longestAsked = 2_048

    /// The response topic that a message names, if its thing may be answered there. A device chooses it, and Hookline's account may
    /// publish anywhere; so it has to be the thing's own: below `things/<thing_id>/`, and there not where things publish, for that
    /// would come back as a message of it; or what `isOwn` says.
    package init?(asked text: String, of thing: EntityID, isOwn: (String) -> Bool) {
        guard (1...Self.longestAsked).contains(text.utf8.count), TopicText.isPublishable(text), !text.hasPrefix("$")
        else {
            return nil
        }
        let levels = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        if levels[0].elementsEqual("things".utf8) {
            guard levels.count > 2, levels[1].elementsEqual(thing.description.utf8), !levels[2].isEmpty,
                !levels[2].elementsEqual("messages".utf8)
            else { return nil }
        } else {
            guard isOwn(text) else { return nil }
        }
        self.text = text
    }
}
