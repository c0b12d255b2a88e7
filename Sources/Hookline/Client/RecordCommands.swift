internal import ArgumentParser
internal import Domain
internal import Values

/// Which records are asked for.
struct RecordArguments: ParsableArguments {
    @Option(help: "The webhook, by name or id.", completion: Completions.names(of: .webhooks)) var webhook: String?
    @Option(help: "The thing, by name or id.", completion: Completions.names(of: .things)) var thing: String?
    @Option(help: "failed or waiting (deliveries); ok, failed, waiting, skipped, several with commas (log).")
    var status: String?
    @Option(help: "The oldest: how long ago, such as 15m, or a time such as 2026-01-31T12:00:00Z.") var since: String?
    @Option(help: "The time that all are before, in the same way.") var until: String?
    @Option(help: "The whole subtopic (messages).") var subtopic: String?
    @Option(help: "A part of the delivery's id, the url, the error or the payload (log).") var text: String?
    @Option(help: "How many there are to be at the most, up to 100000.") var limit: Int?

    private static let usualLimit = 100

    private var given: Set<RecordKind.Filter> {
        let values: [(RecordKind.Filter, String?)] = [
            (.webhook, self.webhook), (.thing, self.thing), (.status, self.status), (.since, self.since),
            (.until, self.until), (.subtopic, self.subtopic), (.text, self.text),
        ]
        return Set(values.filter { $0.1 != nil }.map(\.0))
    }

    func check(allowed: Set<RecordKind.Filter>, of kind: String) throws {
        if let strange = self.given.subtracting(allowed).map(\.rawValue).min() {
            throw ValidationError("--\(strange) does not go with \(kind).")
        }
        guard self.limit == nil || !allowed.isEmpty else { throw ValidationError("--limit does not go with \(kind).") }
        guard (1...100_000).contains(self.limit ?? 1) else { throw ValidationError("--limit must be 1 to 100000.") }
        _ = try (Self.time("--since", self.since), Self.time("--until", self.until))
    }

    static func time(_ option: String, _ text: String?) throws -> Instant? {
        guard let text else { return nil }
        guard let time = RecordQuery.time(text, before: WallClock.system.now) else {
            throw ValidationError("\(option) must be a time such as 30m, 24h, 7d or 2026-01-31T12:00:00Z.")
        }
        return time
    }

    func list(_ kind: RecordKind, _ client: ClientArguments, _ api: APIConnection) async throws -> [JSONFields] {
        var query = RecordQuery()
        query.status = self.status
        query.from = try Self.time("--since", self.since)
        query.to = try Self.time("--until", self.until)
        query.subtopic = self.subtopic
        query.text = self.text
        let path: String
        switch kind {
        case .deliveries:
            guard let webhook else { throw ValidationError("deliveries are a webhook's: name it by --webhook") }
            path = "/webhooks/\(try await client.id(of: webhook, .webhooks, api))/deliveries"
        case .messages:
            guard let thing else { throw ValidationError("messages are a thing's: name it by --thing") }
            path = "/things/\(try await client.id(of: thing, .things, api))/messages"
        case .log:
            path = try await client.logPath(webhook: self.webhook, thing: self.thing, api)
            if let thing { query.thing = try await client.id(of: thing, .things, api) }
        }
        return try await api.newest(path, kind.rawValue, query, most: self.limit ?? Self.usualLimit)
    }
}

extension ClientArguments {
    /// Of a webhook, or else of the group; of the thing's own, if it is named by its id and no group is.
    func logPath(webhook: String?, thing: String?, _ api: APIConnection) async throws -> String {
        if let webhook { return "/webhooks/\(try await self.id(of: webhook, .webhooks, api))/log" }
        if self.group == nil, let thing, EntityID(thing) != nil,
            case .object(let fields) = try await api.call("GET", "/things/\(thing)"),
            let group = fields.string("group_id")
        {
            return "/groups/\(group)/log"
        }
        return "/groups/\(try await self.groupID(api))/log"
    }
}

