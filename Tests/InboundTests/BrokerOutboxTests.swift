import Inbound
import LocalServices
import MQTT
import Observability
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

/// A table that never holds anything, and is told each time it is looked at.
private struct EmptyTable: OutboxTable {
    struct Row: OutboxRow {
        let number: Int64
        let age: Duration
        let publication: Publication
    }

    static let clientSuffix = "-empty"
    static let problem = "nothing waits"
    static let interval: Duration = .milliseconds(1)
    static let look: Duration = .seconds(3_600)

    let onTake: @Sendable () -> Void

    func take() async throws -> [Row] {
        self.onTake()
        return []
    }

    func giveBack(_ rows: [Row]) async throws {}

    func settle(
        _ rows: [Row], _ verdicts: Suspicion.Verdicts, _ report: PublishReport, log: RateLimitedLog
    ) async throws {}
}

@Suite("What waits in a table for the broker")
struct BrokerOutboxTests {
    /// How often it was looked for, and who is called with it.
    private final class Looks: Sendable {
        let count = Atomic(0)
        let outbox = Mutex<BrokerOutbox<EmptyTable>?>(nil)
    }

    @Test("is looked for at the start and when it is called for, also while it is being looked for")
    func called() async throws {
        let looks = Looks()
        let outbox = try BrokerOutbox(
            EmptyTable {
                // In the middle of the first look: what was stored then may not be seen by it.
                guard looks.count.add(1, ordering: .relaxed).newValue == 1 else { return }
                looks.outbox.withLock { $0 }?.call()
            },
            broker: Session.Configuration(host: "127.0.0.1", port: 1, clientID: "a", topicFilters: []),
            logger: silentLogger)
        looks.outbox.withLock { $0 = outbox }
        let group = ServiceGroup(configuration: .init(services: [.init(service: outbox)], logger: silentLogger))
        async let ended: Void = group.run()
        try await waitUntil("it to be looked for twice") { looks.count.load(ordering: .relaxed) == 2 }
        outbox.call()
        try await waitUntil("it to be looked for a third time") { looks.count.load(ordering: .relaxed) == 3 }
        await group.triggerGracefulShutdown()
        try await ended
        looks.outbox.withLock { $0 = nil }
    }
}
