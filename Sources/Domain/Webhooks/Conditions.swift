/// What a payload must be for a webhook to be called.
package struct Conditions: Sendable, Equatable {
    package enum Match: String, Sendable, Codable, CaseIterable { case all, any }

    package let match: Match
    package let rules: [Rule]
    /// nil has every message that meets them call the webhook.
    package let edge: Edge?
    /// For how long they have to be met before that counts, in seconds; nil is no time.
    package let duration: Int64?

    package static let mostRules = 50
    /// Steps of a rule's path.
    package static let longestPath = 16
    /// Places that all conditions of a group may look at, those on the way included.
    package static let mostPlaces = 20_000

    package init(match: Match = .all, rules: [Rule], edge: Edge? = nil, duration: Int64? = nil) {
        self.match = match
        self.rules = rules
        self.edge = edge
        self.duration = duration
    }

    package struct Rule: Sendable, Equatable, Codable {
        package enum Operator: String, Sendable, Codable, CaseIterable {
            case eq, ne, gt, ge, lt, le, contains
            case isIn = "in"
            case exists, changed
            /// By at least so much since the last time that it was.
            case changedBy = "changed_by"

            /// Whether it compares with an earlier message.
            package var remembers: Bool { self == .changed || self == .changedBy }
        }

        /// Where a rule looks.
        package enum Subject: String, Sendable, Codable, CaseIterable {
            case payload
            /// Into what the publish said of itself (``MessageProperties``).
            case mqtt
        }

        /// Into its subject, as ``JSONPath`` reads it; empty is the whole.
        package let path: String
        package let `operator`: Operator
        /// JSON text; nil where the operator needs nothing to compare with.
        package let value: String?
        /// A number as JSON text: what is met stays so until what is found is beyond this.
        package let until: String?
        /// nil is the payload.
        package let subject: Subject?

        package init(
            path: String, operator: Operator, value: String? = nil, until: String? = nil, of subject: Subject? = nil
        ) {
            self.subject = subject == .payload ? nil : subject
            self.path = path
            self.operator = `operator`
            self.value = value
            self.until = until
        }

        package var isOfProperties: Bool { self.subject == .mqtt }

        var description: String {
            let subject =
                if self.isOfProperties { self.path.isEmpty ? "mqtt" : "mqtt.\(self.path)" } else {
                    self.path.isEmpty ? "payload" : self.path
                }
            return "\(subject) \(self.operator.rawValue)\(self.value.map { " \($0.prefix(200))" } ?? "")"
        }
    }

    /// The longest value that a rule compares with, in bytes.
    private static let longestValue = 1_024
    /// The longest list of such values, and how many they may be.
    private static let longestList = 16 * 1_024
    private static let mostOptions = 1_000

    func check() throws(InvalidField) {
        guard (1...Self.mostRules).contains(self.rules.count) else {
            throw InvalidField("conditions.rules", "must hold 1 to \(Self.mostRules) rules")
        }
        for (index, rule) in self.rules.enumerated() {
            let at = "conditions.rules[\(index)]"
            guard let path = JSONPath(rule.path) else {
                throw InvalidField("\(at).path", "must be a path such as sensor.values[0]")
            }
            guard !rule.isOfProperties || MessageProperties.Member.begins(path) else {
                let members = MessageProperties.Member.allCases.map(\.rawValue).joined(separator: ", ")
                throw InvalidField("\(at).path", "must begin with one of \(members) where of is mqtt")
            }
            guard path.steps.count <= Self.longestPath else {
                throw InvalidField("\(at).path", "must have at most \(Self.longestPath) steps")
            }
            try rule.check(at: "\(at).value")
            try rule.checkUntil(at: "\(at).until", hasEdge: self.edge != nil)
            if self.edge != nil, rule.operator.remembers {
                throw InvalidField("\(at).operator", "\(rule.operator.rawValue) does not go with edge")
            }
        }
        guard let duration = self.duration else { return }
        guard self.edge != nil else { throw InvalidField("conditions.for", "goes with edge alone") }
        guard Self.durations.contains(duration) else {
            throw InvalidField(
                "conditions.for",
                "must be a number from \(Self.durations.lowerBound) to \(Self.durations.upperBound)")
        }
    }
}

extension Conditions.Rule {
    /// - Parameter at: the name of the value.
    fileprivate func check(at: String) throws(InvalidField) {
        let value = self.value.flatMap { RawJSON(Array($0.utf8)) }
        guard self.value == nil || value != nil else { throw InvalidField(at, "must be JSON") }
        if let value, value.kind != .array || self.operator != .isIn { try Self.checkLength(of: value, at: at) }
        switch self.operator {
        case .gt, .ge, .lt, .le:
            guard value?.kind == .number || value?.kind == .string else {
                throw InvalidField(at, "must be a number or a string")
            }
            if let text = value?.string, RawJSON(Array(text.utf8))?.kind == .number {
                throw InvalidField(at, "is a string, which no number is compared with; write \(text) without quotes")
            }
        case .changedBy:
            guard value?.exactNumber?.isPositive == true else { throw InvalidField(at, "must be a number above 0") }
        case .isIn:
            guard let value, value.kind == .array else { throw InvalidField(at, "must be an array") }
            let options = value.elements
            guard value.text.count <= Conditions.longestList, options.count <= Conditions.mostOptions else {
                throw InvalidField(
                    at, "must be at most \(Conditions.mostOptions) values and \(Conditions.longestList) bytes")
            }
            for (index, option) in options.enumerated() { try Self.checkLength(of: option, at: "\(at)[\(index)]") }
        case .eq, .ne, .contains:
            guard value != nil else { throw InvalidField(at, "is required") }
        case .exists:
            guard value == nil || value?.kind == .bool else { throw InvalidField(at, "must be true or false") }
        case .changed:
            guard value == nil else { throw InvalidField(at, "does not go with changed") }
        }
    }

    fileprivate func checkUntil(at: String, hasEdge: Bool) throws(InvalidField) {
        guard let until = self.until else { return }
        guard hasEdge else { throw InvalidField(at, "goes with edge alone") }
        let (value, end) = (self.value.flatMap { RawJSON(Array($0.utf8)) }, RawJSON(Array(until.utf8)))
        guard let end = end?.exactNumber else { throw InvalidField(at, "must be a number") }
        switch (self.operator, value?.exactNumber) {
        case (.gt, let start?), (.ge, let start?):
            guard end <= start else { throw InvalidField(at, "must not be above value") }
        case (.lt, let start?), (.le, let start?):
            guard end >= start else { throw InvalidField(at, "must not be below value") }
        default: throw InvalidField(at, "goes with gt, ge, lt and le of numbers alone")
        }
        if let end = RawJSON(Array(until.utf8)) { try Self.checkLength(of: end, at: at) }
    }

    private static func checkLength(of value: RawJSON, at: String) throws(InvalidField) {
        guard value.text.count <= Conditions.longestValue else {
            throw InvalidField(at, "must be at most \(Conditions.longestValue) bytes long")
        }
    }
}
