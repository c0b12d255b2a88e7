internal import Crypto

/// What a payload must be for a webhook to be called.
package struct Conditions: Sendable, Equatable, Codable {
    package enum Match: String, Sendable, Codable, CaseIterable { case all, any }

    package let match: Match
    package let rules: [Rule]

    package static let mostRules = 50

    package init(match: Match = .all, rules: [Rule]) {
        self.match = match
        self.rules = rules
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

        /// Into the payload, as ``JSONPath`` reads it; empty is the payload itself.
        package let path: String
        package let `operator`: Operator
        /// JSON text; nil where the operator needs nothing to compare with.
        package let value: String?

        package init(path: String, operator: Operator, value: String? = nil) {
            self.path = path
            self.operator = `operator`
            self.value = value
        }

        var description: String {
            let subject = self.path.isEmpty ? "payload" : self.path
            return "\(subject) \(self.operator.rawValue)\(self.value.map { " \($0)" } ?? "")"
        }
    }

    func check() throws(InvalidField) {
        guard (1...Self.mostRules).contains(self.rules.count) else {
            throw InvalidField("conditions.rules", "must hold 1 to \(Self.mostRules) rules")
        }
        for (index, rule) in self.rules.enumerated() {
            let at = "conditions.rules[\(index)]"
            guard JSONPath(rule.path) != nil else {
                throw InvalidField("\(at).path", "must be a path such as sensor.values[0]")
            }
            let value = rule.value.flatMap { RawJSON(Array($0.utf8)) }
            switch rule.operator {
            case .gt, .ge, .lt, .le:
                guard value?.kind == .number || value?.kind == .string else {
                    throw InvalidField("\(at).value", "must be a number or a string")
                }
            case .changedBy:
                guard let number = value?.number, number > 0 else {
                    throw InvalidField("\(at).value", "must be a number above 0")
                }
            case .isIn:
                guard value?.kind == .array else { throw InvalidField("\(at).value", "must be an array") }
            case .eq, .ne, .contains:
                guard value != nil else { throw InvalidField("\(at).value", "is required") }
            case .exists:
                guard value == nil || value?.kind == .bool else {
                    throw InvalidField("\(at).value", "must be true or false")
                }
            case .changed:
                guard value == nil else { throw InvalidField("\(at).value", "does not go with changed") }
            }
        }
    }
}

/// Conditions as messages meet them: paths and values read once.
package struct ConditionSet: Sendable {
    private struct Compiled: Sendable {
        let rule: Conditions.Rule
        let path: JSONPath
        let value: RawJSON?
    }

    private let match: Conditions.Match
    private let rules: [Compiled]

    package init(_ conditions: Conditions) {
        self.match = conditions.match
        self.rules = conditions.rules.map { rule in
            Compiled(
                rule: rule, path: JSONPath(rule.path) ?? JSONPath(),
                value: rule.value.flatMap { RawJSON(Array($0.utf8)) })
        }
    }

    /// Whether it compares with what a thing sent before.
    package var remembers: Bool { self.rules.contains { $0.rule.operator.remembers } }

    /// What came of looking at a payload.
    package struct Outcome: Sendable, Equatable {
        /// The first rule that was not met, in words; nil if the webhook is to be called.
        package let unmet: String?
        /// What is to be remembered of the thing, by the number of the rule.
        package let memory: [Int: String]
    }

    /// - Parameter memory: what was remembered of the thing before, by the number of the rule.
    package func evaluate(_ payload: RawJSON?, memory: [Int: String] = [:]) -> Outcome {
        var memory = memory
        var unmet: String?
        var isAnyMet = false
        for (index, rule) in self.rules.enumerated() {
            let found = payload?.value(at: rule.path)
            let isMet: Bool
            if rule.rule.operator.remembers {
                isMet = Self.hasChanged(rule, found, since: memory[index])
                if isMet, let found { memory[index] = Self.remembered(found) }
            } else {
                isMet = Self.holds(rule, found)
            }
            if isMet { isAnyMet = true } else if unmet == nil { unmet = rule.rule.description }
        }
        let isCalled = self.match == .all ? unmet == nil : isAnyMet
        return Outcome(unmet: isCalled ? nil : unmet, memory: memory)
    }

    private static func hasChanged(_ rule: Compiled, _ found: RawJSON?, since text: String?) -> Bool {
        guard let found, found.kind != .null else { return false }
        // The first value is news.
        guard let text, let before = RawJSON(Array(text.utf8)) else { return true }
        if found.text.count > Self.longestMemory { return Self.remembered(found) != text }
        guard rule.rule.operator == .changedBy else { return !found.isSame(as: before) }
        guard let number = found.number, let earlier = before.number, let least = rule.value?.number else {
            return !found.isSame(as: before)
        }
        // 21.3 - 21.2 is a little less than 0.1 in binary.
        return abs(number - earlier) >= least * (1 - 1e-9)
    }

    /// What is longer than this is remembered by its digest.
    private static let longestMemory = 256

    private static func remembered(_ value: RawJSON) -> String {
        guard value.text.count > Self.longestMemory else { return String(decoding: value.text, as: UTF8.self) }
        return "\"sha256 \(Base64.encode(SHA256.hash(data: Array(value.text))))\""
    }

    private static func holds(_ rule: Compiled, _ found: RawJSON?) -> Bool {
        switch rule.rule.operator {
        case .exists: return (found != nil) == (rule.value?.bool ?? true)
        case .ne: return found.map { found in rule.value.map { !found.isSame(as: $0) } ?? true } ?? true
        default: break
        }
        guard let found, let value = rule.value else { return false }
        switch rule.rule.operator {
        case .eq: return found.isSame(as: value)
        case .gt:
            return Self.compare(found, value) {
                $0 > $1
            } _: {
                $0 > $1
            }
        case .ge:
            return Self.compare(found, value) {
                $0 >= $1
            } _: {
                $0 >= $1
            }
        case .lt:
            return Self.compare(found, value) {
                $0 < $1
            } _: {
                $0 < $1
            }
        case .le:
            return Self.compare(found, value) {
                $0 <= $1
            } _: {
                $0 <= $1
            }
        case .contains:
            if let text = found.string { return value.string.map { text.contains($0) } ?? false }
            return found.elements.contains { $0.isSame(as: value) }
        case .isIn: return value.elements.contains { $0.isSame(as: found) }
        case .ne, .exists, .changed, .changedBy: return false
        }
    }

    /// Numbers with numbers, strings with strings; nothing else has an order.
    private static func compare(
        _ a: RawJSON, _ b: RawJSON, _ numbers: (Double, Double) -> Bool, _ strings: (String, String) -> Bool
    ) -> Bool {
        if let x = a.number, let y = b.number { return numbers(x, y) }
        if let x = a.string, let y = b.string { return strings(x, y) }
        return false
    }
}
