package import Domain
package import Logging
internal import Observability
package import Queue
package import Registry
internal import ServiceLifecycle

/// Raises what has lasted for as long as it has to, without any message that says so.
package struct AlarmClock: Service {
    private let store: AlarmStore
    private let routes: RouteKeeper
    private let lanes: LanePort
    private let ids: MessageIDGenerator
    private let wallClock: WallClock
    private let logger: Logger

    private static let interval: Duration = .milliseconds(500)

    package init(
        store: AlarmStore, routes: RouteKeeper, lanes: LanePort, ids: MessageIDGenerator, wallClock: WallClock,
        logger: Logger
    ) {
        self.store = store
        self.routes = routes
        self.lanes = lanes
        self.ids = ids
        self.wallClock = wallClock
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await Periodic(
                every: Self.interval, orSay: "alarms that are due are not raised; trying again", logger: self.logger
            )
            .run { while try await self.turn() {} }
        }
    }

    /// - Returns: whether there may be more.
    package func turn() async throws -> Bool {
        let (webhooks, isPartial) = try await self.store.takeDue(now: self.wallClock.now) { self.fate(of: $0) }
        if !webhooks.isEmpty { self.lanes.noteWaiting(webhooks) }
        return isPartial
    }

    private func fate(of due: DueAlarm) -> DueAlarm.Fate {
        let (webhook, route) = self.routes.withRoutes {
            ($0.webhook(due.subject.webhook), $0.resolve(due.subject.thing))
        }
        // One that was made a moment ago is known here a moment later, and what cannot be read may be some day.
        guard let webhook, let route, webhook.fault == nil else { return .later }
        guard let conditions = webhook.conditions, let edge = conditions.edge, conditions.mark == due.mark,
            route.webhooks.contains(where: { $0.key == webhook.key })
        else { return .none }
        let message = Message(
            id: self.ids.next(1)[0], thing: due.subject.thing, group: due.group, subtopic: due.subtopic,
            contentType: due.contentType, payload: due.payload, traceparent: due.traceparent, isKept: false,
            receivedNanoseconds: nil, decoder: route.profile.decoder?.chosen(for: due.subtopic),
            properties: due.properties)
        return .active(message, webhook, crossing: edge.due(due.alarm, as: message.id).crossing)
    }
}
