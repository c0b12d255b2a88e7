/// What makes a webhook fire.
package enum TriggerKind: String, Sendable, Codable, CaseIterable {
    case message = "MESSAGE"
    /// Messages by which things tell that something happened, see ``LogEvent``.
    case logEvent = "LOG_EVENT"
    case thingCreated = "THING_CREATED"
    case thingFirstMessage = "THING_FIRST_MESSAGE"
    case thingRemoved = "THING_REMOVED"
    /// No message of a thing for a set time, and again when it is back.
    case thingSilent = "THING_SILENT"
    /// As a topic rule tells it, see ``TopicPresence``.
    case thingConnected = "THING_CONNECTED"
    case thingDisconnected = "THING_DISCONNECTED"
    case memberAdded = "MEMBER_ADDED"
    case memberRemoved = "MEMBER_REMOVED"
    case memberUpdated = "MEMBER_UPDATED"
    /// A member of the group has changed what metadata says of them.
    case userMetaUpdated = "USER_META_UPDATED"
    /// Somebody with a role in the group has signed in at the identity provider who never did before.
    case userSelfRegistered = "USER_SELF_REGISTERED"
    /// On request alone.
    case manual = "MANUAL"
    /// One of a newer version. This one does not know when it fires, and never fires it.
    case unknown = "UNKNOWN"

    /// What a webhook may have.
    package static let allCases: [TriggerKind] = [
        .message, .logEvent, .thingCreated, .thingFirstMessage, .thingRemoved, .thingSilent, .thingConnected,
        .thingDisconnected, .memberAdded, .memberRemoved, .memberUpdated, .userMetaUpdated, .userSelfRegistered,
        .manual,
    ]

    /// Whether a thing is what it happens to.
    package var isOfThing: Bool {
        switch self {
        case .message, .logEvent, .thingCreated, .thingFirstMessage, .thingRemoved, .thingSilent, .thingConnected,
            .thingDisconnected:
            true
        case .memberAdded, .memberRemoved, .memberUpdated, .userMetaUpdated, .userSelfRegistered, .manual, .unknown:
            false
        }
    }

    /// Whether builds know it from before there were log events and what users do.
    package var isOfEarlierForm: Bool {
        switch self {
        case .logEvent, .userMetaUpdated, .userSelfRegistered, .thingConnected, .thingDisconnected: false
        default: true
        }
    }

    /// Whether it is what topic rules tell of a thing, which builds before do not.
    package var isOfPresence: Bool { self == .thingConnected || self == .thingDisconnected }

    /// Whether things' messages make it fire; otherwise events do.
    package var isOfMessages: Bool { self == .message || self == .logEvent }
}

