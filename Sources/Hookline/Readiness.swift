internal import API
internal import Observability
internal import Queue

/// What is written for good, as it shows where it is written.
struct ServiceTroubles: Sendable {
    /// With what the broker sends.
    var receiving: Recurrence.Trouble?
    /// Of what came in.
    var intake: Recurrence.Trouble?
    /// Of what was sent.
    var recording: Recurrence.Trouble?
}

extension Assembly {
    /// What `/ready` says of all that the service needs.
    static func readiness(
        _ database: ReadinessProbe, _ data: ReadinessProbe?, _ troubles: ServiceTroubles, _ clock: DatabaseClock,
        _ metrics: Metrics
    ) async -> [Readiness] {
        // At the same time: who asks has not the patience for one after the other.
        async let ofData = data?.problem()
        let ofDatabase = await database.problem()
        let byData = (await ofData).map { "by POSTGRES_DATA_URL: \($0)" }
        return [
            Readiness(part: "database", problem: ofDatabase ?? byData),
            Self.commits(troubles, at: .now),
            Self.broker(metrics, troubles.receiving),
            Readiness(part: "clock", problem: clock.problem, isHarmless: true),
        ]
    }

    /// A database that answers, and would take changes, can have no room for them, or a table that it does not let us write. Nobody
    /// tries that for the sake of the answer: who has to write knows.
    private static func commits(_ troubles: ServiceTroubles, at now: ContinuousClock.Instant) -> Readiness {
        func problem(_ what: String, _ trouble: Recurrence.Trouble?) -> String? {
            guard let trouble, let time = trouble.lasted(at: now) else { return nil }
            return "\(what) for \(time.components.seconds) s: \(trouble.reason)"
        }
        return Readiness(
            part: "commits",
            problem: problem("what came in is not committed", troubles.intake)
                ?? problem("what was sent is not recorded", troubles.recording))
    }

    private static func broker(_ metrics: Metrics, _ trouble: Recurrence.Trouble?) -> Readiness {
        guard metrics.isBrokerConnected.current == 1 else {
            return Readiness(part: "broker", problem: trouble?.reason ?? "not connected")
        }
        // No other instance would have it better, and what comes is forwarded.
        let isWeak = metrics.unacknowledgedFilters.current > 0
        return Readiness(
            part: "broker", problem: isWeak ? "grants QoS 0 alone: messages can be lost" : nil, isHarmless: true)
    }
}
