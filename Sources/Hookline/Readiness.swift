internal import API
internal import Observability
internal import Queue

extension Assembly {
    /// What `/ready` says of all that the service needs.
    static func readiness(
        _ database: ReadinessProbe, _ data: ReadinessProbe?, _ clock: DatabaseClock, _ metrics: Metrics
    ) async -> [Readiness] {
        // At the same time: who asks has not the patience for one after the other.
        async let ofData = data?.problem()
        let ofDatabase = await database.problem()
        let byData = (await ofData).map { "by POSTGRES_DATA_URL: \($0)" }
        return [
            Readiness(part: "database", problem: ofDatabase ?? byData),
            Self.broker(metrics),
            Readiness(part: "clock", problem: clock.problem, isHarmless: true),
        ]
    }

    private static func broker(_ metrics: Metrics) -> Readiness {
        guard metrics.isBrokerConnected.current == 1 else { return Readiness(part: "broker", problem: "not connected") }
        // No other instance would have it better, and what comes is forwarded.
        let isWeak = metrics.unacknowledgedFilters.current > 0
        return Readiness(
            part: "broker", problem: isWeak ? "grants QoS 0 alone: messages can be lost" : nil, isHarmless: true)
    }
}