extension APIConnection {
    /// - Parameter id: such as `msg_1a2b3c_1`.
    func delivery(_ id: String) async throws -> JSONFields {
        guard let delivery = DeliveryID(id) else {
            throw ValidationError("\"\(id.printable)\" is no id of a delivery, such as msg_1a2b3c_1")
        }
        guard case .object(let fields) = try await self.call("GET", "/deliveries/\(delivery.text)") else {
            throw ClientProblem("the answer is no delivery")
        }
        return fields
    }

    /// - Parameters:
    ///   - id: its own, or that of a delivery of it.
    ///   - thing: whose it is, by name or id; nil if the delivery tells.
    func message(_ id: String, of thing: String?, _ client: ClientArguments) async throws -> JSONFields {
        let delivery = DeliveryID(id)
        guard let message = delivery?.message ?? Int64(id).map(MessageID.init) else {
            throw ValidationError("\"\(id.printable)\" is no id of a message or a delivery")
        }
        let owner: String
        if let thing {
            owner = try await client.id(of: thing, .things, self)
        } else {
            guard delivery != nil else { throw ValidationError("messages are a thing's: name it by --thing") }
            guard let known = try await self.delivery(id).string("thing_id") else {
                throw ClientProblem("the delivery does not say whose message it is: name the thing by --thing")
            }
            owner = known
        }
        // Its id says when it came.
        var query = RecordQuery()
        query.from = message.time
        query.to = message.time + .milliseconds(1)
        let found = try await self.newest("/things/\(owner)/messages", "messages", query, most: 100_000)
        guard let one = found.first(where: { $0.string("id") == String(message.rawValue) }) else {
            throw ClientProblem("the thing has no such message that is kept")
        }
        return one
    }

    /// Deliveries by the webhooks that they are to.
    func deliveries(_ ids: [String]) async throws -> [(webhook: String, ids: [String])] {
        var lists: [WebhookKey: [String]] = [:]
        for id in ids {
            guard let delivery = DeliveryID(id) else {
                throw ValidationError("\"\(id.printable)\" is no id of a delivery, such as msg_1a2b3c_1")
            }
            lists[delivery.webhook, default: []].append(delivery.text)
        }
        var found: [(String, [String])] = []
        for (_, list) in lists.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            guard let first = list.first, let webhook = try await self.delivery(first).string("webhook_id") else {
                throw ClientProblem("the answer is no delivery")
            }
            found.append((webhook, list))
        }
        return found
    }
}

struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Send deliveries again that have failed for good, and now what waits for a retry.",
        discussion:
            "By their ids, or all of a webhook that have failed since a time. `hookline resend` sends what succeeded.")

    @Argument(help: "Ids of deliveries, such as msg_1a2b3c_1.") var deliveries: [String] = []
    @Option(help: "The webhook, by name or id.", completion: Completions.names(of: .webhooks)) var webhook: String?
    @Option(help: "Those that failed then or later: how long ago, such as 24h, or a time.") var since: String?
    @OptionGroup var client: ClientArguments

    func validate() throws {
        let isRange = self.webhook != nil && self.since != nil
        guard self.deliveries.isEmpty ? isRange : self.webhook == nil && self.since == nil else {
            throw ValidationError("Name deliveries, or --webhook and --since.")
        }
        _ = try RecordArguments.time("--since", self.since)
    }

    func run() async throws {
        let api = try self.client.api.connection()
        var bodies: [(webhook: String, body: JSONFields)] = []
        if let webhook, let since = try RecordArguments.time("--since", self.since) {
            bodies = [(try await self.client.id(of: webhook, .webhooks, api), ["since": .integer(since.milliseconds)])]
        } else {
            bodies = try await api.deliveries(self.deliveries).map { webhook, ids in
                (webhook, ["delivery_ids": .array(ids.map(JSONValue.string))])
            }
        }
        var count: Int64 = 0
        for (webhook, body) in bodies {
            let answer = try await api.call("POST", "/webhooks/\(webhook)/replay", .object(body))
            if case .object(let fields) = answer { count += fields["replayed"]?.wholeNumber ?? 0 }
        }
        self.client.tell(.object(["replayed": .integer(count)]), "\(count) deliveries are sent again.")
        // Of those that were named none had failed or waits.
        if count == 0, !self.deliveries.isEmpty { throw ExitCode(1) }
    }
}

