internal import Domain
internal import Journal
internal import Logging
internal import Observability
internal import Queue
internal import Schema
internal import Synchronization

/// Records finished attempts, in batches, and those of a group in order.
///
/// What it holds is bounded without a limit of its own: a delivery gives back its room in the ``LaneLedger`` only when
/// it has been recorded. While the database is away results wait here, and new deliveries stay with the broker.
final class Completer: Sendable {
    private let store: DeliveryStore
    private let ledger: LaneLedger
    private let logger: Logger
    private let log: RateLimitedLog
    private static let recording = "recording"
    private let metrics: Metrics
    private let pending = Mutex<[DeliveryResult]>([])
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation
    private static let mostPerTransaction = 2_000

    init(store: DeliveryStore, ledger: LaneLedger, metrics: Metrics, logger: Logger) {
        self.store = store
        self.ledger = ledger
        self.logger = logger
        self.log = RateLimitedLog(logger: logger)
        self.metrics = metrics
        // One signal is as good as many: who hears it takes all there is.
        (self.signals, self.signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// That results are not recorded, if the last try has failed. What waits for it is tried again and again.
    var trouble: Recurrence.Trouble? { self.log.trouble(Self.recording) }

    func submit(_ results: [DeliveryResult]) {
        guard !results.isEmpty else { return }
        self.pending.withLock { pending in
            if pending.isEmpty { pending = results } else { pending += results }
        }
        self.signal.yield()
    }

    /// Ends ``run(onRecorded:)`` once everything submitted so far is recorded.
    func finish() {
        self.signal.yield()
        self.signal.finish()
    }

    /// - Parameter onRecorded: told of every batch that is in the database.
    func run(onRecorded: @Sendable ([DeliveryResult]) -> Void) async {
        var plan = SettlePlan()
        var queue = RecordingQueue()
        for await _ in self.signals {
            while true {
                queue.append(self.takePending())
                let batch = queue.take(Self.mostPerTransaction)
                guard !batch.isEmpty else { break }
                plan.add(batch)
                guard await self.carryOut(&plan) else {
                    // The service is ending without the database: the deliveries are sent again after the restart.
                    self.logger.error("attempts are not recorded", metadata: ["attempts": "\(batch.count)"])
                    return
                }
                self.ledger.release(batch)
                onRecorded(batch)
            }
        }
    }

    private func takePending() -> [DeliveryResult] {
        self.pending.withLock { pending in
            defer { pending = [] }
            return pending
        }
    }

    /// - Returns: false if the service is ending and it could not be done.
    private func carryOut(_ plan: inout SettlePlan) async -> Bool {
        var wait = Duration.milliseconds(50)
        var step = plan.next
        while true {
            switch step {
            case .finished: return true
            case .write(let settlement):
                let answer = await self.write(settlement)
                if answer == .done { wait = .milliseconds(50) }
                step = plan.handle(answer)
            case .wait:
                do { try await Task.sleep(for: wait) } catch { return false }
                wait = min(wait * 2, .seconds(2))
                step = plan.next
            }
        }
    }

    private func write(_ settlement: Settlement) async -> SettlePlan.Answer {
        do {
            let disabled = try await self.store.settle(settlement)
            self.log.over(Self.recording)
            for webhook in disabled {
                self.metrics.disabledWebhooks.add()
                self.logger.notice(
                    "disabled a webhook", metadata: ["webhook": "\(webhook.id)", "reason": "\(webhook.reason)"])
            }
            return .done
        } catch {
            let count: Logger.Metadata = ["attempts": "\(settlement.results.count)"]
            guard !DatabaseAvailability.isDataFault(error) else {
                self.log.warning(
                    "refused", "a result cannot be recorded as it is",
                    metadata: count.merging(["error": "\(error)"]) { own, _ in own })
                return .refused
            }
            self.log.trouble(
                Self.recording, "attempts cannot be recorded; trying again", "\(error)",
                inWords: DatabaseAvailability.words(error), metadata: count)
            return .outage
        }
    }
}
