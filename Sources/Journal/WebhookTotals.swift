package import Domain
internal import Synchronization
internal import Values

/// What has become of each webhook's deliveries since this instance was started, for metrics: of so many webhooks, and of
/// all others together.
package final class WebhookTotals: Sendable {
    package struct Entry: Sendable {
        /// nil for all that have no place of their own.
        package let webhook: WebhookKey?
        package let succeeded: Int64
        package let failed: Int64
        package let skipped: Int64
        /// Of all attempts, in microseconds.
        package let attemptTime: Int64
    }

    private struct Place {
        var count = StatsCount()
        var lastUsed: Instant

        mutating func note(_ increment: StatsIncrement) {
            self.count.add(increment.count)
            self.lastUsed = max(self.lastUsed, increment.minute)
        }
    }

    private struct State {
        var places: [WebhookKey: Place] = [:]
        var others = StatsCount()

        /// Looks for those that have been quiet until `minute`.
        mutating func makeRoom(now minute: Instant) {
            self.places = self.places.filter { $0.value.lastUsed + WebhookTotals.quiet > minute }
        }
    }

    /// Who has been quiet for so long gives up its place if another needs one.
    fileprivate static let quiet: Duration = .seconds(3_600)

    private let most: Int
    private let state = Mutex(State())

    /// - Parameter most: how many webhooks have a place of their own at a time.
    package init(most: Int) { self.most = most }

    func add(_ increments: [StatsIncrement]) {
        guard self.most > 0 else { return }
        self.state.withLock { state in
            // Looked for once, however many need a place.
            var hasMadeRoom = false
            for increment in increments {
                guard let webhook = increment.webhook else { continue }
                if state.places[webhook] == nil, state.places.count >= self.most, !hasMadeRoom {
                    hasMadeRoom = true
                    state.makeRoom(now: increment.minute)
                }
                if state.places[webhook] == nil, state.places.count >= self.most {
                    state.others.add(increment.count)
                    continue
                }
                state.places[webhook, default: Place(lastUsed: increment.minute)].note(increment)
            }
        }
    }

    /// All there are, each kept only while `isKnown`: what was removed is counted no more.
    package func entries(_ isKnown: (WebhookKey) -> Bool) -> [Entry] {
        let (places, others) = self.state.withLock { ($0.places, $0.others) }
        let gone = places.keys.filter { !isKnown($0) }
        if !gone.isEmpty { self.state.withLock { state in for key in gone { state.places[key] = nil } } }
        var entries = places.filter { isKnown($0.key) }.map { Entry(webhook: $0.key, $0.value.count) }
        if self.most > 0 { entries.append(Entry(webhook: nil, others)) }
        return entries
    }
}

extension WebhookTotals.Entry {
    fileprivate init(webhook: WebhookKey?, _ count: StatsCount) {
        self.init(
            webhook: webhook, succeeded: count.succeeded, failed: count.failed, skipped: count.skipped,
            attemptTime: count.attemptTime)
    }
}
