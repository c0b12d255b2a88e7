package import Values

/// What a group makes of messages that are not published below `things/`: of which thing they are, and of which subtopic.
package struct TopicRule: Sendable, Hashable {
    /// How one message tells of several things.
    package enum Split: String, Sendable, CaseIterable {
        /// Each element of an array is a message.
        case array
        /// Each member of an object is one, of the thing that its name names.
        case keys
    }

    /// As its owners write it.
    package struct Draft: Sendable, Hashable {
        package var filter: String
        /// Nil is what `{subtopic}` stands for, or none.
        package var subtopic: String?
        /// Where the payload, or each part of it, names the thing.
        package var thing: String?
        package var split: String?
        /// Where in the payload the array or the object is; nil is all of it.
        package var splitPath: String?
        /// Whether messages that the broker had kept before it was subscribed to are taken too.
        package var retained: Bool
        /// What they say of whether the thing is connected.
        package var presence: TopicPresence.Draft?
        /// How the payload is written, where the rule looks into it: a format's name; nil is JSON. A profile says it of a thing,
        /// which is not known yet.
        package var decode: String?

        package init(
            filter: String, subtopic: String? = nil, thing: String? = nil, split: String? = nil,
            splitPath: String? = nil, retained: Bool = false, presence: TopicPresence.Draft? = nil,
            decode: String? = nil
        ) {
            self.decode = decode
            self.presence = presence
            self.filter = filter
            self.subtopic = subtopic
            self.thing = thing
            self.split = split
            self.splitPath = splitPath
            self.retained = retained
        }
    }

    package let pattern: TopicPattern
    package let draft: Draft
    let subtopic: SubtopicTemplate
    let thing: JSONPath?
    let split: Split?
    let splitPath: JSONPath
    let presence: TopicPresence?
    /// What makes JSON of the payload; nil if it is JSON, or is not looked into.
    let decoder: PayloadDecoder?

    package var retained: Bool { self.draft.retained }
    /// Whether it looks at messages that the broker had kept: what they say of a thing's presence is so still.
    package var looksAtRetained: Bool { self.draft.retained || self.presence != nil }

    /// The most rules of a group.
    package static let most = 1_000
    /// The most messages that one is split into; what is beyond is refused.
    package static let mostParts = 256
    /// What a rule can say of how payloads are written: what needs nothing more than its name.
    package static let formats: [PayloadFormat] = [.json, .cbor, .msgpack, .senml, .sparkplugB, .text, .csv]

    /// - Parameter path: where it stands in a body, for what is said of its fields.
    package init(_ draft: Draft, at path: String = "") throws(InvalidField) {
        func name(_ field: String) -> String { path.isEmpty ? field : "\(path).\(field)" }
        let pattern = try TopicPattern(draft.filter, field: name("filter"))
        guard !pattern.filter.overlaps(.builtIn) else {
            throw InvalidField(name("filter"), "takes topics below things/, which need no rule")
        }
        var split: Split?
        if let text = draft.split {
            guard let known = Split(rawValue: text) else {
                throw InvalidField(name("split"), "must be one of array, keys")
            }
            split = known
        }
        let ways = [pattern.names("thing"), draft.thing != nil, split == .keys].count { $0 }
        guard ways == 1 else {
            throw InvalidField(
                name("thing"),
                ways == 0
                    ? "is required where the filter has no {thing}"
                    : "can be told in one way: by {thing} in the filter, by thing, or by the keys of split")
        }
        guard draft.splitPath == nil || split != nil else {
            throw InvalidField(name("split_path"), "says where split finds its parts, and there is no split")
        }
        self.thing = try Self.path(draft.thing, name("thing"))
        self.splitPath = try Self.path(draft.splitPath, name("split_path")) ?? JSONPath()
        self.subtopic = try SubtopicTemplate(
            draft.subtopic ?? (pattern.names("subtopic") ? "{subtopic}" : ""), names: pattern,
            field: name("subtopic"))
        var presence: TopicPresence?
        if let draft = draft.presence { presence = try TopicPresence(draft, at: name("presence")) }
        self.presence = presence
        self.split = split
        self.pattern = pattern
        self.decoder = try Self.decoder(draft, name("decode"))
        var draft = draft
        if self.decoder == nil { draft.decode = nil }
        self.draft = draft
    }

    private static func decoder(_ draft: Draft, _ field: String) throws(InvalidField) -> PayloadDecoder? {
        guard let text = draft.decode else { return nil }
        guard let format = PayloadFormat(rawValue: text), Self.formats.contains(format) else {
            throw InvalidField(field, "must be one of \(Self.formats.map(\.rawValue).joined(separator: ", "))")
        }
        guard draft.thing != nil || draft.split != nil || draft.presence?.path != nil else {
            throw InvalidField(
                field, "is for rules that look into payloads: with thing, split or presence.path; nothing would read it"
            )
        }
        return PayloadDecoder.of(format.rawValue)
    }

    private static func path(_ text: String?, _ field: String) throws(InvalidField) -> JSONPath? {
        guard let text else { return nil }
        guard let path = JSONPath(text) else { throw InvalidField(field, "must be a path such as data.items[0].id") }
        return path
    }
}

extension TopicRule {
    /// Where a payload comes from.
    package enum Origin: Sendable {
        /// It is what was published.
        case published
        /// It was cut out of JSON that was published.
        case cut
        /// It was cut out of the JSON that was made of what was published.
        case made
    }

