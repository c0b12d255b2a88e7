internal import Crypto
package import Values

extension Conditions {
    /// What a webhook hears of: that its conditions begin or cease to be met, in place of every message that meets them.
    package enum Edge: String, Sendable, Codable, CaseIterable {
        case becomes
        case isNoLonger = "is_no_longer"
        case both
        /// The state is kept and nothing is sent.
        case silent

        func tells(of state: Crossing.State) -> Bool {
            switch self {
            case .becomes: state == .active
            case .isNoLonger: state == .normal
            case .both: true
            case .silent: false
            }
        }
    }

    /// For how long conditions may have to be met, in seconds.
    package static let durations: ClosedRange<Int64> = 1...604_800
}

extension Conditions {
    /// Changes with what is asked and for how long: an alarm that was raised by something else says nothing. 0 if there is no edge.
    package var mark: Int64 {
        guard self.edge != nil else { return 0 }
        let rules = self.rules.map { rule in
            [
                (rule.isOfProperties ? "{mqtt}" : "") + rule.path, rule.operator.rawValue, rule.value ?? "",
                rule.until ?? "",
            ]
        }
        let parts = [[self.match.rawValue, String(self.duration ?? 0)]] + rules
        let text = parts.flatMap(\.self).map { "\($0.utf8.count):\($0)" }.joined()
        return SHA256.hash(data: Array(text.utf8)).prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }
}

/// When conditions with an edge call a webhook: a state for each thing, and what a message makes of it.
///
/// Of messages that are looked at twice the second changes nothing. Without I/O: who keeps the state says which it is.
package struct EdgeRule: Sendable, Equatable {
    package let edge: Conditions.Edge
    /// For how long they have to be met, in seconds.
    package let duration: Int64

    package init(_ edge: Conditions.Edge, duration: Int64 = 0) {
        self.edge = edge
        self.duration = duration
    }

    package struct Outcome: Sendable, Equatable {
        /// What is known from now on; nil if all is well.
        package let alarm: Alarm?
        /// What the webhook is told; nil if nothing.
        package let crossing: Crossing?
        /// Why it is told nothing, in words.
        package let skip: String?
    }

    /// - Parameters:
    ///   - alarm: what was known before.
    ///   - message: the one that is looked at.
    package func outcome(of truth: ConditionTruth, by message: MessageID, after alarm: Alarm?) -> Outcome {
        switch truth {
        case .isMet: self.met(message, alarm)
        case .isNotMet(let rule): self.unmet(rule, message, alarm)
        case .isUnknown(let reason):
            Outcome(alarm: alarm, crossing: nil, skip: "the message says nothing of the condition: \(reason)")
        case .isTooCostly: Outcome(alarm: alarm, crossing: nil, skip: EvaluationBudget.tooCostly)
        }
    }

    /// When it is to be active if nothing is heard until then; nil if it is, or that takes no time.
    package func dueAt(_ alarm: Alarm) -> Instant? {
        alarm.isActive ? nil : alarm.since + .seconds(self.duration)
    }

    /// What has lasted for long enough, without any message of it.
    ///
    /// - Parameter message: which tells of it.
    package func due(_ alarm: Alarm, as message: MessageID) -> Outcome {
        self.change(
            to: Alarm(raised: alarm.raised, changed: message, isActive: true),
            Crossing(to: .active, since: alarm.since))
    }

    private func met(_ message: MessageID, _ alarm: Alarm?) -> Outcome {
        guard let alarm else {
            guard self.duration > 0 else {
                return self.change(
                    to: Alarm(raised: message, changed: message, isActive: true),
                    Crossing(to: .active, since: message.time))
            }
            return Outcome(
                alarm: Alarm(raised: message, changed: message, isActive: false), crossing: nil,
                skip: "condition true since now: it has to be for \(self.duration) s")
        }
        let since = "condition already true since \(alarm.since.text)"
        guard !alarm.isActive else { return Outcome(alarm: alarm, crossing: nil, skip: since) }
        guard message.time >= alarm.since + .seconds(self.duration) else {
            return Outcome(alarm: alarm, crossing: nil, skip: "\(since): it has to be for \(self.duration) s")
        }
        return self.due(alarm, as: message)
    }

    private func unmet(_ rule: String, _ message: MessageID, _ alarm: Alarm?) -> Outcome {
        guard let alarm else { return Outcome(alarm: nil, crossing: nil, skip: "condition not met: \(rule)") }
        guard alarm.isActive else {
            return Outcome(
                alarm: nil, crossing: nil,
                skip: "condition no longer true: it was since \(alarm.since.text), and had to be for \(self.duration) s"
            )
        }
        return self.change(to: nil, Crossing(to: .normal, since: alarm.since))
    }

    private func change(to alarm: Alarm?, _ crossing: Crossing) -> Outcome {
        guard !self.edge.tells(of: crossing.state) else { return Outcome(alarm: alarm, crossing: crossing, skip: nil) }
        let what = crossing.state == .active ? "has become true" : "is no longer true"
        return Outcome(
            alarm: alarm, crossing: nil,
            skip: "condition \(what), which the webhook is not told of (edge \(self.edge.rawValue))")
    }
}
