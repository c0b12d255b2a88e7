package import Domain
package import Logging
internal import ServiceLifecycle
internal import Synchronization

/// Counts what comes in of each group and what becomes of it at each webhook, by the minute, until it is written down.
///
/// It is written every few seconds: a crash loses the counts since then, but nothing of the log.
package final class WebhookTally: Sendable {
    private struct Key: Hashable {
        /// nil for what came in.
        let webhook: WebhookKey?
        let group: EntityID
        let minute: Int64

        var nothing: StatsIncrement { StatsIncrement(webhook: self.webhook, group: self.group, minute: self.minute) }
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
                let webhook = results[index].delivery.webhook
                let minute = at / 60_000_000 * 60_000
                if current?.key.webhook != webhook.key || current?.key.minute != minute {
                    if let current { state.increments[current.key] = current.increment }
                    let key = Key(webhook: webhook.key, group: webhook.group, minute: minute)
                    current = (key, state.increments.removeValue(forKey: key) ?? key.nothing)
                }
                current?.increment.count.count(
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
                let key = Key(webhook: webhook, group: skip.group, minute: skip.at / 60_000_000 * 60_000)
                state.increments[key, default: key.nothing].count.skipped += 1
                guard state.skips.count < Self.mostSkipsInAll,
                    state.skipsByWebhook[webhook, default: 0] < Self.mostSkips
                else { continue }
                state.skipsByWebhook[webhook, default: 0] += 1
                state.skips.append(skip)
            }
        }
    }

    /// - Parameters:
    ///   - counts: how many messages came in of each group.
    ///   - now: milliseconds since 1970.
    package func received(_ counts: [EntityID: Int], now: Int64) {
        self.state.withLock { state in
            for (group, count) in counts {
                let key = Key(webhook: nil, group: group, minute: now / 60_000 * 60_000)
                state.increments[key, default: key.nothing].count.messages += Int64(count)
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
                let key = Key(webhook: increment.webhook, group: increment.group, minute: increment.minute)
                state.increments[key, default: key.nothing].count.add(increment.count)
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