    /// What a message is of.
    package struct Part: Sendable, Hashable {
        /// What the thing is called by who publishes.
        package let thing: String
        package let subtopic: String
        package let payload: [UInt8]
        package let origin: Origin
        /// Whether the thing is connected; nil if that is not said.
        package fileprivate(set) var isConnected: Bool?
        /// Whether it is a message of the thing; what is none says of its presence alone.
        package fileprivate(set) var isDelivered: Bool

        /// Whether it is JSON and nothing else, although the profile of its thing has this decoder: what was cut is no CBOR,
        /// whatever its thing publishes by itself. Of a format that is JSON it may be all the same.
        package func isJSON(beside decoder: PayloadDecoder?) -> Bool {
            switch self.origin {
            case .published: false
            case .cut: decoder.map { !$0.format.isJSON } ?? false
            case .made: true
            }
        }

        /// What it is as a message.
        fileprivate struct Content: Hashable {
            let thing: ExactText
            let subtopic: ExactText
            let payload: [UInt8]
            let origin: Origin
        }

        fileprivate var content: Content {
            Content(
                thing: ExactText(self.thing), subtopic: ExactText(self.subtopic), payload: self.payload,
                origin: self.origin)
        }
    }

    /// Why a rule makes nothing of a message, or of a part of it.
    package enum Refusal: String, Error, Sendable, CaseIterable {
        /// Its payload had to be looked into.
        case notJSON = "not_json"
        /// There is no name at the path, or something that is no name.
        case noThing = "no_thing"
        /// What it was to be split by is not there, or has too many parts.
        case notSplit = "not_split"
        case badSubtopic = "subtopic"
        /// No JSON could be made of it as the rule's `decode` has it.
        case undecoded
    }

    package struct Taken: Sendable {
        package var parts: [Part] = []
        package var refused: [Refusal] = []
        /// What is wrong with a payload of which no JSON could be made.
        package fileprivate(set) var undecoded: UndecodedPayload?

        package init() {}

        /// With what another rule makes of the same message: what two make of it alike is one.
        package mutating func add(_ other: Taken) {
            if self.parts.isEmpty {
                self.parts = other.parts
            } else {
                let known = Dictionary(
                    zip(self.parts.map(\.content), self.parts.indices), uniquingKeysWith: { first, _ in first })
                for part in other.parts {
                    guard let place = known[part.content] else {
                        self.parts.append(part)
                        continue
                    }
                    self.parts[place].isDelivered = self.parts[place].isDelivered || part.isDelivered
                    self.parts[place].isConnected = self.parts[place].isConnected ?? part.isConnected
                }
            }
            self.refused += other.refused
            self.undecoded = self.undecoded ?? other.undecoded
        }
    }

    /// What the rule makes of a message whose topic its filter takes.
    ///
    /// - Parameters:
    ///   - isRetained: whether the broker had kept it.
    ///   - received: when it came in, for times in the payload that are relative to that.
    package func take(
        _ topic: TopicLevels, _ payload: [UInt8], isRetained: Bool = false, received: Instant = .first
    ) -> Taken {
        var taken = Taken()
        let isDelivered = (!isRetained || self.retained) && self.presence?.isDelivered != false
        let subtopic = self.subtopic.text(topic, self.pattern)
        guard subtopic.utf8.count <= ThingTopic.longestSubtopic,
            subtopic.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else {
            taken.refused.append(.badSubtopic)
            return taken
        }
        let named = self.pattern.value(of: "thing", in: topic)
        let origin: Origin = self.split == nil ? .published : self.decoder == nil ? .cut : .made
        func add(_ thing: String?, _ payload: [UInt8], _ isConnected: Bool?) {
            if let thing, ThingName.isName(thing) {
                // What the broker had kept and what says nothing of a presence is for nobody.
                guard isDelivered || isConnected != nil else { return }
                taken.parts.append(
                    Part(
                        thing: thing, subtopic: subtopic, payload: payload, origin: origin, isConnected: isConnected,
                        isDelivered: isDelivered))
            } else {
                taken.refused.append(.noThing)
            }
        }
        let isNamedByTopic = self.split == nil && self.thing == nil
        if isNamedByTopic, self.decoder == nil {
            add(named, payload, self.presence?.isConnected(by: payload))
            return taken
        }
        let json: RawJSON
        do throws(UndecodedPayload) {
            guard let read = try self.json(of: payload, received: received) else {
                taken.refused.append(.notJSON)
                return taken
            }
            json = read
        } catch {
            // A last will is a text perhaps, whatever the thing itself writes.
            if isNamedByTopic { add(named, payload, self.presence?.isConnected(by: payload)) }
            if taken.parts.isEmpty, taken.refused.isEmpty {
                taken.refused.append(.undecoded)
                taken.undecoded = error
            }
            return taken
        }
        guard let split else {
            add(isNamedByTopic ? named : self.name(in: json), payload, self.presence?.isConnected(by: json))
            return taken
        }
        let parts = json.value(at: self.splitPath).flatMap { Self.parts(of: $0, by: split) } ?? []
        guard !parts.isEmpty, parts.count <= Self.mostParts else {
            taken.refused.append(.notSplit)
            return taken
        }
        for part in parts {
            add(
                part.key ?? named ?? self.name(in: part.value), Array(part.value.text),
                self.presence?.isConnected(by: part.value))
        }
        return taken
    }

    private func json(of payload: [UInt8], received: Instant) throws(UndecodedPayload) -> RawJSON? {
        guard let decoder else { return RawJSON(payload: payload) }
        return RawJSON(try decoder.view(of: payload, received: received))
    }

    private func name(in json: RawJSON) -> String? {
        self.thing.flatMap { json.value(at: $0) }.flatMap(ThingName.text)
    }

    private static func parts(of value: RawJSON, by split: Split) -> [(key: String?, value: RawJSON)]? {
        switch (split, value.kind) {
        case (.array, .array): value.elements.map { (nil, $0) }
        case (.keys, .object): value.members.map { (String(decoding: $0.name, as: UTF8.self), $0.value) }
        default: nil
        }
    }
}
