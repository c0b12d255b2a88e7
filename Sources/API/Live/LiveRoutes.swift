internal import Domain
internal import Hummingbird
internal import Journal
internal import NIOCore
internal import Observability
internal import Registry
internal import Schema
internal import Values

/// What happens, while it happens: a group's counts, and a thing's messages.
struct LiveRoutes: Sendable {
    let access: Access
    let overviews: OverviewStore
    let stats: StatsStore
    let tail: ThingTailing
    let wallClock: WallClock
    /// One for all who look at a group: the last hour, and what there is now.
    private let readings = SharedReading<EntityID, GroupReading>(lifetime: Self.interval)
    private let overviewPlaces = StreamPlaces(most: 200, ofAUser: 8)
    private let tailPlaces = StreamPlaces(most: 32, ofAUser: 8)

    /// As often as the counts are written.
    private static let interval: Duration = .seconds(2)

    init(
        access: Access, overviews: OverviewStore, stats: StatsStore,
        tail: @escaping ThingTailing, wallClock: WallClock
    ) {
        self.access = access
        self.overviews = overviews
        self.stats = stats
        self.tail = tail
        self.wallClock = wallClock
    }

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("groups/:id/live") { request, context in
            let (group, caller) = (try context.id(of: "group"), try context.caller())
            try await self.access.requireGroup(.viewer, group, for: caller)
            let end = try request.end(from: self.wallClock.now, for: caller)
            return EventStream.response(in: try self.overviewPlaces.take(for: caller.account)) { events in
                try await self.showGroup(group, to: caller, until: end, &events)
            }
        }
        routes.get("things/:id/live") { request, context in
            let caller = try context.caller()
            let thing = try await self.access.thing(context, needing: .viewer)
            let end = try request.end(from: self.wallClock.now, for: caller)
            return EventStream.response(in: try self.tailPlaces.take(for: caller.account)) { events in
                try await self.showMessages(of: thing, to: caller, until: end, &events)
            }
        }
    }

    /// Whether the caller may look on still; roles change, and keys end.
    private func mayLook(_ caller: Caller, at group: EntityID) async throws -> Bool {
        try await self.access.stillHas(.viewer, in: group, caller)
    }

    // MARK: A group

    private func showGroup(
        _ group: EntityID, to caller: Caller, until end: Instant, _ events: inout EventWriter
    ) async throws {
        // First the last hour, then what may have changed since.
        var from = self.wallClock.now - .seconds(3_600)
        while self.wallClock.now < end {
            let now = self.wallClock.now
            do {
                guard try await self.mayLook(caller, at: group) else { return }
                let reading = try await self.readings.value(of: group) { try await self.read(group) }
                let start = from.rounded(downTo: StatsPeriod.minute.length)
                try await events.send(
                    "overview",
                    OverviewDTO(reading.overview, reading.spans.filter { $0.start >= start }, at: reading.at))
                from = now - StatsPeriod.minute.length
            } catch let error where DatabaseAvailability.mayPass(error) {
                try await events.send("unavailable", UnavailableDTO(error: "the database is not available"))
            }
            try await events.pause(for: Self.interval)
        }
    }

    private func read(_ group: EntityID) async throws -> GroupReading {
        let now = self.wallClock.now
        let from = (now - .seconds(3_600)).rounded(downTo: StatsPeriod.minute.length)
        return GroupReading(
            at: now, overview: try await self.overviews.overview(of: group),
            spans: try await self.stats.read(of: .group(group), by: .minute, from: from, to: now + .milliseconds(1))
                .spans)
    }

    // MARK: A thing

    private func showMessages(
        of thing: ThingRecord, to caller: Caller, until end: Instant, _ events: inout EventWriter
    ) async throws {
        try await events.comment("connecting")
        var (lastLook, isListening) = (self.wallClock.now, false)
        do {
            try await self.tail(thing.id) { batch in
                let now = self.wallClock.now
                guard now < end else { return false }
                let isDue = now - lastLook > Self.interval
                if isDue { lastLook = now }
                do {
                    // What is about to be shown may be another group's by now, whatever the caller is in the one that the thing was in.
                    if isDue || !batch.messages.isEmpty {
                        guard try await self.access.things.find(thing.id)?.group == thing.group else { return false }
                    }
                    if isDue {
                        guard try await self.mayLook(caller, at: thing.group) else { return false }
                    }
                } catch let error where DatabaseAvailability.mayPass(error) {
                    // Nobody knows whose it is, so it is not shown.
                    isListening = false
                    try await events.send("unavailable", UnavailableDTO(error: "the database is not available"))
                    return true
                }
                if !isListening { try await events.send("listening", "{}") }
                isListening = true
                if batch.messages.isEmpty, batch.dropped == 0 {
                    try await events.comment("waiting")
                } else {
                    try await events.send("messages", TailDTO(batch))
                }
                return true
            }
        } catch let error as TailUnavailable {
            try await events.send("unavailable", UnavailableDTO(error: error.reason))
        }
    }
}

private struct GroupReading: Sendable {
    let at: Instant
    let overview: GroupOverview
    let spans: [WebhookStats.Span]
}

struct UnavailableDTO: Encodable {
    let error: String
}

struct OverviewDTO: Encodable {
    let at: Int64
    /// Each may be followed by whether there are more.
    let webhooks: Int64
    let webhooks_is_capped: Bool?
    let things: Int64
    let things_is_capped: Bool?
    let waiting: Int64
    let waiting_is_capped: Bool?
    let failing_total: Int64
    let failing: [FailingDTO]
    /// Minutes in which anything happened: at first those of the last hour, then the last two.
    let spans: [StatsDTO.SpanDTO]

    struct FailingDTO: Encodable {
        let webhook_id: String
        let name: String
        let status: String
        let status_reason: String?
        let consecutive_failures: Int
        let last_status: Int?
    }

    init(_ overview: GroupOverview, _ spans: [WebhookStats.Span], at now: Instant) {
        self.at = now.milliseconds
        func mark(_ count: CappedCount) -> Bool? { count.isCapped ? true : nil }
        self.webhooks = overview.webhooks.count
        self.webhooks_is_capped = mark(overview.webhooks)
        self.things = overview.things.count
        self.things_is_capped = mark(overview.things)
        self.waiting = overview.waiting.count
        self.waiting_is_capped = mark(overview.waiting)
        self.failing_total = overview.failingCount
        self.failing = overview.failing.map { failing in
            FailingDTO(
                webhook_id: failing.id.description, name: failing.name, status: failing.status.rawValue,
                status_reason: failing.reason, consecutive_failures: failing.consecutiveFailures,
                last_status: failing.lastStatus)
        }
        self.spans = spans.map(StatsDTO.SpanDTO.init)
    }
}

struct TailDTO: Encodable {
    let messages: [MessageDTO]
    /// Messages that came too fast to be shown.
    let dropped: Int

    struct MessageDTO: Encodable {
        let at: Int64
        let subtopic: String
        let bytes: Int
        let payload: BodyDTO
    }

    init(_ batch: TailBatch) {
        self.dropped = batch.dropped
        self.messages = batch.messages.map { message in
            MessageDTO(
                at: message.at.milliseconds, subtopic: message.subtopic, bytes: message.bytes,
                payload: BodyDTO(message.payload))
        }
    }
}
