/// Something that a thing is told to do, on its way there and after that.
package struct Command: Sendable {
    /// When it is given to the broker.
    package enum Deliver: String, Sendable, CaseIterable {
        /// At once; and if nobody is subscribed then, as soon as the thing is heard of.
        case now
        /// As soon as the thing is heard of.
        case whenSeen = "when_seen"
        /// At once, and whenever the thing is heard of, until it has answered.
        case untilAnswered = "until_answered"
    }

    package enum State: String, Sendable, CaseIterable {
        case pending
        /// The broker had it for somebody.
        case published
        case answered
        /// Nobody had it in time.
        case expired
        case cancelled
        /// By a later one with the same key.
        case replaced
        /// The broker does not take it.
        case refused
    }

    package let id: EntityID
    package let group: EntityID
    package let thing: EntityID
    package let subtopic: String
    package let payload: [UInt8]
    package let contentType: String?
    package let key: String?
    package let deliver: Deliver
    package let isRetained: Bool

    /// In characters.
    package static let longestKey = 100
    package static let longestContentType = 200
    /// How many commands may lead to one, each by its answer.
    package static let mostHops: Int16 = 4

    package init(
        id: EntityID, group: EntityID, thing: EntityID, subtopic: String = "", payload: [UInt8],
        contentType: String? = nil, key: String? = nil, deliver: Deliver = .now, isRetained: Bool = false
    ) {
        self.id = id
        self.group = group
        self.thing = thing
        self.subtopic = subtopic
        self.payload = payload
        self.contentType = contentType
        self.key = key
        self.deliver = deliver
        self.isRetained = isRetained
    }

    package var topic: String { CommandTopic.text(of: self.thing, subtopic: self.subtopic) }
    /// Where its answer is awaited, if the thing can tell (MQTT 5, section 3.3.2.3.5).
    package var answerTopic: String { "things/\(self.thing)/messages/\(CommandAnswer.prefix)/\(self.id)" }
}

/// Where a thing is told something: `things/<thing_id>/commands[/<subtopic…>]`.
package enum CommandTopic {
    package static func text(of thing: EntityID, subtopic: String) -> String {
        "things/\(thing)/commands\(subtopic.isEmpty ? "" : "/" + subtopic)"
    }

    /// Whether something can be published there (MQTT 5, section 4.7).
    package static func isSubtopic(_ text: String) -> Bool {
        text.utf8.count <= ThingTopic.longestSubtopic
            && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "#") }
    }
}

/// What a thing says to a command, as one of its messages.
package struct CommandAnswer: Sendable, Equatable {
    /// Which command it is for.
    package enum Address: Sendable, Equatable {
        case command(EntityID)
        /// The newest that was sent below this subtopic and has no answer.
        case newest(subtopic: String)
    }

    /// The first level of its subtopic.
    package static let prefix = "answers"

    package let thing: EntityID
    package let address: Address

    /// nil if a message is no answer.
    package init?(_ topic: String) {
        guard let topic = try? ThingTopic(topic), let address = Self.address(topic.subtopic) else { return nil }
        self.thing = topic.thing
        self.address = address
    }

    /// Of the subtopic of a thing's message; nil if it is no answer.
    package static func address(_ subtopic: String) -> Address? {
        guard subtopic.utf8.starts(with: Self.prefix.utf8) else { return nil }
        let rest = subtopic.utf8.dropFirst(Self.prefix.utf8.count)
        guard rest.isEmpty || rest.first == UInt8(ascii: "/") else { return nil }
        let name = Substring(rest.dropFirst())
        return EntityID(name).map(Address.command) ?? .newest(subtopic: String(name))
    }
}
