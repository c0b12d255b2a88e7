package import Domain
package import Queue
package import Registry
internal import Synchronization

/// What is known of things by their messages: which have sent one, when last, and what the newest of a group was.
package final class ThingActivity: Sendable {
    private struct State {
        var heard: [EntityID: Int64] = [:]
        var seen: [EntityID: Int64] = [:]
        var listening = Listening()
        var newest: [EntityID: Message] = [:]
    }

    /// Messages kept for trying things out on, one per group.
    private static let mostNewest = 10_000
    private static let largestNewest = 16 * 1024
    /// How many sightings are written at a time, and how many may wait for that. So noting them costs no more than a few hundred
    /// rows a second, however many things there are; what finds no room is noted with a later message.
    private static let (sightingsAtATime, mostSightings) = (500, 10_000)

    private let store: EventStore
    private let routes: RouteKeeper
    private let monotonic: @Sendable () -> Int64
    private let state = Mutex(State())

    /// - Parameter monotonic: nanoseconds on a clock that is never set.
    package init(store: EventStore, routes: RouteKeeper, monotonic: @escaping @Sendable () -> Int64) {
        self.store = store
        self.routes = routes
        self.monotonic = monotonic
    }

    /// The last message of a group that this instance has seen since it started.
    package func newestMessage(of group: EntityID) -> Message? {
        self.state.withLock { $0.newest[group] }
    }

    /// Writes down that these things were heard of for the first time, before their messages are acknowledged.
    func noteFirstMessages(of things: Set<EntityID>) async throws {
        try await self.store.noteFirstMessages(of: Array(things))
        self.routes.noteSent(things)
    }

    /// Writes down whether things are connected, and has webhooks told where that changed, before the messages that say it are
    /// acknowledged.
    func notePresence(_ told: [EntityID: PresenceTold]) async throws { try await self.store.notePresence(told) }

    func note(_ heard: [EntityID: Int64], newest: [EntityID: Message]) {
        guard !heard.isEmpty || !newest.isEmpty else { return }
        self.state.withLock { state in
            state.heard.merge(heard) { max($0, $1) }
            for (group, message) in newest where message.payload.count <= Self.largestNewest {
                if state.newest[group] == nil, state.newest.count >= Self.mostNewest { continue }
                state.newest[group] = message
            }
        }
    }

    /// Notes that these things were seen, once in a minute for each.
    ///
    /// - Parameters:
    ///   - seen: in milliseconds since 1970.
    ///   - minute: since 1970.
    func note(seen: [EntityID: Int64], in minute: UInt32) {
        guard !seen.isEmpty else { return }
        self.keep(seen)
        self.routes.noteSeen(Array(seen.keys), in: minute)
    }

    private func keep(_ seen: [EntityID: Int64]) {
        self.state.withLock { state in
            for (thing, time) in seen {
                if let known = state.seen[thing] {
                    state.seen[thing] = max(known, time)
                } else if state.seen.count < Self.mostSightings {
                    state.seen[thing] = time
                }
            }
        }
    }

    /// Messages are received from here on.
    func beginListening() {
        let now = self.monotonic()
        self.state.withLock { $0.listening.begin(at: now) }
    }

    func endListening() {
        self.state.withLock { $0.listening.end() }
    }

    /// Writes down who was heard of, and has webhooks told of silences that began and ended.
    func write() async throws {
        let heard = self.state.withLock { state in
            defer { state.heard = [:] }
            return state.heard
        }
        do {
            try await self.store.noteActivity(heard) { database in
                let now = self.monotonic()
                return self.state.withLock { $0.listening.look(monotonic: now, database: database) }
            }
        } catch {
            self.note(heard, newest: [:])
            throw error
        }
        try await self.writeSightings()
    }

    private func writeSightings() async throws {
        let seen = self.state.withLock { state in
            let part = Dictionary(
                uniqueKeysWithValues: state.seen.prefix(Self.sightingsAtATime).map { ($0.key, $0.value) })
            for thing in part.keys { state.seen[thing] = nil }
            return part
        }
        do { try await self.store.noteSightings(seen) } catch {
            self.keep(seen)
            throw error
        }
    }
}
