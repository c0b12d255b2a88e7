package import MQTT

/// Tells an event's own fault from the connection's.
///
/// When a connection ends while several events are unanswered, any of them may be the reason, or none. So they are
/// published one at a time then, until all went through; and one at which the connection ends twice waits, so that
/// whatever is wrong with it, the others go on.
package struct Suspicion: Sendable {
    /// How long an event waits that the broker does not take now.
    package static let postponement: Duration = .seconds(60)
    /// After that an event that the broker does not take is given up, even if it might take it one day.
    package static let patience: Duration = .seconds(86_400)

    /// What is to become of events, by number.
    package struct Verdicts: Sendable {
        package var taken: [Int64] = []
        package var refused: [(Int64, String)] = []
        package var postponed: [Int64] = []
        package var postponedBecause: String?
        /// To be published again at once.
        package var again: [Int64] = []
    }

    /// Whether events are to be published one at a time.
    package private(set) var isOpen = false
    /// The one that was alone when the connection ended.
    private var suspect: Int64?

    package init() {}

    /// - Parameter events: the number of each, and for how long it has waited.
    package mutating func judge(_ events: [(number: Int64, age: Duration)], _ report: PublishReport) -> Verdicts {
        var verdicts = Verdicts()
        for (event, outcome) in zip(events, report.outcomes) {
            switch outcome {
            case .taken: verdicts.taken.append(event.number)
            case .refused(let refusal) where refusal.isFinal || event.age > Self.patience:
                verdicts.refused.append((event.number, refusal.reason))
            case .refused(let refusal):
                verdicts.postponed.append(event.number)
                verdicts.postponedBecause = refusal.reason
            case .unanswered, .unsent: verdicts.again.append(event.number)
            }
        }
        let unanswered = zip(events, report.outcomes).filter { $1 == .unanswered }.map(\.0.number)
        guard report.failure != nil else {
            // Those that were alone all went through.
            self.isOpen = false
            self.suspect = nil
            return verdicts
        }
        guard unanswered.count == 1, let alone = unanswered.first else {
            if !unanswered.isEmpty { self.isOpen = true }
            return verdicts
        }
        self.isOpen = true
        if self.suspect == alone {
            verdicts.again.removeAll { $0 == alone }
            verdicts.postponed.append(alone)
            verdicts.postponedBecause = "the connection ends when it is published"
            self.suspect = nil
        } else {
            self.suspect = alone
        }
        return verdicts
    }
}
