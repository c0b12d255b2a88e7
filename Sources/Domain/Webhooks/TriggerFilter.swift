package import Values

/// What is known of a thing where it is decided which webhooks its messages fire.
package struct ThingTraits: Sendable {
    package let profile: EntityID?
    /// nil if it has none that a webhook of its group asks for, as nearly all do.
    package let marks: ThingMarks?

    package init(profile: EntityID? = nil, marks: ThingMarks? = nil) {
        self.profile = profile
        self.marks = marks
    }
}

/// What webhooks may choose a thing by that its owners gave it. An object, as things that have the same share it.
package final class ThingMarks: Sendable {
    package let externalID: ExactText?
    package let labels: Set<ExactText>

    fileprivate init(exactly externalID: ExactText?, labels: Set<ExactText>) {
        self.externalID = externalID
        self.labels = labels
    }

    package convenience init(externalID: String?, labels: some Sequence<String>) {
        self.init(exactly: externalID.map { ExactText($0) }, labels: Set(labels.lazy.map { ExactText($0) }))
    }
}

/// What the webhooks of a group choose things by.
package struct Selectors: Sendable, Equatable {
    package private(set) var externalIDs: Set<ExactText> = []
    package private(set) var labels: Set<ExactText> = []

    package init() {}

    package var isEmpty: Bool { self.externalIDs.isEmpty && self.labels.isEmpty }

    package mutating func add(_ trigger: Trigger) {
        self.externalIDs.formUnion(trigger.externalIDs.lazy.map { ExactText($0) })
        self.labels.formUnion(trigger.labels.lazy.map { ExactText($0) })
    }

    /// Of what a thing has what is asked for; nil if that is nothing.
    package func marks(externalID: String?, labels: [String]) -> ThingMarks? {
        let external = externalID.map { ExactText($0) }.flatMap { self.externalIDs.contains($0) ? $0 : nil }
        let wanted = self.labels.intersection(labels.lazy.map { ExactText($0) })
        return external == nil && wanted.isEmpty ? nil : ThingMarks(exactly: external, labels: wanted)
    }
}

/// A trigger as messages meet it: what it asks of them, ready to be compared.
package struct TriggerFilter: Sendable {
    package let kind: TriggerKind
    private let subtopics: [SubtopicFilter]
    private let things: Set<EntityID>
    private let externalIDs: Set<ExactText>
    private let profiles: Set<EntityID>
    private let labels: [ExactText]
    /// Of log events; empty is all.
    private let codes: Set<ExactText>
    /// Whether it lets everything through that is of its kind, as far as the payload has no say in it.
    package let isOpen: Bool

    package init(_ trigger: Trigger) {
        self.kind = trigger.kind
        self.subtopics = trigger.subtopics.compactMap { SubtopicFilter($0) }
        self.things = Set(trigger.things.compactMap { EntityID($0) })
        self.externalIDs = Set(trigger.externalIDs.lazy.map { ExactText($0) })
        self.profiles = Set(trigger.profiles.compactMap { EntityID($0) })
        self.labels = trigger.labels.map { ExactText($0) }
        self.codes = Set(trigger.codes.lazy.map { ExactText($0) })
        // Log events are those of all messages that are on their subtopic.
        self.isOpen =
            trigger.kind != .logEvent && self.subtopics.isEmpty && self.things.isEmpty && self.externalIDs.isEmpty
            && self.profiles.isEmpty && self.labels.isEmpty
    }

    private var namesNoThing: Bool { self.things.isEmpty && self.externalIDs.isEmpty }

    /// Which part of it does not let a message through.
    package enum Refusal: Sendable { case things, profiles, labels, subtopics, codes }

    /// nil lets it through.
    package func refusal(thing: EntityID, _ traits: ThingTraits, subtopic: String) -> Refusal? {
        guard self.namesNoThing || self.names(thing, traits) else { return .things }
        if !self.profiles.isEmpty {
            guard let profile = traits.profile, self.profiles.contains(profile) else { return .profiles }
        }
        if !self.labels.isEmpty {
            guard let has = traits.marks?.labels, self.labels.allSatisfy(has.contains) else { return .labels }
        }
        if self.kind == .logEvent { return self.isOfCodes(subtopic) ? nil : .codes }
        return self.subtopics.isEmpty || self.subtopics.contains { $0.matches(subtopic) } ? nil : .subtopics
    }

    private func isOfCodes(_ subtopic: String) -> Bool {
        guard let code = LogEvent.code(of: subtopic) else { return false }
        return self.codes.isEmpty || self.codes.contains(ExactText(code))
    }

    private func names(_ thing: EntityID, _ traits: ThingTraits) -> Bool {
        if self.things.contains(thing) { return true }
        guard !self.externalIDs.isEmpty, let external = traits.marks?.externalID else { return false }
        return self.externalIDs.contains(external)
    }

    package func admits(thing: EntityID, _ traits: ThingTraits, subtopic: String) -> Bool {
        self.refusal(thing: thing, traits, subtopic: subtopic) == nil
    }
}
