internal import Domain
package import Logging
internal import ServiceLifecycle
package import Storage
internal import Synchronization

/// Counts what becomes of each webhook's messages, by the minute, until it is written down.
///
/// It is written every few seconds: a crash loses the counts since then, but nothing of the log.
package final class WebhookTally: Sendable {
    private struct Key: Hashable {
        let webhook: WebhookKey
        let minute: Int64
    }

    private struct State {
        var increments: [Key: StatsIncrement] = [:]
        var skips: [Skip] = []
        var skipsByWebhook: [WebhookKey: Int] = [:]
    }

    /// Of many skipped messages the log shows so many per webhook, each time that it is written.
    private static let mostSkips = 100
    private static let mostSkipsInAll = 2_000

    private let state = Mutex(State())

    package init() {}

    package func note(_ results: [DeliveryResult]) {
        self.state.withLock { state in
            // Results of one webhook come one after the other more often than not.
            var current: (key: Key, increment: StatsIncrement)?
            for index in results.indices {
                guard let at = results[index].attempt?.at, results[index].attempt?.wasSent == true else { continue }
                let key = Key(webhook: results[index].delivery.webhook.key, minute: at / 60_000_000 * 60_000)
                if current?.key != key {
                    if let current { state.increments[current.key] = current.increment }
                    let increment = state.increments.removeValue(forKey: key)
                    current = (key, increment ?? StatsIncrement(webhook: key.webhook, minute: key.minute))
                }
                current?.increment.count(
                    succeeded: results[index].hasSucceeded,
                    latencyMicroseconds: Int64(results[index].attempt?.latencyMicroseconds ?? 0))
            }
            if let current { state.increments[current.key] = current.increment }
        }
    }

    package func skipped(_ skips: [Skip]) {
        self.state.withLock { state in
            for skip in skips {
                let webhook = skip.delivery.webhook
                let key = Key(webhook: webhook, minute: skip.at / 60_000_000 * 60_000)
                state.increments[key, default: StatsIncrement(webhook: webhook, minute: key.minute)].skipped += 1
                guard state.skips.count < Self.mostSkipsInAll,
                    state.skipsByWebhook[webhook, default: 0] < Self.mostSkips
                else { continue }
                state.skipsByWebhook[webhook, default: 0] += 1
                state.skips.append(skip)
            }
        }
    }

    func take() -> (increments: [StatsIncrement], skips: [Skip]) {
        self.state.withLock { state in
            defer { state = State() }
            return (Array(state.increments.values), state.skips)
        }
    }

    /// What could not be written is counted in again; what it skipped is not shown one by one.
    func giveBack(_ increments: [StatsIncrement]) {
        self.state.withLock { state in
            for increment in increments {
                let key = Key(webhook: increment.webhook, minute: increment.minute)
                let none = StatsIncrement(webhook: increment.webhook, minute: increment.minute)
                state.increments[key, default: none].add(increment)
            }
        }
    }
}

/// Writes the tally down.
package struct TallyKeeper: Service {
    private let tally: WebhookTally
    private let store: StatsStore
    private let interval: Duration
    private let logger: Logger

    package init(tally: WebhookTally, store: StatsStore, interval: Duration = .seconds(2), logger: Logger) {
        self.tally = tally
        self.store = store
        self.interval = interval
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                try? await Task.sleep(for: self.interval)
                guard !Task.isCancelled else { break }
                await self.write()
            }
        }
        await self.write()
    }

    private func write() async {
        let (increments, skips) = self.tally.take()
        do {
            try await self.store.add(increments, skips: skips)
        } catch {
            self.tally.giveBack(increments)
            self.logger.debug("counts are written later", metadata: ["error": "\(error)"])
        }
    }
}
