/// What a message says of conditions.
package enum ConditionTruth: Sendable, Equatable {
    case isMet
    /// Which rule is not, in words.
    case isNotMet(String)
    /// It says nothing of them, and why: of what it does not speak of nothing changes.
    case isUnknown(String)
    case isTooCostly
}

// Conditions with an edge.
extension ConditionSet {
    /// - Parameter isHeld: whether they were met before, so that they are until what is found is beyond `until`.
    package func truth(of payload: PayloadIndex, isHeld: Bool, budget: inout EvaluationBudget) -> ConditionTruth {
        self.truth(of: payload, isHeld: isHeld, budget: &budget) { _, _, _ in }
    }

    /// The same, with what each rule found. A rule that was not looked at is not among them.
    package func explainTruth(
        of payload: PayloadIndex, isHeld: Bool, budget: inout EvaluationBudget
    ) -> (truth: ConditionTruth, findings: [Finding]) {
        var findings: [Finding] = []
        let truth = self.truth(of: payload, isHeld: isHeld, budget: &budget) { rule, found, isMet in
            findings.append(
                Finding(
                    rule: rule.description, found: found.map { Self.beginning(of: $0) }, before: nil, isMet: isMet))
        }
        return (truth, findings)
    }

    /// The beginning of what the first rule finds, as JSON; nil if nothing is there.
    package func found(in payload: PayloadIndex) -> String? {
        self.rules.first.flatMap { payload.find($0, number: 0)?.found }.map { Self.beginning(of: $0) }
    }

    private static func beginning(of found: RawJSON) -> String {
        String(decoding: found.text.prefix(Finding.longest), as: UTF8.self)
    }

    private func truth(
        of payload: PayloadIndex, isHeld: Bool, budget: inout EvaluationBudget,
        noting note: (Conditions.Rule, RawJSON?, Bool) -> Void
    ) -> ConditionTruth {
        var (unmet, unknown): (String?, String?)
        var isAnyMet = false
        for (index, rule) in self.rules.enumerated() {
            guard let (_, found, sought) = payload.find(rule, number: index),
                budget.spend(rule.cost(of: found, hasText: false) + sought)
            else { return .isTooCostly }
            let text = found.map { rule.needsText(of: $0) ? $0.canonicalText : [] } ?? []
            let isMet = rule.verdict(on: found, text, isHeld: isHeld)
            note(rule.rule, found, isMet == true)
            switch isMet {
            case true?: isAnyMet = true
            case false?: unmet = unmet ?? rule.rule.description
            case nil: unknown = unknown ?? payload.blames(rule)
            }
        }
        switch self.match {
        case .all: if let unmet { return .isNotMet(unmet) }
        case .any: if isAnyMet { return .isMet }
        }
        if let unknown { return .isUnknown(unknown) }
        return unmet.map(ConditionTruth.isNotMet) ?? .isMet
    }
}
