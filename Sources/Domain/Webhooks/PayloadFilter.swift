/// What a trigger asks of payloads, ready to be compared. An object, as nearly no webhook has one.
package final class PayloadFilter: Sendable {
    /// One of them has to lead to something; empty asks for nothing.
    private let datastreams: [JSONPath]
    /// Of which a log event has to have one; empty asks for nothing.
    private let levels: Set<LogEvent.Level>
    /// Everything that is asked for in a payload.
    package let paths: [JSONPath]

    /// nil if nothing is asked.
    package init?(_ trigger: Trigger) {
        guard !trigger.paths.isEmpty || !trigger.levels.isEmpty else { return nil }
        self.datastreams = trigger.paths.compactMap { JSONPath($0) }
        self.levels = Set(trigger.levels)
        self.paths = self.datastreams + (trigger.levels.isEmpty ? [] : [LogEvent.levelPath])
    }

    package enum Verdict: Sendable, Equatable {
        case admits
        /// It has none of the paths.
        case lacksPaths
        /// It is of another level, this one.
        case isOf(LogEvent.Level)
        /// It was not looked at to the end.
        case isTooCostly
    }

    package func verdict(on payload: PayloadIndex, budget: inout EvaluationBudget) -> Verdict {
        if !self.datastreams.isEmpty {
            var isThere = false
            for path in self.datastreams where !isThere {
                // A group has paths that are not looked for if it has too many.
                guard let node = payload.node(of: path), budget.spend(0) else { return .isTooCostly }
                isThere = payload.value(at: node) != nil
            }
            guard isThere else { return .lacksPaths }
        }
        guard !self.levels.isEmpty else { return .admits }
        guard let node = payload.node(of: LogEvent.levelPath), budget.spend(0) else { return .isTooCostly }
        let level = LogEvent.level(payload.value(at: node))
        return self.levels.contains(level) ? .admits : .isOf(level)
    }
}
