/// How often each thing's messages go to a webhook: one in so many seconds.
package struct ThingRate: Sendable, Equatable, Codable {
    /// What is sent of the messages that come too soon.
    package enum Keep: String, Sendable, Codable, CaseIterable {
        /// The newest of them, when the time is over.
        case last
        /// None of them.
        case first
    }

    /// In seconds.
    package let every: Int64
    package let keep: Keep
    /// Into the payload, as ``JSONPath`` reads them: what changes there goes out at once.
    package let bypass: [String]

    package init(every: Int64, keep: Keep = .last, bypass: [String] = []) {
        self.every = every
        self.keep = keep
        self.bypass = bypass
    }

    static let lengths: ClosedRange<Int64> = 1...86_400
    static let mostPaths = 8
}

/// Which of a thing's messages say nothing new.
package struct DuplicateRule: Sendable, Equatable, Codable {
    /// Into the payload, as ``JSONPath`` reads it; nil compares whole payloads, byte by byte.
    package let path: String?
    /// For how many seconds a message makes those that say the same superfluous; nil is until one says something else.
    package let within: Int64?

    package init(path: String? = nil, within: Int64? = nil) {
        self.path = path
        self.within = within
    }

    static let lengths: ClosedRange<Int64> = 1...2_592_000
}

extension ThingRate {
    static let form = Form.object([
        .init("every", .integer(lengths), isRequired: true), .init("keep", .choice(of: Keep.self)),
        .init("bypass", .list(.text(1...JSONPath.longest), 0...mostPaths)),
    ])

    /// Of a `rate_limit`; nil if it says nothing of things.
    init?(_ limit: JSONObject) throws(InvalidField) {
        guard let fields = try limit.object("per_thing") else { return nil }
        guard let every = try fields.integer("every") else {
            throw InvalidField(fields.name("every"), "is required: seconds")
        }
        self.init(
            every: every, keep: try fields.choice("keep") ?? .last,
            bypass: (try fields.strings("bypass") ?? []).map(Conditions.path))
    }

    var json: JSONValue {
        var fields: JSONFields = ["every": .integer(self.every), "keep": .string(self.keep.rawValue)]
        if !self.bypass.isEmpty { fields["bypass"] = .array(self.bypass.map(JSONValue.string)) }
        return .object(fields)
    }

    func check() throws(InvalidField) {
        guard Self.lengths.contains(self.every) else {
            throw InvalidField("rate_limit.per_thing.every", "must be a number from 1 to \(Self.lengths.upperBound)")
        }
        guard self.bypass.count <= Self.mostPaths else {
            throw InvalidField("rate_limit.per_thing.bypass", "must name at most \(Self.mostPaths) paths")
        }
        for (index, path) in self.bypass.enumerated() {
            try JSONPath.check(path, as: "rate_limit.per_thing.bypass[\(index)]")
        }
    }
}

extension JSONPath {
    /// - Throws: with the name given, if it leads nowhere into a payload or too far.
    fileprivate static func check(_ text: String, as name: String) throws(InvalidField) {
        guard let path = JSONPath(text), (1...Conditions.longestPath).contains(path.steps.count) else {
            throw InvalidField(
                name, "must be a path such as sensor.values[0], of at most \(Conditions.longestPath) steps")
        }
    }
}

extension FieldKind where Value == DuplicateRule {
    static var duplicates: FieldKind {
        FieldKind(
            .object([
                .init("path", .text(0...JSONPath.longest)), .init("within", .integer(DuplicateRule.lengths)),
            ]),
            read: { (object, name) throws(InvalidField) in
                guard let fields = try object.object(name) else { return nil }
                let path = Conditions.path(try fields.string("path") ?? "")
                return DuplicateRule(path: path.isEmpty ? nil : path, within: try fields.integer("within"))
            },
            write: { rule in
                var fields: JSONFields = [:]
                if let path = rule.path { fields["path"] = .string(path) }
                if let within = rule.within { fields["within"] = .integer(within) }
                return .object(fields)
            },
            check: { (rule, name) throws(InvalidField) in
                if let path = rule.path { try JSONPath.check(path, as: "\(name).path") }
                guard rule.within.map(DuplicateRule.lengths.contains) ?? true else {
                    throw InvalidField(
                        "\(name).within", "must be a number from 1 to \(DuplicateRule.lengths.upperBound)")
                }
            })
    }
}
