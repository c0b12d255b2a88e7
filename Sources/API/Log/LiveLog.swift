internal import Domain
internal import Hummingbird
internal import Journal
internal import Observability
internal import Registry
internal import Schema
internal import Values

/// The newest of a log while it grows.
///
/// It is read once for all who look at the same log, whatever they choose of it, like the counts of a group.
struct LiveLog: Sendable {
    private enum Subject: Hashable, Sendable { case group(EntityID), webhook(EntityID) }

    private struct Reading: Sendable {
        var entries: [LogEntry] = []
        var webhooks: [WebhookKey: WebhookAddress] = [:]
        var things: [EntityID: String] = [:]
    }

    /// What tells one state of an entry from another.
    private struct Mark: Equatable {
        let delivery: DeliveryID
        let status: LogEntry.Status
        let attempt: Int
        let dueAt: Instant?
    }

    private let webhooks: WebhookRoutes
    private let store: LogStore
    private let wallClock: WallClock
    private let readings = SharedReading<Subject, Reading>(lifetime: Self.interval)
    private let places = StreamPlaces(most: 200, ofAUser: 8)

    /// How many entries a reading has.
    private static let most: Int64 = 100
    private static let interval: Duration = .seconds(2)

    init(webhooks: WebhookRoutes, store: LogStore, wallClock: WallClock) {
        self.webhooks = webhooks
        self.store = store
        self.wallClock = wallClock
    }

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("groups/:id/log/live") { request, context in
            let group = try context.id(of: "group")
            let role = try await self.webhooks.access.requireGroup(.viewer, group, for: context.caller())
            return try self.response(to: request, of: .group(group), in: group, seenBy: role, context.caller())
        }
        routes.get("webhooks/:id/log/live") { request, context in
            let (webhook, role) = try await self.webhooks.find(context, needing: .viewer)
            let own =
                webhook.definition == nil
                ? role
                : try await self.webhooks.access.require(
                    .viewer, in: webhook.group, copyOf: webhook.definition, for: context.caller(),
                    seeking: "webhook")
            return try self.response(
                to: request, of: .webhook(webhook.id), in: webhook.group, copyOf: webhook.definition, seenBy: own,
                context.caller())
        }
    }

    private func response(
        to request: Request, of subject: Subject, in group: EntityID, copyOf definition: EntityID? = nil,
        seenBy role: Role, _ caller: Caller
    ) throws -> Response {
        let query = try LogRoutes.query(request)
        let end = try request.end(from: self.wallClock.now, for: caller)
        return EventStream.response(in: try self.places.take(for: caller.account)) { events in
            var told: [Mark]?
            // Who has another role by now sees other things, and connects again.
            while self.wallClock.now < end, try await self.stillHas(role, in: group, definition, caller) {
                do {
                    let reading = try await self.readings.value(of: subject) { try await self.read(subject) }
                    let shown = reading.entries.filter { query.takes($0) }
                    let marks = shown.map {
                        Mark(delivery: $0.delivery, status: $0.status, attempt: $0.attempt, dueAt: $0.dueAt)
                    }
                    if marks == told {
                        try await events.comment("nothing new")
                    } else {
                        try await events.send(
                            "log",
                            LiveLogDTO(
                                since: Self.since(reading.entries),
                                log: shown.map {
                                    LogEntryDTO(
                                        $0, reading.webhooks[$0.delivery.webhook], reading.things, seenBy: role)
                                })
                        )
                        told = marks
                    }
                } catch let error where DatabaseAvailability.mayPass(error) {
                    try await events.send("unavailable", UnavailableDTO(error: "the database is not available"))
                }
                try await events.pause(for: Self.interval)
            }
        }
    }

    /// As far as that can be asked: who looks on looks on through an outage.
    private func stillHas(
        _ role: Role, in group: EntityID, _ definition: EntityID?, _ caller: Caller
    ) async throws -> Bool {
        do {
            return try await self.webhooks.access.stillHas(role, in: group, copyOf: definition, caller)
        } catch let error where DatabaseAvailability.mayPass(error) {
            return true
        }
    }

    /// The time from which all there is is in the reading.
    private static func since(_ entries: [LogEntry]) -> Int64 {
        guard entries.count >= Self.most, let oldest = entries.last else { return 0 }
        return oldest.at.milliseconds + 1
    }

    private func read(_ subject: Subject) async throws -> Reading {
        var reading = Reading()
        let group: EntityID
        switch subject {
        case .group(let id):
            group = id
            reading.webhooks = try await self.webhooks.webhooks.addresses(in: id)
        case .webhook(let id):
            guard let webhook = try await self.webhooks.webhooks.find(id),
                let key = try await self.webhooks.webhooks.key(of: id)
            else { return reading }
            group = webhook.group
            reading.webhooks = [key: WebhookAddress(id: id, url: webhook.url, isOrgs: webhook.definition != nil)]
        }
        var query = LogQuery()
        query.statuses = Set(LogEntry.Status.allCases)
        query.limit = Self.most
        reading.entries = try await self.store.list(query, of: Array(reading.webhooks.keys)).items
        reading.things = try await self.webhooks.thingNames(of: reading.entries, in: group)
        return reading
    }
}

extension LogQuery {
    /// Whether an entry is of those that it asks for, whenever it was.
    fileprivate func takes(_ entry: LogEntry) -> Bool {
        self.statuses.contains(entry.status) && (self.thing == nil || self.thing == entry.thing)
    }
}

struct LiveLogDTO: Encodable {
    /// What there is from this time on is all here; milliseconds since 1970.
    let since: Int64
    let log: [LogEntryDTO]
}
