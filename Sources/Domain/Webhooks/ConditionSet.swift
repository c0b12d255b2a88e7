internal import Crypto

/// How much work conditions may make of one message, in bytes that are looked at. What a group asks for beyond that is not
/// evaluated: it would hold up everybody's messages.
package struct EvaluationBudget: Sendable {
    package private(set) var rest: Int

    /// Why something is skipped for which there was not so much left.
    package static let tooCostly = "not evaluated: too costly"

    /// A message of the largest size, looked at as a whole a few times over; or a hundred thousand rules.
    package static let perMessage = 4 * 1024 * 1024
    /// What a rule costs that looks at nothing but whether there is something; and a place that is looked for.
    private static let perRule = 32

    package init(_ bytes: Int = Self.perMessage) {
        self.rest = bytes
    }

    /// For a message in which these paths are looked for.
    package init(for paths: PathSet) {
        self.rest = Self.perMessage - paths.nodes.count * Self.perRule
    }

    /// - Returns: false if there is not so much left; then nothing more is done.
    mutating func spend(_ bytes: Int) -> Bool {
        let cost = Self.perRule + bytes
        self.rest = cost <= self.rest ? self.rest - cost : -1
        return self.rest >= 0
    }
}

/// Conditions as messages meet them: paths and values read once.
package struct ConditionSet: Sendable {
    let match: Conditions.Match
    let rules: [CompiledRule]
    /// Everything that is asked of a payload.
    package let paths: [JSONPath]
    /// Whether something is asked of what the publish said of itself.
    package let asksProperties: Bool
    /// Whether it compares with what a thing sent before.
    package let remembers: Bool
    /// Whether what comes of a message depends on those before.
    package var hasState: Bool { self.remembers || self.edge != nil }
    /// nil has every message that meets them call the webhook.
    package let edge: EdgeRule?
    /// See ``Conditions/mark``.
    package let mark: Int64

    package init(_ conditions: Conditions) {
        self.match = conditions.match
        self.rules = conditions.rules.map(CompiledRule.init)
        self.paths = self.rules.filter { !$0.rule.isOfProperties }.map(\.path)
        self.asksProperties = self.rules.contains { $0.rule.isOfProperties }
        self.remembers = conditions.rules.contains { $0.operator.remembers }
        self.edge = conditions.edge.map { EdgeRule($0, duration: conditions.duration ?? 0) }
        self.mark = conditions.mark
    }

    /// What came of looking at a payload.
    package struct Outcome: Sendable, Equatable {
        /// Why the webhook is not called, in words; nil if it is.
        package let skip: String?
        /// What is to be remembered of the thing, by the number of the rule.
        package let memory: [Int: String]
        /// Whether that is because it was not looked at to the end.
        package var isTooCostly = false

        fileprivate static func tooCostly(_ memory: [Int: String]) -> Outcome {
            Outcome(skip: EvaluationBudget.tooCostly, memory: memory, isTooCostly: true)
        }
    }

    /// - Parameters:
    ///   - memory: what was remembered of the thing before, by the number of the rule.
    ///   - budget: of the message, for all that are asked.
    package func evaluate(
        _ payload: PayloadIndex, memory: [Int: String] = [:], budget: inout EvaluationBudget
    ) -> Outcome {
        self.evaluate(payload, memory: memory, budget: &budget) { _, _, _ in }
    }

    /// What one rule made of a payload, for who asks why.
    package struct Finding: Sendable, Equatable {
        /// The rule in words.
        package let rule: String
        /// The beginning of what stands at its path, as JSON; nil if nothing does.
        package let found: String?
        /// The beginning of what is remembered, of a rule that compares with it.
        package let before: String?
        package let isMet: Bool

        static let longest = 200
    }

    /// The same, with what each rule found. A rule that was not looked at is not among them.
    package func explain(
        _ payload: PayloadIndex, memory: [Int: String] = [:], budget: inout EvaluationBudget
    ) -> (outcome: Outcome, findings: [Finding]) {
        var findings: [Finding] = []
        let outcome = self.evaluate(payload, memory: memory, budget: &budget) { index, found, isMet in
            let rule = self.rules[index].rule
            findings.append(
                Finding(
                    rule: rule.description,
                    found: found.map { String(decoding: $0.text.prefix(Finding.longest), as: UTF8.self) },
                    before: rule.operator.remembers ? memory[index].map { String($0.prefix(Finding.longest)) } : nil,
                    isMet: isMet))
        }
        return (outcome, findings)
    }

    /// - Parameter note: told of each rule what it found, and whether it is met.
    private func evaluate(
        _ payload: PayloadIndex, memory: [Int: String], budget: inout EvaluationBudget,
        noting note: (Int, RawJSON?, Bool) -> Void
    ) -> Outcome {
        let former = memory
        var memory = memory
        var unmet: String?
        var isAnyMet = false
        // Made once for all rules that look at the same place.
        var texts: [Int: [UInt8]] = [:]
        for (index, rule) in self.rules.enumerated() {
            // A group has paths that are not looked for if it has too many.
            guard let (node, found, sought) = payload.find(rule, number: index),
                budget.spend(rule.cost(of: found, hasText: texts[node] != nil) + sought)
            else { return .tooCostly(former) }
            if let found, texts[node] == nil, rule.needsText(of: found) { texts[node] = found.canonicalText }
            let text = texts[node] ?? []
            let isMet: Bool
            if rule.rule.operator.remembers {
                isMet = rule.hasChanged(found, text, since: memory[index])
                if isMet, let found { memory[index] = CompiledRule.remembered(found, text) }
            } else {
                isMet = rule.holds(found, text)
            }
            note(index, found, isMet)
            if isMet { isAnyMet = true } else if unmet == nil { unmet = payload.blames(rule) }
        }
        let isCalled = self.match == .all ? unmet == nil : isAnyMet
        guard !isCalled, let unmet else { return Outcome(skip: nil, memory: memory) }
        return Outcome(skip: "condition not met: \(unmet)", memory: memory)
    }
}

