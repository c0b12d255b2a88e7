@testable import Domain

extension Reader {
    static let json = Reader("json") { bytes in
        let json = RawJSON(bytes)
        expect((json != nil) == ReferenceJSON.accepts(bytes), "two readings agree on what is JSON")
        guard let json else { return }
        guard let compact = RawJSON(Array(json.compactText.utf8)) else { fatalError("compact JSON is JSON") }
        expect(compact.kind == json.kind, "without spaces it is of the same kind")
        expect(compact.compactText == json.compactText, "there are no spaces left")
        expect(compact.canonicalText == json.canonicalText, "without spaces it says the same")
        for value in json.elements + json.members.map(\.value) {
            expect(ReferenceJSON.accepts(value.text), "what is in it is JSON")
        }
        if let text = json.string { expect(json.codePoints == Array(text.utf8), "a string says one thing") }
    }

    /// Paths, and a payload.
    static let index = Reader("index") { bytes in
        var input = Input(bytes)
        let paths = input.line().split(separator: ";").prefix(8).compactMap { JSONPath($0) }
        let index = PayloadIndex(input.bytes, paths: PathSet(paths))
        let json = RawJSON(payload: input.bytes)
        expect((json == nil) == (index.json == nil), "two walks agree on what is JSON")
        for path in paths {
            let (one, other) = (json?.value(at: path), index.value(at: path))
            expect(one.map { Array($0.text) } == other.map { Array($0.text) }, "two ways lead to the same value")
            expect(JSONPath(path.description) == path, "a path is read again as it is written")
        }
    }

    /// Two numbers.
    static let number = Reader("number") { bytes in
        var input = Input(bytes)
        guard let first = RawJSON(Array(input.line().utf8)), let second = RawJSON(Array(input.line().utf8)),
            let a = first.exactNumber, let b = second.exactNumber
        else { return }
        expect([a < b, b < a, a == b].count { $0 } == 1, "numbers have one order")
        expect((first.canonicalText == second.canonicalText) == (a == b), "one number has one text")
        let distance = a.distance(to: b)
        expect(distance == b.distance(to: a), "it is as far there as back")
        expect(distance.isZero == (a == b) && (distance.isZero || distance.isPositive), "only the same is not apart")
        if let x = first.number, let y = second.number, x < y { expect(a < b, "doubles have the same order") }
    }

    /// An operator and a path, a value, and a payload.
    static let conditions = Reader("conditions") { bytes in
        var input = Input(bytes)
        let kind = input.choice(of: Conditions.Rule.Operator.allCases)
        let (path, value) = (input.line(), input.line())
        let payload = input.bytes
        /// nil if there is no such rule; otherwise whether a payload meets it, and what it remembers then.
        func judge(
            _ kind: Conditions.Rule.Operator, _ value: String, _ memory: [Int: String] = [:]
        ) -> (isMet: Bool, memory: [Int: String])? {
            let rule = Conditions.Rule(path: path, operator: kind, value: value.isEmpty ? nil : value)
            let conditions = Conditions(rules: [rule])
            guard (try? conditions.check()) != nil else { return nil }
            let set = ConditionSet(conditions)
            var budget = EvaluationBudget()
            let index = PayloadIndex(payload, paths: PathSet(set.paths))
            let outcome = set.evaluate(index, memory: memory, budget: &budget)
            expect(budget.rest < EvaluationBudget.perMessage, "what is looked at costs something")
            return budget.rest < 0 ? nil : (outcome.skip == nil, outcome.memory)
        }
        guard let first = judge(kind, value) else { return }
        switch kind {
        case .eq:
            expect(judge(.ne, value).map { $0.isMet != first.isMet } ?? true, "a value is equal or it is not")
            expect(
                judge(.isIn, "[\(value)]").map { $0.isMet == first.isMet } ?? true, "what is equal is in a list of it")
        case .gt, .lt:
            expect(!first.isMet || judge(kind == .gt ? .le : .ge, value)?.isMet != true, "values have one order")
        case .changed, .changedBy:
            let again = judge(kind, value, first.memory)
            expect(again?.isMet != true, "the same again is no change")
        case .ne, .ge, .le, .contains, .isIn, .exists: break
        }
    }

    /// A schema, and a value.
    static let schema = Reader("schema") { bytes in
        var input = Input(bytes)
        let text = Array(input.line().utf8)
        guard let value = RawJSON(input.bytes) else { return }
        if text.count <= JSONSchema.longest, let json = RawJSON(text), let schema = try? JSONSchema(json) {
            _ = schema.fault(in: value)
        }
        guard let inferred = RawJSON(Array(JSONSchema.inferred(from: value).utf8)) else {
            fatalError("a schema of a sample is JSON")
        }
        guard let schema = try? JSONSchema(inferred) else { fatalError("a schema of a sample is a schema") }
        let fault = schema.fault(in: value)
        expect(fault == nil, "a sample fits its own schema: \(fault ?? "")")
    }
}