struct ResendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resend", abstract: "Send kept messages to a webhook once more, whatever became of them.",
        discussion: """
            By ids of deliveries, or all that came in of a time (--webhook, --since). Nothing is awaited: `hookline tail` shows what \
            becomes of them.
            """)

    @Argument(help: "Ids of deliveries, such as msg_1a2b3c_1.") var deliveries: [String] = []
    @Option(help: "The webhook, by name or id.", completion: Completions.names(of: .webhooks)) var webhook: String?
    @Option(help: "Those that came in then or later: how long ago, such as 24h, or a time.") var since: String?
    @Option(help: "The time that all came in before.") var until: String?
    @Option(help: "Those of this thing alone, by name or id.", completion: Completions.names(of: .things))
    var thing: String?
    @Option(help: "Those on subtopics like this filter alone.") var subtopic: String?
    @Option(help: "any, failed or succeeded.") var status: String?
    @Option(help: "Messages per second at the most.") var rate: Double?
    @Flag(help: "With ids that no request had before, so that a receiver takes them for new.") var newIds = false
    @Flag(help: "Only count them.") var dryRun = false
    @OptionGroup var client: ClientArguments

    func validate() throws {
        let isRange = self.webhook != nil && self.since != nil
        let range = [self.webhook, self.since, self.until, self.thing, self.subtopic, self.status]
        guard self.deliveries.isEmpty ? isRange : range.allSatisfy({ $0 == nil }) else {
            throw ValidationError("Name deliveries, or --webhook and --since.")
        }
        guard self.rate.map({ (0.01...10_000).contains($0) }) ?? true else {
            throw ValidationError("--rate must be 0.01 to 10000.")
        }
        _ = try (RecordArguments.time("--since", self.since), RecordArguments.time("--until", self.until))
    }

    func run() async throws {
        let api = try self.client.api.connection()
        var bodies: [(webhook: String, body: JSONFields)] = []
        if let webhook {
            var body: JSONFields = [:]
            if let since = try RecordArguments.time("--since", self.since) {
                body["from"] = .integer(since.milliseconds)
            }
            if let until = try RecordArguments.time("--until", self.until) { body["to"] = .integer(until.milliseconds) }
            if let thing { body["things"] = .array([.string(try await self.client.id(of: thing, .things, api))]) }
            if let subtopic { body["subtopics"] = .array([.string(subtopic)]) }
            if let status { body["status"] = .string(status) }
            bodies = [(try await self.client.id(of: webhook, .webhooks, api), body)]
        } else {
            bodies = try await api.deliveries(self.deliveries).map { webhook, ids in
                (webhook, ["delivery_ids": .array(ids.map(JSONValue.string))])
            }
        }
        var answers: [JSONFields] = []
        for (webhook, body) in bodies {
            var body = body
            if let rate { body["rate"] = .number(WrittenNumber(value: rate, text: "\(rate)")) }
            if self.newIds { body["ids"] = .string("new") }
            if self.dryRun { body["dry_run"] = .bool(true) }
            if case .object(let fields) = try await api.call("POST", "/webhooks/\(webhook)/resends", .object(body)) {
                answers.append(fields)
            }
        }
        self.client.tell(
            .array(answers.map(JSONValue.object)), answers.map(RecordText.whole).joined(separator: "\n\n"))
    }
}