package struct Trigger: Sendable, Equatable, Codable {
    package private(set) var kind: TriggerKind
    /// What its owners call it, if that is not our name.
    package private(set) var alias: TriggerAlias?
    /// Messages: the subtopics that count, with `+` and `#` as in MQTT; empty is all.
    package var subtopics: [String]
    /// Messages: the places of a payload of which one has to be there, as conditions have them; empty is all.
    package var paths: [String]
    /// Log events: the codes that count, and the levels; empty is all.
    package var codes: [String]
    package var levels: [LogEvent.Level]
    /// The things that count, by their ids or by what their owners call them; if both are empty all of the group do.
    package var things: [String]
    package var externalIDs: [String]
    /// The profiles whose things count; empty is all.
    package var profiles: [String]
    /// Labels that a thing must have, all of them.
    package var labels: [String]
    /// Silence: for how long, in seconds.
    package var after: Int64?

    package static let most = 100
    package static let shortestSilence: Int64 = 10
    package static let longestSilence: Int64 = 30 * 86_400

    package var name: String { self.alias?.rawValue ?? self.kind.rawValue }

    package init(named name: TriggerName) {
        self.init(kind: name.kind)
        self.alias = name.alias
    }

    package init(
        kind: TriggerKind = .message, subtopics: [String] = [], paths: [String] = [], codes: [String] = [],
        levels: [LogEvent.Level] = [], things: [String] = [], externalIDs: [String] = [], profiles: [String] = [],
        labels: [String] = [], after: Int64? = nil
    ) {
        self.kind = kind
        self.subtopics = subtopics
        self.paths = paths
        self.codes = codes
        self.levels = levels
        self.things = things
        self.externalIDs = externalIDs
        self.profiles = profiles
        self.labels = labels
        self.after = after
    }

    func check() throws(InvalidField) {
        try self.check(
            self.subtopics, "subtopics", of: .message, expected: "a filter such as room/+/temperature or alarms/#"
        ) { SubtopicFilter($0) != nil }
        try self.check(self.paths, "paths", of: .message, expected: "a path such as sensor.values[0]") {
            JSONPath($0)?.steps.isEmpty == false
        }
        for (index, text) in self.paths.enumerated() where (JSONPath(text)?.steps.count ?? 0) > Conditions.longestPath {
            throw InvalidField("trigger.paths[\(index)]", "must have at most \(Conditions.longestPath) steps")
        }
        try self.check(
            self.codes, "codes", of: .logEvent, expected: "a level of a topic such as too_hot", LogEvent.isCode)
        try self.check(self.levels.map(\.rawValue), "levels", of: .logEvent, expected: "a level") { _ in true }
        guard Set(self.levels).count == self.levels.count else {
            throw InvalidField("trigger.levels", "must not repeat one")
        }
        try self.check(self.things, "things", expected: "a UUID") { EntityID($0) != nil }
        try self.check(self.profiles, "profiles", expected: "a UUID") { EntityID($0) != nil }
        try self.check(self.externalIDs, "external_ids", expected: "what a thing is called") {
            (try? Name.checked($0)) != nil
        }
        try self.check(self.labels, "labels", expected: Label.expected, Label.isLabel)
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

extension Trigger {
    /// - Parameter kind: the only one that it goes with; nil for what says which things count.
    private func check(
        _ texts: [String], _ name: String, of kind: TriggerKind? = nil, expected: String, _ isValid: (String) -> Bool
    ) throws(InvalidField) {
        guard !texts.isEmpty else { return }
        let field = "trigger.\(name)"
        if let kind, self.kind != kind { throw InvalidField(field, "go with the trigger \(kind.rawValue) alone") }
        guard self.kind.isOfThing else { throw InvalidField(field, "do not go with the trigger \(self.name)") }
        guard texts.count <= Self.most else { throw InvalidField(field, "must be at most \(Self.most)") }
        for (index, text) in texts.enumerated() where !isValid(text) {
            throw InvalidField("\(field)[\(index)]", "must be \(expected)")
        }
    }

    private enum CodingKeys: String, CodingKey {
        case kind, alias, subtopics, paths, codes, levels, things, externalIDs, profiles, labels, after
    }

    /// What builds before did not write is not there.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            kind: try values.decode(TriggerKind.self, forKey: .kind),
            subtopics: try values.decode([String].self, forKey: .subtopics),
            paths: try values.decodeIfPresent([String].self, forKey: .paths) ?? [],
            codes: try values.decodeIfPresent([String].self, forKey: .codes) ?? [],
            levels: try values.decodeIfPresent([LogEvent.Level].self, forKey: .levels) ?? [],
            things: try values.decode([String].self, forKey: .things),
            externalIDs: try values.decodeIfPresent([String].self, forKey: .externalIDs) ?? [],
            profiles: try values.decodeIfPresent([String].self, forKey: .profiles) ?? [],
            labels: try values.decodeIfPresent([String].self, forKey: .labels) ?? [],
            after: try values.decodeIfPresent(Int64.self, forKey: .after))
        // One that a newer version takes says nothing that the kind does not.
        let alias = try values.decodeIfPresent(String.self, forKey: .alias).flatMap { TriggerAlias(rawValue: $0) }
        if let alias, alias.kind == self.kind { self.alias = alias }
    }

    /// As builds before write it, where it says no more than they know.
    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(self.kind, forKey: .kind)
        try values.encodeIfPresent(self.alias?.rawValue, forKey: .alias)
        try values.encode(self.subtopics, forKey: .subtopics)
        try values.encode(self.things, forKey: .things)
        for (key, texts) in [
            (CodingKeys.externalIDs, self.externalIDs), (.profiles, self.profiles), (.labels, self.labels),
            (.paths, self.paths), (.codes, self.codes), (.levels, self.levels.map(\.rawValue)),
        ] where !texts.isEmpty { try values.encode(texts, forKey: key) }
        try values.encodeIfPresent(self.after, forKey: .after)
    }

    /// Whether it chooses things by more than their ids.
    package var choosesThings: Bool { !(self.externalIDs.isEmpty && self.profiles.isEmpty && self.labels.isEmpty) }
}

/// A topic filter (MQTT 5, section 4.7) on what comes behind `messages/`.
package struct SubtopicFilter: Sendable, Equatable {
    /// Compared by their bytes, as brokers do.
    private let levels: [ArraySlice<UInt8>]
    private static let (any, rest) = (Array("+".utf8)[...], Array("#".utf8)[...])

    package init?(_ text: String) {
        let levels = Self.levels(of: text)
        guard !text.isEmpty, text.utf8.count <= ThingTopic.longestSubtopic,
            text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else { return nil }
        for (index, level) in levels.enumerated() {
            if level.contains(UInt8(ascii: "#")) {
                guard level == Self.rest, index == levels.count - 1 else { return nil }
            }
            if level.contains(UInt8(ascii: "+")) { guard level == Self.any else { return nil } }
        }
        self.levels = levels
    }

    private static func levels(of text: String) -> [ArraySlice<UInt8>] {
        Array(text.utf8).split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    }

    package func matches(_ subtopic: String) -> Bool {
        if self.levels == [Self.rest] { return true }
        // Without a subtopic there is no level that `+` could stand for.
        if subtopic.isEmpty { return false }
        let parts = Self.levels(of: subtopic)
        for (index, level) in self.levels.enumerated() {
            if level == Self.rest { return true }
            guard index < parts.count, level == Self.any || level == parts[index] else {
                // `a/#` takes `a` too.
                return false
            }
            if index == parts.count - 1, index == self.levels.count - 2, self.levels[index + 1] == Self.rest {
                return true
            }
        }
        return parts.count == self.levels.count
    }
}
