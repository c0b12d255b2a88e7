package import Domain
package import Logging
internal import Observability
package import Schema
internal import ServiceLifecycle
internal import Synchronization
package import Values

/// Counts what comes in of each group and what becomes of it at each webhook, by the minute, until it is written down.
///
/// It is written every few seconds, or if that takes long every half minute: a crash loses the counts since then, but nothing of the log.
package final class WebhookTally: Sendable {
    private struct Key: Hashable {
        /// nil for what came in.
        let webhook: WebhookKey?
        let group: EntityID
        let minute: Instant

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
    private static let minute = StatsPeriod.minute.length

    private let state = Mutex(State())
    private let totals: WebhookTotals

    package init(totals: WebhookTotals) { self.totals = totals }

    package func note(_ results: [DeliveryResult]) {
        self.state.withLock { state in
            // Results of one webhook come one after the other more often than not.
            var current: (key: Key, increment: StatsIncrement)?
            for index in results.indices {
                guard let at = results[index].attempt?.at, results[index].attempt?.wasSent == true else { continue }
                let webhook = results[index].delivery.webhook
                let minute = at.rounded(downTo: Self.minute)
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
                let key = Key(webhook: webhook, group: skip.group, minute: skip.at.rounded(downTo: Self.minute))
                state.increments[key, default: key.nothing].count.skipped += 1
                guard state.skips.count < Self.mostSkipsInAll,
                    state.skipsByWebhook[webhook, default: 0] < Self.mostSkips
                else { continue }
                state.skipsByWebhook[webhook, default: 0] += 1
                state.skips.append(skip)
            }
        }
    }

    /// - Parameter counts: how many messages came in of each group.
    package func received(_ counts: [EntityID: Int], now: Instant) {
        self.state.withLock { state in
            for (group, count) in counts {
                let key = Key(webhook: nil, group: group, minute: now.rounded(downTo: Self.minute))
                state.increments[key, default: key.nothing].count.messages += Int64(count)
            }
        }
    }

    func take() -> (increments: [StatsIncrement], skips: [Skip]) {
        let (increments, skips) = self.state.withLock { state in
            defer { state = State() }
            return (Array(state.increments.values), state.skips)
        }
        self.totals.add(increments)
        return (increments, skips)
    }
}

/// Writes the tally down.
package struct TallyKeeper: Service {
    private let tally: WebhookTally
    private let store: StatsStore
    private let session: SessionIdentity
    private let interval: Duration
    private let logger: Logger

    package init(
        tally: WebhookTally, store: StatsStore, session: SessionIdentity, interval: Duration = .seconds(2),
        logger: Logger
    ) {
        self.tally = tally
        self.store = store
        self.session = session
        self.interval = interval
        self.logger = logger
    }

    package func run() async throws {
        var plan = await cancelWhenGracefulShutdown {
            var plan = TallyPlan()
            await Periodic(every: self.interval, orSay: "counts are written later", logger: self.logger)
                .run {
                    let start = ContinuousClock.now
                    try await self.write(&plan)
                    // Of thousands of webhooks at a time they are gathered for longer.
                    let pause = min((ContinuousClock.now - start) * 4, .seconds(30))
                    if pause > self.interval { try await Task.sleep(for: pause) }
                }
            return plan
        }
        do { try await self.write(&plan) } catch {
            self.logger.warning("the last counts are not written", metadata: ["error": "\(error)"])
        }
    }

    /// Writes what is left of before, and what has come since.
    ///
    /// - Throws: what the database says if it cannot take them now; nothing of them is lost.
    private func write(_ plan: inout TallyPlan) async throws {
        if plan.next == nil {
            let (increments, skips) = self.tally.take()
            plan.add(increments, skips)
        }
        while let part = plan.next {
            do {
                try await self.store.add(part.increments, skips: part.skips, number: part.number, of: self.session)
                plan.written()
            } catch  where DatabaseAvailability.isDataFault(error) {
                self.logger.warning("counts cannot be written as they are", metadata: ["error": "\(error)"])
                plan.refused()
            }
        }
    }
}

/// How counts get into the database: a part at a time, each under a number of its own, the same again if the answer was
/// lost. One that is refused for what it holds is halved until what is at fault is alone, and that is dropped.
struct TallyPlan {
    struct Part: Equatable {
        let increments: [StatsIncrement]
        let skips: [Skip]
        let number: Int64

        static func == (a: Part, b: Part) -> Bool {
            a.number == b.number && a.increments.count == b.increments.count && a.skips.count == b.skips.count
        }
    }

    private var parts: [(increments: [StatsIncrement], skips: [Skip])] = []
    private var number: Int64 = 1

    var next: Part? {
        self.parts.last.map { Part(increments: $0.increments, skips: $0.skips, number: self.number) }
    }

    /// The rows of many webhooks are locked while they are written, which other instances want as well.
    private static let most = 1_000

    mutating func add(_ increments: [StatsIncrement], _ skips: [Skip]) {
        guard !increments.isEmpty || !skips.isEmpty else { return }
        var (rest, skips) = (increments[...], skips)
        repeat {
            self.parts.append((Array(rest.prefix(Self.most)), skips))
            rest = rest.dropFirst(Self.most)
            skips = []
        } while !rest.isEmpty
    }

    mutating func written() {
        self.parts.removeLast()
        self.number += 1
    }

    mutating func refused() {
        guard let part = self.parts.popLast() else { return }
        if !part.increments.isEmpty, !part.skips.isEmpty {
            self.parts += [(part.increments, []), ([], part.skips)]
            return
        }
        let (increments, skips) = (part.increments, part.skips)
        guard increments.count + skips.count > 1 else { return }
        self.parts += [
            (Array(increments[(increments.count / 2)...]), Array(skips[(skips.count / 2)...])),
            (Array(increments[..<(increments.count / 2)]), Array(skips[..<(skips.count / 2)])),
        ]
    }
}
