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
            Readiness(part: "broker", problem: metrics.isBrokerConnected.current == 1 ? nil : "not connected"),
            Readiness(part: "clock", problem: clock.problem, isHarmless: true),
        ]
    }
}
