extension Field<WebhookOptions> {
    static var trigger: Field {
        Field(
            "trigger", \.trigger, stored: [StoredField("trigger", \.trigger)], Trigger.form,
            read: { (object, options) throws(InvalidField) in options.trigger = try Trigger(object) },
            write: { options, _ in JSONValue(options.trigger) },
            check: { (options) throws(InvalidField) in try options.trigger.check() })
    }

    static var batch: Field {
        Field(
            "batch", \.batching, stored: [StoredField("batching", \.batching)], Batching.form,
            read: { (object, options) throws(InvalidField) in options.batching = try Batching(object) },
            write: { options, _ in JSONValue(options.batching) },
            check: { (options) throws(InvalidField) in try options.batching?.check() })
    }
}

extension Trigger {
    fileprivate static let form = Form.either(
        .choice(of: TriggerName.self),
        .object([
            .init("type", .choice(of: TriggerName.self)), .init("subtopics", .list(.text(), 0...most)),
            .init("paths", .list(.text(1...JSONPath.longest), 0...most)),
            .init("codes", .list(.text(1...ThingTopic.longestSubtopic), 0...most)),
            .init("levels", .list(.choice(of: LogEvent.Level.self), 0...LogEvent.Level.allCases.count)),
            .init("things", .list(.text(), 0...most)), .init("external_ids", .list(.text(), 0...most)),
            .init("profiles", .list(.text(), 0...most)), .init("labels", .list(.text(), 0...most)),
            .init("after", .integer(shortestSilence...longestSilence)),
        ]))

    /// `{"type", "subtopics"?, "paths"?, "codes"?, "levels"?, "things"?, "external_ids"?, "profiles"?, "labels"?, "after"?}`, or the type alone.
    fileprivate init(_ object: JSONObject) throws(InvalidField) {
        self.init()
        if case .string? = object.fields["trigger"] {
            if let name: TriggerName = try object.choice("trigger") { self = Trigger(named: name) }
            return
        }
        guard let fields = try object.object("trigger") else { return }
        if let name: TriggerName = try fields.choice("type") { self = Trigger(named: name) }
        self.subtopics = try fields.strings("subtopics") ?? []
        self.paths = (try fields.strings("paths") ?? []).map(Conditions.path)
        self.codes = try fields.strings("codes") ?? []
        for (index, text) in (try fields.strings("levels") ?? []).enumerated() {
            guard let level = LogEvent.Level(rawValue: text) else {
                let levels = LogEvent.Level.allCases.map(\.rawValue).joined(separator: ", ")
                throw InvalidField("\(fields.name("levels"))[\(index)]", "must be one of \(levels)")
            }
            self.levels.append(level)
        }
        self.things = try fields.strings("things") ?? []
        self.externalIDs = try fields.strings("external_ids") ?? []
        self.profiles = try fields.strings("profiles") ?? []
        self.labels = try fields.strings("labels") ?? []
        self.after = try fields.integer("after")
    }
}

extension Batching {
    fileprivate static let form = Domain.Form.object([
        .init("max_items", .integer(items), isRequired: true), .init("max_wait_ms", .integer(waits)),
        .init("format", .choice(of: Form.self)),
    ])

    fileprivate init?(_ object: JSONObject) throws(InvalidField) {
        guard let fields = try object.object("batch") else { return nil }
        guard let items = try fields.integer("max_items") else {
            throw InvalidField(fields.name("max_items"), "is required")
        }
        self.init(
            mostItems: Int(clamping: items), longestWait: Int(clamping: try fields.integer("max_wait_ms") ?? 1_000),
            form: try fields.choice("format") ?? .json)
    }
}

extension JSONValue {
    fileprivate init(_ trigger: Trigger) {
        var fields: JSONFields = ["type": .string(trigger.name)]
        if !trigger.subtopics.isEmpty { fields["subtopics"] = .array(trigger.subtopics.map(JSONValue.string)) }
        if !trigger.things.isEmpty { fields["things"] = .array(trigger.things.map(JSONValue.string)) }
        let chosen = [
            ("paths", trigger.paths), ("codes", trigger.codes), ("levels", trigger.levels.map(\.rawValue)),
            ("external_ids", trigger.externalIDs), ("profiles", trigger.profiles), ("labels", trigger.labels),
        ]
        for (name, texts) in chosen where !texts.isEmpty { fields[name] = .array(texts.map(JSONValue.string)) }
        if let after = trigger.after { fields["after"] = .integer(after) }
        self = .object(fields)
    }

    fileprivate init(_ batching: Batching?) {
        guard let batching else {
            self = .null
            return
        }
        self = .object([
            "max_items": .integer(Int64(batching.mostItems)), "max_wait_ms": .integer(Int64(batching.longestWait)),
            "format": .string(batching.form.rawValue),
        ])
    }
}