extension PayloadIndex {
    /// What a rule finds.
    ///
    /// - Parameter number: the rule's, for a place where no other looks.
    /// - Returns: where it looked, what is there, and how many bytes were gone over for it; nil if nobody looked for its path.
    func find(_ rule: CompiledRule, number: Int) -> (place: Int, found: RawJSON?, sought: Int)? {
        guard rule.rule.isOfProperties else {
            return self.node(of: rule.path).map { ($0, self.value(at: $0), 0) }
        }
        return (-1 - number, self.properties?.json.value(at: rule.path), self.properties?.byteCount ?? 0)
    }

    /// A rule that is not met, in words.
    func blames(_ rule: CompiledRule) -> String {
        guard self.json == nil, !rule.rule.isOfProperties else { return rule.rule.description }
        return "\(rule.rule.description): the payload is not JSON\(self.failure.map { " (\($0))" } ?? "")"
    }
}

/// One rule, with what it compares with in the form in which it is compared.
struct CompiledRule: Sendable {
    let rule: Conditions.Rule
    let path: JSONPath
    private let value: RawJSON?
    private let number: JSONNumber?
    private let until: JSONNumber?
    private let pattern: BytePattern?
    private let canonicalText: [UInt8]
    /// Of `in`, in canonical form.
    private let options: Set<[UInt8]>

    init(_ rule: Conditions.Rule) {
        self.rule = rule
        self.path = JSONPath(rule.path) ?? JSONPath()
        let value = rule.value.flatMap { RawJSON(Array($0.utf8)) }
        self.value = value
        self.number = value?.exactNumber
        self.until = rule.until.flatMap { RawJSON(Array($0.utf8))?.exactNumber }
        self.pattern = value?.codePoints.map(BytePattern.init)
        self.canonicalText = value?.canonicalText ?? []
        self.options = rule.operator == .isIn ? Set(value?.elements.map(\.canonicalText) ?? []) : []
    }

    /// Whether it compares the canonical text of what was found.
    func needsText(of found: RawJSON) -> Bool {
        switch self.rule.operator {
        case .eq, .ne: found.kind == self.value?.kind
        case .isIn: true
        case .changed, .changedBy: found.kind != .null
        case .gt, .ge, .lt, .le, .contains, .exists: false
        }
    }

