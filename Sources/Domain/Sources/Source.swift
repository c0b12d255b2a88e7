package import Values

/// An inbound webhook: an outside system posts here, and what it posts becomes a message of a thing.
package struct Source: Sendable {
    package let id: EntityID
    package let group: EntityID
    package var name: String
    package var thing: EntityID
    package var isEnabled: Bool
    package var settings: SourceSettings
    package var version: Int64
    package var createdAt: Instant
    package var updatedAt: Instant
    package var counters: SourceCounters
    /// What of it this version cannot read, in words for its owners: nothing is taken meanwhile.
    package var fault: String?
    /// Whether the settings are among it; they are the defaults then.
    package var hasUnreadableSettings: Bool

    package init(
        id: EntityID, group: EntityID, name: String, thing: EntityID, isEnabled: Bool, settings: SourceSettings,
        version: Int64 = 1, createdAt: Instant, updatedAt: Instant, counters: SourceCounters = SourceCounters(),
        fault: String? = nil, hasUnreadableSettings: Bool = false
    ) {
        self.fault = fault
        self.hasUnreadableSettings = hasUnreadableSettings
        self.id = id
        self.group = group
        self.name = name
        self.thing = thing
        self.isEnabled = isEnabled
        self.settings = settings
        self.version = version
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.counters = counters
    }
}

/// How often a source was called, and what came of it.
package struct SourceCounters: Sendable {
    package var accepted: Int64 = 0
    /// Acknowledged, and nothing done: seen before, or not meeting the conditions.
    package var ignored: Int64 = 0
    package var rejected: Int64 = 0
    package var lastEventAt: Instant?

    package init() {}
}

/// What a source says of itself. `Codable` is for Storage, which keeps it as one JSON column.
package struct SourceSettings: Sendable, Equatable, Codable {
    /// nil: by API key.
    package var signature: SignatureScheme?
    /// A ``EventSubtopic``.
    package var subtopic = ""
    package var conditions: Conditions?
    /// A JSON Schema, as its text.
    package var schema: String?
    /// An event to build on, as its text.
    package var sample: String?
    package var rateLimit: RateLimit?
    /// For how long a repeated event id is recognized, in seconds.
    package var repetitionWindow: Int64 = 86_400
    /// Where the event's id stands in its body, if no header says it.
    package var eventIDPath: String?
    /// nil: all events are of the source's own thing.
    package var thing: SourceThing?
    /// nil: it answers no GET.
    package var handshake: SourceHandshake?

    package init() {}

    /// What may be called per second unless a source says otherwise.
    package static let defaultRate = RateLimit(perSecond: 100, burst: 200)

    /// - Parameter former: what the source said before; a schema that stays is taken as it was.
    /// - Throws: ``InvalidField``, named as the API names it.
    package func check(changing former: SourceSettings? = nil) throws(InvalidField) {
        try self.signature?.check()
        try self.conditions?.check()
        if self.conditions.map({ ConditionSet($0).remembers }) == true {
            throw InvalidField("conditions", "of sources take no changed and changed_by")
        }
        if self.conditions?.edge != nil { throw InvalidField("conditions.edge", "does not go with sources") }
        if self.conditions?.rules.contains(where: \.isOfProperties) == true {
            throw InvalidField("conditions.rules", "do not go with of mqtt for events of sources")
        }
        _ = try EventSubtopic(self.subtopic)
        try self.thing?.check()
        if let schema {
            guard schema.utf8.count <= JSONSchema.longest, let json = RawJSON(Array(schema.utf8)) else {
                throw InvalidField("schema", "must be at most \(JSONSchema.longest) bytes of JSON")
            }
            _ = try JSONSchema(json, isStored: schema == former?.schema)
        }
        try self.rateLimit?.check()
        guard (0...604_800).contains(self.repetitionWindow) else {
            throw InvalidField("repetition_window", "must be a number from 0 to 604800 seconds")
        }
        if let eventIDPath, JSONPath(eventIDPath)?.steps.isEmpty != false {
            throw InvalidField("event_id_path", "must be a path such as data.id")
        }
    }
}

