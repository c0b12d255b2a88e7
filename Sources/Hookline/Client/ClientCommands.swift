internal import ArgumentParser
internal import Domain

extension ResourceKind: ExpressibleByArgument {
    package init?(argument: String) { self.init(naming: argument) }
}

/// Which installation is asked, and how the answer is written.
struct ClientArguments: ParsableArguments {
    @OptionGroup var api: APIArguments

    @Option(
        help: "The group, by name or id; not needed where there is only one.",
        completion: Completions.names(of: .groups))
    var group: String?

    @Option(name: [.customShort("o"), .customLong("output")], help: "table, or json for programs.")
    var output = OutputFormat.table

    /// Writes what was found or done. Whoever has it says it both ways, so that `--output` holds of all.
    ///
    /// - Parameter text: for people.
    func tell(_ answer: JSONValue, _ text: @autoclosure () -> String) {
        print(self.output == .json ? answer.text : text())
    }

    // MARK: Names

    /// The path of the list that one of this kind is in.
    func listPath(of kind: ResourceKind, _ api: APIConnection) async throws -> String {
        if kind == .groups { return "/groups" }
        if kind == .webhooks, self.group == nil { return "/webhooks" }
        return "/groups/\(try await self.groupID(api))/\(kind.rawValue)"
    }

    func groupID(_ api: APIConnection) async throws -> String {
        if let group {
            if EntityID(group) != nil { return group }
            return try NamedChoice.id(
                of: group, .groups, among: Self.named(try await api.list(.groups, at: "/groups", name: group)))
        }
        let groups = Self.named(try await api.list(.groups, at: "/groups"))
        guard let only = groups.first, groups.count == 1 else {
            throw ClientProblem(
                groups.isEmpty ? "there is no group" : "there are \(groups.count) groups: name one by --group")
        }
        return only.id
    }

    /// - Parameter name: a name, or an id.
    func id(of name: String, _ kind: ResourceKind, _ api: APIConnection) async throws -> String {
        if EntityID(name) != nil { return name }
        let found = try await api.list(kind, at: try await self.listPath(of: kind, api), name: name)
        return try NamedChoice.id(of: name, kind, among: Self.named(found))
    }

    static func named(_ objects: [JSONFields]) -> [(id: String, name: String)] {
        objects.compactMap { object in
            guard case .string(let id)? = object["id"], case .string(let name)? = object["name"] else { return nil }
            return (id, name)
        }
    }
}

/// What `get` lists.
enum ListedKind: ExpressibleByArgument {
    case resources(ResourceKind)
    case records(RecordKind)

    static let names = ResourceKind.allCases.map(\.rawValue) + RecordKind.allCases.map(\.rawValue)
    static var allValueStrings: [String] { Self.names }

    init?(argument: String) {
        if let kind = ResourceKind(naming: argument) {
            self = .resources(kind)
        } else if let kind = RecordKind(rawValue: argument) {
            self = .records(kind)
        } else {
            return nil
        }
    }
}

struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "List what there is of an installation, or deliveries, a log or messages.",
        discussion: """
            groups, things, profiles, webhooks and sources by name; deliveries of a webhook that failed or wait (--webhook, \
            --status); the log of a group or a webhook (--webhook, --thing, --status, --since, --until, --text); kept messages of a thing \
            (--thing, --since, --until, --subtopic). Records come with the newest first, up to --limit.
            """)

    @Argument(help: "What to list.", completion: .list(ListedKind.names)) var kind: ListedKind
    @OptionGroup var records: RecordArguments
    @OptionGroup var client: ClientArguments

    func validate() throws {
        switch self.kind {
        case .resources(let kind): try self.records.check(allowed: [], of: kind.rawValue)
        case .records(let kind): try self.records.check(allowed: kind.filters, of: kind.rawValue)
        }
    }

    func run() async throws {
        let api = try self.client.api.connection()
        switch self.kind {
        case .resources(let kind):
            let found = try await api.list(kind, at: try await self.client.listPath(of: kind, api))
            self.client.tell(.array(found.map { .object($0) }), ClientText.table(found, columns: kind.columns))
        case .records(let kind):
            let found = try await self.records.list(kind, self.client, api)
            self.client.tell(.array(found.map { .object($0) }), RecordText.table(found, of: kind))
        }
    }
}

/// Which one is meant, and where.
struct NamedArguments: ParsableArguments {
    @Argument(help: "What it is.", completion: .list(ResourceKind.allCases.map(\.one))) var kind: ResourceKind
    @Argument(help: "Its name or id.", completion: Completions.named) var name: String
    @OptionGroup var client: ClientArguments

    func find() async throws -> (id: String, path: String, api: APIConnection) {
        let api = try self.client.api.connection()
        let id = try await self.client.id(of: self.name, self.kind, api)
        return (id, "/\(self.kind.rawValue)/\(id)", api)
    }
}

