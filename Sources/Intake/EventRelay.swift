package import Domain
package import Journal
package import Logging
package import Observability
package import Queue
package import Registry
internal import ServiceLifecycle

/// Makes deliveries of what happens to things and members: takes the events that the database notes with each change,
/// and commits them as messages for the webhooks that they fire.
package struct EventRelay: Service {
    private let store: EventStore
    private let activity: ThingActivity
    private let routes: RouteKeeper
    private let lanes: LanePort
    private let ids: MessageIDGenerator
    private let wallClock: WallClock
    private let metrics: Metrics
    private let tally: WebhookTally
    private let logger: Logger

    private static let interval: Duration = .milliseconds(250)
    private static let activityInterval: Duration = .seconds(2)

    package init(
        store: EventStore, activity: ThingActivity, routes: RouteKeeper, lanes: LanePort,
        ids: MessageIDGenerator, wallClock: WallClock, metrics: Metrics, tally: WebhookTally, logger: Logger
    ) {
        self.store = store
        self.activity = activity
        self.routes = routes
        self.lanes = lanes
        self.ids = ids
        self.wallClock = wallClock
        self.metrics = metrics
        self.tally = tally
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    await self.periodic(Self.interval, "events are not relayed; trying again")
                        .run { while try await self.relay() {} }
                }
                group.addTask {
                    await self.periodic(Self.activityInterval, "silences are not noticed; trying again")
                        .run { try await self.activity.write() }
                }
            }
        }
    }

    private func periodic(_ interval: Duration, _ problem: String) -> Periodic {
        Periodic(every: interval, orSay: problem, logger: self.logger)
    }

    /// - Returns: whether there may be more.
    private func relay() async throws -> Bool {
        let (webhooks, isPartial) = try await self.store.relay(now: self.wallClock.now) { self.plan($0) }
        if !webhooks.isEmpty { self.lanes.noteWaiting(webhooks) }
        return isPartial
    }

    private func plan(_ events: [EventRecord]) -> EventPlan {
        var plan = EventPlan()
        for event in events {
            let targets = self.routes.withRoutes { routes in event.webhooks.map { routes.webhook($0) } }
            // One that was made a moment ago is known here a moment later.
            guard !targets.contains(where: { $0 == nil }) else { continue }
            plan.settled.append(event.number)
            let message = Message(
                id: event.message ?? self.ids.next(1)[0], thing: event.thing ?? Message.noThing, group: event.group,
                subtopic: "", contentType: ProfileConfig.defaultContentType, payload: Self.payload(of: event),
                traceparent: nil, isKept: false, receivedNanoseconds: nil, event: event.kind)
            let traits = targets.contains { $0?.choosesThings == true } ? event.traits : ThingTraits()
            let wanting = targets.compactMap(\.self).filter { self.isWanted(message, traits, by: $0) }
            guard !wanting.isEmpty else { continue }
            self.metrics.events.add()
            plan.messages.append(message)
            plan.deliveries += wanting.map { Delivery(message: message, webhook: $0) }
        }
        return plan
    }

    private func isWanted(_ message: Message, _ traits: ThingTraits, by webhook: WebhookTarget) -> Bool {
        guard webhook.filter.admits(thing: message.thing, traits, subtopic: "") else { return false }
        guard let conditions = webhook.conditions else { return true }
        var budget = EvaluationBudget()
        let payload = PayloadIndex(of: message, paths: PathSet(conditions.paths))
        let outcome = conditions.evaluate(payload, budget: &budget)
        guard let reason = outcome.skip else { return true }
        self.metrics.skipped.add()
        if outcome.isTooCostly { self.metrics.tooCostly.add() }
        self.tally.skipped([
            Skip(
                delivery: DeliveryID(message: message.id, webhook: webhook.key), group: message.group,
                thing: message.thing,
                reason: reason, at: self.wallClock.now)
        ])
        return false
    }

    /// `{"type", "at", "group_id", "thing_id"?, …}`, and what the kind of event adds.
    private static func payload(of event: EventRecord) -> [UInt8] {
        guard !event.isPayload else { return Array(event.details.utf8) }
        var text = #"{"type":"\#(event.kind.rawValue)","at":\#(event.at),"group_id":"\#(event.group)""#
        if let thing = event.thing { text += #","thing_id":"\#(thing)""# }
        let details = event.details.drop { $0 != "{" }.dropFirst()
        text += details.first == "}" ? "}" : "," + details
        return Array(text.utf8)
    }
}

extension EventRecord {
    /// What it tells of its thing, which may be gone.
    fileprivate var traits: ThingTraits {
        guard !self.isPayload, let details = RawJSON(Array(self.details.utf8)) else { return ThingTraits() }
        return ThingTraits(
            profile: details.member("profile_id")?.string.flatMap { EntityID($0) },
            marks: ThingMarks(
                externalID: details.member("external_id")?.string,
                labels: details.member("labels")?.elements.compactMap(\.string) ?? []))
    }
}