/// Everything that is asked of an event, ready to be asked.
package struct SourceGate: Sendable {
    /// What an event comes to.
    package enum Verdict: Sendable, Equatable {
        /// To be published on this subtopic; the id is what repetitions are recognized by. `thing` is what the event calls its
        /// thing; nil if it is the source's own.
        case accepted(subtopic: String, eventID: String?, thing: String? = nil)
        /// Not what is wanted, for this reason; its sender is told that all is well.
        case ignored(String)
        /// Not what it should be.
        case invalid(String)
    }

    private let settings: SourceSettings
    private let conditions: ConditionSet?
    private let schema: JSONSchema?
    private let subtopic: EventSubtopic?
    /// What of the settings cannot be used, as by a version that knows less than the one that took them.
    private let fault: InvalidField?
    private let eventIDPath: JSONPath?
    private let thingPath: JSONPath?
    /// Everything that is asked of the payload.
    private let paths: PathSet

    package init(_ settings: SourceSettings) {
        self.settings = settings
        self.conditions = settings.conditions.map(ConditionSet.init)
        var (schema, subtopic, fault): (JSONSchema?, EventSubtopic?, InvalidField?)
        do throws(InvalidField) {
            if let text = settings.schema, let json = RawJSON(Array(text.utf8)) {
                schema = try JSONSchema(json, isStored: true)
            }
            subtopic = try EventSubtopic(settings.subtopic)
        } catch { fault = error }
        (self.schema, self.subtopic, self.fault) = (schema, subtopic, fault)
        self.eventIDPath = settings.eventIDPath.flatMap { JSONPath($0) }
        self.thingPath = settings.thing.flatMap { JSONPath($0.path) }
        self.paths = PathSet(
            (self.conditions?.paths ?? []) + (subtopic?.placeholders.flatMap(\.paths) ?? [])
                + [self.eventIDPath, self.thingPath].compactMap(\.self))
    }

    package func judge(_ request: SignedRequest, as message: Message) -> Verdict {
        if let fault { return .invalid("the source cannot be used as it is: \(fault)") }
        let payload = PayloadIndex(request.body, paths: self.paths)
        let json = payload.json
        if let schema {
            guard let json else { return .invalid("payload must be JSON") }
            if let fault = schema.fault(in: json) { return .invalid(fault) }
        }
        var budget = EvaluationBudget(for: self.paths)
        if let skip = self.conditions?.evaluate(payload, budget: &budget).skip { return .ignored(skip) }
        var subtopic = ""
        if let template = self.subtopic {
            let values = TemplateValues(message, org: nil, paths: self.paths)
            do throws(EventSubtopic.Failure) { subtopic = try template.render(values, request.query) } catch {
                return .invalid(error.reason)
            }
        }
        guard ThingTopic(of: message.thing, publishing: subtopic) != nil else {
            return .invalid("the subtopic made of the event cannot be published on: \(subtopic.prefix(100))")
        }
        let thing = self.thingPath.flatMap { payload.value(at: $0) }.flatMap(ThingName.text)
        if let wanted = self.settings.thing, wanted.otherwise != .own, thing == nil {
            return .invalid("no thing is named at \(wanted.path)")
        }
        return .accepted(subtopic: subtopic, eventID: self.eventID(of: request, payload), thing: thing)
    }

    private func eventID(of request: SignedRequest, _ payload: PayloadIndex) -> String? {
        if let id = self.settings.signature?.eventID(of: request) { return id }
        // A null is no id: all that have it would be taken for one.
        if let path = self.eventIDPath, let value = payload.value(at: path), value.kind != .null {
            let text = value.string ?? String(decoding: value.text, as: UTF8.self)
            return (1...255).contains(text.utf8.count) ? text : nil
        }
        guard let id = request.headers["idempotency-key"] ?? request.headers["webhook-id"] else { return nil }
        return (1...255).contains(id.utf8.count) ? id : nil
    }
}