/// What `describe` shows.
enum DescribedKind: ExpressibleByArgument {
    case resource(ResourceKind)
    case delivery, message

    static let names = ResourceKind.allCases.map(\.one) + ["delivery", "message"]
    static var allValueStrings: [String] { Self.names }

    init?(argument: String) {
        switch argument {
        case "delivery", "deliveries": self = .delivery
        case "message", "messages": self = .message
        default:
            guard let kind = ResourceKind(naming: argument) else { return nil }
            self = .resource(kind)
        }
    }
}

struct DescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract: "Show all there is of one thing, webhook or the like, of a delivery or a message.",
        discussion: "A message is named by its id and --thing, or by the id of a delivery of it.")

    @Argument(help: "What it is.", completion: .list(DescribedKind.names)) var kind: DescribedKind
    @Argument(help: "Its name or id.", completion: Completions.named) var name: String
    @Option(help: "Whose message it is, by name or id.", completion: Completions.names(of: .things)) var thing: String?
    @OptionGroup var client: ClientArguments

    func validate() throws {
        if case .message = self.kind { return }
        guard self.thing == nil else { throw ValidationError("--thing goes with messages alone.") }
    }

    func run() async throws {
        let api = try self.client.api.connection()
        switch self.kind {
        case .resource(let kind):
            let id = try await self.client.id(of: self.name, kind, api)
            guard case .object(let found) = try await api.call("GET", "/\(kind.rawValue)/\(id)") else {
                throw ClientProblem("the answer is no \(kind.one)")
            }
            self.client.tell(.object(found), ClientText.fields(found))
        case .delivery:
            let found = try await api.delivery(self.name)
            self.client.tell(.object(found), RecordText.whole(found))
        case .message:
            let found = try await api.message(self.name, of: self.thing, self.client)
            self.client.tell(.object(found), RecordText.whole(found))
        }
    }
}

struct DeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Remove one, for good.",
        discussion: "It is not asked again; name it by its id if you are not sure which it is.")

    @OptionGroup var named: NamedArguments

    func run() async throws {
        let (id, path, api) = try await self.named.find()
        try await api.call("DELETE", path)
        self.named.client.tell(
            .object(["kind": .string(self.named.kind.one), "id": .string(id), "removed": .bool(true)]),
            "\(self.named.kind.one) \(id) is removed.")
    }
}

/// What `enable` and `disable` have in common.
private func setStatus(_ status: String, of name: String, _ client: ClientArguments) async throws {
    let api = try client.api.connection()
    let id = try await client.id(of: name, .webhooks, api)
    try await api.call(
        "PUT", "/webhooks/status",
        .object(["webhook_ids": .array([.string(id)]), "status": .string(status)]))
    client.tell(.object(["id": .string(id), "status": .string(status)]), "webhook \(id) is \(status).")
}

struct EnableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Let a webhook be called; what waits for a retry is sent now.")

    @Argument(help: "Its name or id.", completion: Completions.names(of: .webhooks)) var webhook: String
    @OptionGroup var client: ClientArguments

    func run() async throws { try await setStatus("ENABLED", of: self.webhook, self.client) }
}

struct DisableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "disable", abstract: "Let a webhook not be called.")

    @Argument(help: "Its name or id.", completion: Completions.names(of: .webhooks)) var webhook: String
    @OptionGroup var client: ClientArguments

    func run() async throws { try await setStatus("DISABLED", of: self.webhook, self.client) }
}

struct TestCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "test", abstract: "Call a webhook to try it out, and show each step with the answer.",
        discussion: "Ends with 0 if it succeeded, with 1 if it did not.")

    @Argument(help: "Its name or id.", completion: Completions.names(of: .webhooks)) var webhook: String
    @Flag(help: "Render the request and send nothing.") var dryRun = false
    @OptionGroup var client: ClientArguments

    func run() async throws {
        let api = try self.client.api.connection()
        let id = try await self.client.id(of: self.webhook, .webhooks, api)
        let report = try await api.call("POST", "/webhooks/\(id)/test", .object(["dry_run": .bool(self.dryRun)]))
        guard case .object(let fields) = report else { throw ClientProblem("the answer is no report") }
        self.client.tell(report, Self.text(of: fields))
        guard fields["success"] == .bool(true) else { throw ExitCode(1) }
    }

    private static func text(of report: JSONFields) -> String {
        var lines: [String] = []
        if case .array(let steps)? = report["steps"] {
            for case .object(let step) in steps {
                let mark = step["ok"] == .bool(true) ? "ok" : "no"
                let texts = ["name", "detail", "error"].compactMap { field -> String? in
                    guard case .string(let text)? = step[field] else { return nil }
                    return text.printable
                }
                lines.append("\(mark)  \(texts.joined(separator: "  "))")
            }
        }
        var rest = report
        rest["steps"] = nil
        lines.append(ClientText.fields(rest))
        return lines.joined(separator: "\n")
    }
}