    /// How many bytes have to be looked at, more or less.
    ///
    /// - Parameter hasText: whether the canonical text has been made.
    func cost(of found: RawJSON?, hasText: Bool) -> Int {
        guard let found, self.rule.operator != .exists else { return 0 }
        let isNested = found.kind == .object || found.kind == .array
        let bytes = found.text.count
        // Each member and element is read, copied and sorted.
        let whole = isNested ? bytes * 16 : bytes
        let looked =
            switch self.rule.operator {
            case .contains: whole
            case .gt, .ge, .lt, .le: isNested ? 0 : bytes
            case .changed, .changedBy: hasText ? bytes : whole
            case .eq, .ne, .isIn: hasText || !self.needsText(of: found) ? 0 : whole
            case .exists: 0
            }
        return looked + self.canonicalText.count
    }

    /// - Parameter text: the canonical one of what was found.
    private func isSame(_ found: RawJSON, _ text: @autoclosure () -> [UInt8]) -> Bool {
        found.kind == self.value?.kind && text() == self.canonicalText
    }

    /// - Parameters:
    ///   - canonicalText: of what was found.
    ///   - text: what is remembered.
    func hasChanged(_ found: RawJSON?, _ canonicalText: [UInt8], since text: String?) -> Bool {
        guard let found, found.kind != .null else { return false }
        // The first value is news.
        guard let text, let before = RawJSON(Array(text.utf8)) else { return true }
        let now = Self.remembered(found, canonicalText)
        if now.hasPrefix(Self.digestPrefix) { return now != text }
        guard self.rule.operator == .changedBy, let number = found.exactNumber, let earlier = before.exactNumber,
            let least = self.number
        else { return found.kind != before.kind || canonicalText != before.canonicalText }
        return number.distance(to: earlier) >= least
    }

    /// What is longer than this is remembered by its digest.
    private static let longestMemory = 256

    private static let digestPrefix = "\"sha256 "

    static func remembered(_ value: RawJSON, _ canonicalText: [UInt8]) -> String {
        guard value.text.count > Self.longestMemory else { return String(decoding: value.text, as: UTF8.self) }
        let text = value.compactText
        guard text.utf8.count > Self.longestMemory else { return text }
        return "\(Self.digestPrefix)\(Base64.encode(SHA256.hash(data: canonicalText)))\""
    }

    /// - Parameter text: the canonical one of what was found, if it is needed.
    func holds(_ found: RawJSON?, _ text: [UInt8]) -> Bool {
        switch self.rule.operator {
        case .exists: return (found != nil) == (self.value?.bool ?? true)
        case .ne: return found.map { !self.isSame($0, text) } ?? true
        default: break
        }
        guard let found else { return false }
        switch self.rule.operator {
        case .eq: return self.isSame(found, text)
        case .gt: return self.order(of: found) == .above
        case .ge: return [.above, .same].contains(self.order(of: found))
        case .lt: return self.order(of: found) == .below
        case .le: return [.below, .same].contains(self.order(of: found))
        case .contains:
            if let points = found.codePoints { return self.pattern?.isFound(in: points) ?? false }
            return found.elements.contains { self.isSame($0, $0.canonicalText) }
        case .isIn: return self.options.contains(text)
        case .ne, .exists, .changed, .changedBy: return false
        }
    }

    /// Whether it is met, where there is an edge; nil if what was found says nothing of it: a thing that speaks of something
    /// else has not become well.
    ///
    /// - Parameter isHeld: whether all that is asked was met before.
    func verdict(on found: RawJSON?, _ text: [UInt8], isHeld: Bool) -> Bool? {
        guard self.rule.operator != .exists else { return self.holds(found, text) }
        guard let found else { return nil }
        switch self.rule.operator {
        case .gt, .ge, .lt, .le:
            if isHeld, let until, let number = found.exactNumber {
                let isAbove = self.rule.operator == .gt || self.rule.operator == .ge
                return isAbove ? !(number < until) : !(until < number)
            }
            return self.order(of: found) == nil ? nil : self.holds(found, text)
        default: return self.holds(found, text)
        }
    }

    private enum Order { case below, same, above }

    /// Numbers with numbers, strings with strings; nothing else has an order.
    private func order(of found: RawJSON) -> Order? {
        if let found = found.exactNumber, let number {
            return found == number ? .same : found < number ? .below : .above
        }
        // UTF-8 has the order of the code points.
        guard let found = found.codePoints, let text = self.value?.codePoints else { return nil }
        return found == text ? .same : found.lexicographicallyPrecedes(text) ? .below : .above
    }
}
