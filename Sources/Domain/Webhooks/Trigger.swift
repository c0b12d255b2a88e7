/// What makes a webhook fire.
package enum TriggerKind: String, Sendable, Codable, CaseIterable {
    case message = "MESSAGE"
    case thingCreated = "THING_CREATED"
    case thingFirstMessage = "THING_FIRST_MESSAGE"
    case thingRemoved = "THING_REMOVED"
    /// No message of a thing for a set time, and again when it is back.
    case thingSilent = "THING_SILENT"
    case memberAdded = "MEMBER_ADDED"
    case memberRemoved = "MEMBER_REMOVED"
    case memberUpdated = "MEMBER_UPDATED"
    /// On request alone.
    case manual = "MANUAL"
    /// One of a newer version. This one does not know when it fires, and never fires it.
    case unknown = "UNKNOWN"

    /// What a webhook may have.
    package static let allCases: [TriggerKind] = [
        .message, .thingCreated, .thingFirstMessage, .thingRemoved, .thingSilent, .memberAdded, .memberRemoved,
        .memberUpdated, .manual,
    ]

    /// Whether a thing is what it happens to.
    package var isOfThing: Bool {
        switch self {
        case .message, .thingCreated, .thingFirstMessage, .thingRemoved, .thingSilent: true
        case .memberAdded, .memberRemoved, .memberUpdated, .manual, .unknown: false
        }
    }
}

package struct Trigger: Sendable, Equatable, Codable {
    package var kind: TriggerKind
    /// Messages: the subtopics that count, with `+` and `#` as in MQTT; empty is all.
    package var subtopics: [String]
    /// The things that count; empty is all of the group.
    package var things: [String]
    /// Silence: for how long, in seconds.
    package var after: Int64?

    package static let most = 100
    package static let shortestSilence: Int64 = 10
    package static let longestSilence: Int64 = 30 * 86_400

    package init(
        kind: TriggerKind = .message, subtopics: [String] = [], things: [String] = [], after: Int64? = nil
    ) {
        self.kind = kind
        self.subtopics = subtopics
        self.things = things
        self.after = after
    }

    func check() throws(InvalidField) {
        if !self.subtopics.isEmpty {
            guard self.kind == .message else {
                throw InvalidField("trigger.subtopics", "go with the trigger MESSAGE alone")
            }
            guard self.subtopics.count <= Self.most else {
                throw InvalidField("trigger.subtopics", "must be at most \(Self.most)")
            }
            for (index, text) in self.subtopics.enumerated() where SubtopicFilter(text) == nil {
                throw InvalidField(
                    "trigger.subtopics[\(index)]", "must be a filter such as room/+/temperature or alarms/#")
            }
        }
        if !self.things.isEmpty {
            guard self.kind.isOfThing else {
                throw InvalidField("trigger.things", "do not go with the trigger \(self.kind.rawValue)")
            }
            guard self.things.count <= Self.most else {
                throw InvalidField("trigger.things", "must be at most \(Self.most)")
            }
            for (index, text) in self.things.enumerated() where EntityID(text) == nil {
                throw InvalidField("trigger.things[\(index)]", "must be a UUID")
            }
        }
        switch (self.kind, self.after) {
        case (.thingSilent, nil): throw InvalidField("trigger.after", "is required: seconds without a message")
        case (.thingSilent, let after?):
            guard (Self.shortestSilence...Self.longestSilence).contains(after) else {
                throw InvalidField(
                    "trigger.after", "must be a number from \(Self.shortestSilence) to \(Self.longestSilence)")
            }
        case (_, .some): throw InvalidField("trigger.after", "goes with the trigger THING_SILENT alone")
        case (_, nil): return
        }
    }
}

/// A topic filter (MQTT 5, section 4.7) on what comes behind `messages/`.
package struct SubtopicFilter: Sendable, Equatable {
    private let levels: [Substring]

    package init?(_ text: String) {
        let levels = text.split(separator: "/", omittingEmptySubsequences: false)
        guard !text.isEmpty, text.utf8.count <= ThingTopic.longestSubtopic,
            text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { return nil }
        for (index, level) in levels.enumerated() {
            if level.contains("#") { guard level == "#", index == levels.count - 1 else { return nil } }
            if level.contains("+") { guard level == "+" else { return nil } }
        }
        self.levels = levels
    }

    package func matches(_ subtopic: String) -> Bool {
        if self.levels == ["#"] { return true }
        // Without a subtopic there is no level that `+` could stand for.
        if subtopic.isEmpty { return false }
        let parts = subtopic.split(separator: "/", omittingEmptySubsequences: false)
        for (index, level) in self.levels.enumerated() {
            if level == "#" { return true }
            guard index < parts.count, level == "+" || level == parts[index] else {
                // `a/#` takes `a` too.
                return false
            }
            if index == parts.count - 1, index == self.levels.count - 2, self.levels[index + 1] == "#" { return true }
        }
        return parts.count == self.levels.count
    }
}

/// A trigger as messages meet it: what it asks of them, ready to be compared.
package struct TriggerFilter: Sendable {
    package let kind: TriggerKind
    private let subtopics: [SubtopicFilter]
    private let things: Set<EntityID>

    package init(_ trigger: Trigger) {
        self.kind = trigger.kind
        self.subtopics = trigger.subtopics.compactMap { SubtopicFilter($0) }
        self.things = Set(trigger.things.compactMap { EntityID($0) })
    }

    /// Whether it lets everything through that is of its kind.
    package var isOpen: Bool { self.subtopics.isEmpty && self.things.isEmpty }

    /// Which part of it does not let a message through.
    package enum Refusal: Sendable { case things, subtopics }

    /// nil lets it through.
    package func refusal(thing: EntityID, subtopic: String) -> Refusal? {
        guard self.things.isEmpty || self.things.contains(thing) else { return .things }
        return self.subtopics.isEmpty || self.subtopics.contains { $0.matches(subtopic) } ? nil : .subtopics
    }

    package func admits(thing: EntityID, subtopic: String) -> Bool {
        self.refusal(thing: thing, subtopic: subtopic) == nil
    }
}
