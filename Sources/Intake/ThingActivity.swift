package import Domain
package import Queue
package import Registry
internal import Synchronization

/// What is known of things by their messages: which have sent one, when last, and what the newest of a group was.
package final class ThingActivity: Sendable {
    private struct State {
        var heard: [EntityID: Int64] = [:]
        var listeningSince: Int64?
        var newest: [EntityID: Message] = [:]
    }

    /// Messages kept for trying things out on, one per group.
    private static let mostNewest = 10_000
    private static let largestNewest = 16 * 1024

    private let store: EventStore
    private let routes: RouteKeeper
    private let state = Mutex(State())

    package init(store: EventStore, routes: RouteKeeper) {
        self.store = store
        self.routes = routes
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

    /// - Parameter since: milliseconds since 1970; nil while nothing is received.
    func listening(since: Int64?) {
        self.state.withLock { $0.listeningSince = since }
    }

    /// Writes down who was heard of, and has webhooks told of silences that began and ended.
    ///
    /// - Parameter now: milliseconds since 1970.
    func write(now: Int64) async throws {
        let (heard, since) = self.state.withLock { state in
            defer { state.heard = [:] }
            return (state.heard, state.listeningSince)
        }
        do {
            try await self.store.noteActivity(heard, listeningSince: since ?? now, now: now)
        } catch {
            self.note(heard, newest: [:])
            throw error
        }
    }
}
