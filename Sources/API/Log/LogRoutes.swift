internal import Domain
internal import Hummingbird
internal import Journal
internal import Registry
internal import Schema
internal import Values

/// The log of what became of deliveries, and counts of it.
struct LogRoutes: Sendable {
    let webhooks: WebhookRoutes
    let store: LogStore
    let stats: StatsStore
    let wallClock: WallClock
    let exports: Exports

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("webhooks/:id/log") { request, context in
            let (webhook, role) = try await self.webhooks.find(context, needing: .viewer)
            let address = WebhookAddress(
                id: webhook.id, url: webhook.url, isOrgs: webhook.definition != nil)
            return try await self.list(
                request, of: [try await self.webhooks.key(of: webhook): address], in: webhook.group,
                copyOf: webhook.definition, seenBy: role, context.caller())
        }
        routes.get("groups/:id/log") { request, context in
            let group = try context.id(of: "group")
            let role = try await self.webhooks.access.requireGroup(.viewer, group, for: context.caller())
            return try await self.list(
                request, of: try await self.webhooks.webhooks.addresses(in: group), in: group, seenBy: role,
                context.caller())
        }
        routes.get("webhooks/:id/stats") { request, context in
            let (webhook, _) = try await self.webhooks.find(context, needing: .viewer)
            return try await self.count(request, of: .webhook(try await self.webhooks.key(of: webhook)))
        }
        routes.get("groups/:id/stats") { request, context in
            let group = try context.id(of: "group")
            try await self.webhooks.access.requireGroup(.viewer, group, for: context.caller())
            return try await self.count(request, of: .group(group))
        }
        routes.get("deliveries/:id") { try await self.show($0, $1) }
    }

    // MARK: Log

    private func list(
        _ request: Request, of webhooks: [WebhookKey: WebhookAddress], in group: EntityID,
        copyOf definition: EntityID? = nil, seenBy role: Role, _ caller: Caller
    ) async throws -> Response {
        let query = try Self.query(request)
        // What is hidden is not told by its order either.
        guard query.order != .url || role >= .editor else {
            throw APIError(
                status: .forbidden, message: "order url needs the role editor in the group", field: "order")
        }
        guard query.order != .url || !webhooks.values.contains(where: \.isOrgs) else {
            throw APIError(
                status: .forbidden, message: "order url does not go where a webhook of the organization is",
                field: "order")
        }
        if let format = try request.exportFormat() {
            return try self.export(
                query, of: webhooks, in: group, copyOf: definition, as: format, to: caller, seenBy: role)
        }
        let furthest = LogStore.furthestOffset(of: webhooks.count)
        guard query.start.offset <= furthest else {
            throw InvalidField("offset", "must be at most \(furthest) for so many webhooks; cursor goes on from there")
        }
        let page =
            if let text = request.text("text"), !text.isEmpty {
                try await self.find(text, query, of: webhooks, seenBy: role)
            } else { try await self.store.list(query, of: Array(webhooks.keys)) }
        let names = try await self.webhooks.thingNames(of: page.items, in: group)
        return try Response.json(
            PageDTO(
                "log", page, from: query.start, limit: query.limit, order: query.order.rawValue,
                dir: query.isAscending ? "asc" : "desc"
            ) { LogEntryDTO($0, webhooks[$0.delivery.webhook], names, seenBy: role) })
    }

    /// How many entries one call looks through.
    private static let mostLooked = 5_000
    /// And for how long at the most, so that what was found, or how far it came, is told before the database's time for it is over.
    private static let longestLook = Duration.seconds(4)
    private static let longestText = 200

    /// What has a text in what the caller sees of it, or in the payload of a message that is there. A page has what is found
    /// among the entries that are looked through, and says where the next goes on, however few that is.
    private func find(
        _ text: String, _ query: LogQuery, of webhooks: [WebhookKey: WebhookAddress], seenBy role: Role
    ) async throws -> Page<LogEntry> {
        guard text.unicodeScalars.count <= Self.longestText else {
            throw InvalidField("text", "must be at most \(Self.longestText) characters long")
        }
        guard query.order == .date, !query.isAscending, query.start.offset == 0 else {
            throw InvalidField("order", "must be date, dir desc and cursor in place of offset where text is given")
        }
        var (query, looked) = (query, 0)
        let end = ContinuousClock.now + Self.longestLook
        let position = query.start.position
        while true {
            let page = try await self.store.list(query, of: Array(webhooks.keys))
            looked += max(1, page.items.count)
            let payloads = try await self.store.deliveries(of: page.items, having: text)
            let found = page.items.filter { entry in
                let shown = LogEntryDTO(entry, webhooks[entry.delivery.webhook], seenBy: role)
                return payloads.contains(entry.delivery)
                    || [shown.trigger_id, shown.url, shown.error].contains { $0?.contains(text) == true }
            }
            guard found.isEmpty, let next = page.next, looked < Self.mostLooked, ContinuousClock.now < end else {
                return Page(
                    total: position + Int64(found.count), isCapped: page.next != nil, items: found, next: page.next)
            }
            query.start = PageStart(next)
        }
    }

    private func export(
        _ query: LogQuery, of webhooks: [WebhookKey: WebhookAddress], in group: EntityID,
        copyOf definition: EntityID?, as format: ExportFormat, to caller: Caller, seenBy role: Role
    ) throws -> Response {
        guard query.order == .date, !query.isAscending else {
            throw InvalidField("order", "must be date, and dir desc, where format is given")
        }
        return try self.exports.response(as: format, of: group, copyOf: definition, to: caller) { start in
            var query = query
            (query.start, query.limit) = (start, PageRequest.highestLimit)
            let page = try await self.store.list(query, of: Array(webhooks.keys))
            let names = try await self.webhooks.thingNames(of: page.items, in: group)
            return (page.items.map { LogEntryDTO($0, webhooks[$0.delivery.webhook], names, seenBy: role) }, page.next)
        }
    }

    static func query(_ request: Request) throws -> LogQuery {
        var query = LogQuery()
        if let text = request.uri.queryParameters.get("status"), !text.isEmpty {
            query.statuses = []
            for name in text.split(separator: ",") {
                guard let status = LogEntry.Status(rawValue: name.uppercased()) else {
                    let all = LogEntry.Status.allCases.map(\.rawValue).joined(separator: ", ")
                    throw InvalidField("status", "must be one or more of \(all), parted by commas")
                }
                query.statuses.insert(status)
            }
        }
        query.from = try request.time("from")
        query.to = try request.time("to")
        query.thing = try request.queryID("thing")
        query.order = try request.choice("order") ?? .date
        let direction: PageRequest.Direction? = try request.choice("dir")
        query.isAscending = direction == .ascending
        query.limit = try request.limit()
        query.start = try request.pageStart(
            order: query.orderName, key: LogQuery.keyParts, offsets: 0...LogStore.window)
        return query
    }

    // MARK: Stats

    private static let mostSpans = 3_000

    private func count(_ request: Request, of owner: StatsOwner) async throws -> Response {
        let period: StatsPeriod = try request.choice("by") ?? .hour
        let to = try request.time("to") ?? self.wallClock.now + .milliseconds(1)
        let from = try request.time("from") ?? to - period.length * 60
        guard from < to, to - from <= period.length * Self.mostSpans else {
            throw InvalidField("from", "must lie before to, by at most \(Self.mostSpans) times the period")
        }
        let stats = try await self.stats.read(of: owner, by: period, from: from, to: to)
        return try Response.json(StatsDTO(stats, by: period, from: from, to: to))
    }

    // MARK: Deliveries

    private func show(_ request: Request, _ context: APIContext) async throws -> Response {
        guard let id = DeliveryID(context.parameters.get("id") ?? "") else {
            throw APIError.badRequest("the delivery id in the path must be one such as msg_1a2b3c_1")
        }
        guard let (target, group) = try await self.webhooks.webhooks.target(of: id.webhook) else {
            throw APIError.notFound("delivery")
        }
        let definition = try await self.webhooks.webhooks.definitions(of: [target.id])[target.id]
        var role = try await self.webhooks.access.require(
            .viewer, in: group, copyOf: definition, for: context.caller(), seeking: "delivery")
        // What the org's webhook sends is not the group's to see.
        if definition != nil { role = .viewer }
        guard let history = try await self.store.history(of: id) else { throw APIError.notFound("delivery") }
        var subjects = Set(history.sent.filter(\.hasThing).map { target.subject(of: $0) })
        if let thing = history.thing { subjects.insert(ThingFacts.Subject(thing, in: group)) }
        let facts = try await self.webhooks.webhooks.facts(of: subjects, max(.names, target.extent))
        return try Response.json(DeliveryHistoryDTO(history, of: target, facts: facts, seenBy: role))
    }
}

extension WebhookRoutes {
    /// What the things of these entries are called, by their ids, as the group has or had them: no more are read than a page has.
    func thingNames(of entries: [LogEntry], in group: EntityID) async throws -> [EntityID: String] {
        let subjects = Set(entries.compactMap(\.thing).map { ThingFacts.Subject($0, in: group) })
        guard !subjects.isEmpty else { return [:] }
        return try await self.webhooks.facts(of: subjects, .names).reduce(into: [:]) { names, known in
            names[known.key.thing] = known.value.name
        }
    }
}
