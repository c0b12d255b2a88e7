internal import ArgumentParser
internal import Domain
internal import Observability
internal import Values

struct TailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Follow the log of a group, a webhook or a thing: a line for each attempt. Ctrl-C ends it.",
        discussion: """
            Begins with the newest ten, or with all since --since. After a lost connection it goes on from where it was, and says \
            so once. -o json writes one object on each line.
            """)

    @Option(
        help: "The webhook, by name or id; all of the group otherwise.", completion: Completions.names(of: .webhooks))
    var webhook: String?
    @Option(help: "What was of this thing alone, by name or id.", completion: Completions.names(of: .things))
    var thing: String?
    @Flag(help: "What failed alone.") var failed = false
    @Flag(help: "With what was not sent because of conditions and the like.") var skipped = false
    @Option(help: "From then on: how long ago, such as 15m, or a time such as 2026-01-31T12:00:00Z.") var since: String?
    @OptionGroup var client: ClientArguments

    private static let interval: Duration = .seconds(2)
    private static let shownAtFirst = 10
    /// So many entries a look has that goes back as far as attempts take, and one that catches up.
    private static let mostLookedBack = 2_000
    private static let mostCaughtUp = 10_000
    /// Each of so many looks goes back.
    private static let looksBackEvery = 5

    func validate() throws {
        _ = try RecordArguments.time("--since", self.since)
    }

    func run() async throws {
        let api = try self.client.api.connection()
        let since = try RecordArguments.time("--since", self.since)
        let path = try await self.client.logPath(webhook: self.webhook, thing: self.thing, api)
        var query = RecordQuery()
        query.status =
            (self.failed ? ["failed"] : ["ok", "failed"]).joined(separator: ",") + (self.skipped ? ",skipped" : "")
        if let thing { query.thing = try await self.client.id(of: thing, .things, api) }
        var following = LogFollowing(from: since?.milliseconds ?? 0)
        var names = WebhookNames(api)
        do {
            let first = try await Self.look(
                &following, path, query, api, isBack: true, most: since == nil ? Self.mostLookedBack : Self.mostCaughtUp
            )
            try await self.write(since == nil ? first.new.suffix(Self.shownAtFirst) : first.new[...], &names)
            if first.isCut, since != nil { Self.tellCut() }
            var (looks, backoff, isLost) = (0, Backoff(first: .seconds(1), longest: .seconds(30)), false)
            while OutputPipe.isOpen {
                try await Task.sleep(for: isLost ? backoff.next() : Self.interval)
                do {
                    looks += 1
                    let next = try await Self.look(
                        &following, path, query, api, isBack: isLost || looks % Self.looksBackEvery == 0,
                        most: Self.mostCaughtUp)
                    if isLost { LineLogHandler.writeToStandardError("hookline: it answers again\n") }
                    (isLost, backoff) = (false, Backoff(first: .seconds(1), longest: .seconds(30)))
                    if next.isCut { Self.tellCut() }
                    try await self.write(next.new[...], &names)
                } catch let refusal as APIConnection.Refusal where Self.mayPass(refusal) {
                    following.abandon()
                    if !isLost { LineLogHandler.writeToStandardError("hookline: \(refusal); it is tried again\n") }
                    isLost = true
                }
            }
        } catch is OutputPipe.Closed {
            return
        }
    }

    /// Reads what is new, page by page, until nothing of a page is.
    ///
    /// - Parameter isBack: whether it goes on behind what is known, for attempts that took long.
    private static func look(
        _ following: inout LogFollowing, _ path: String, _ query: RecordQuery, _ api: APIConnection, isBack: Bool,
        most: Int
    ) async throws -> (new: [JSONFields], isCut: Bool) {
        // Of the whole log: what is followed may be seldom, and a look must not go back further and further for it.
        let newest = isBack ? try await Self.newest(path, api) : nil
        var query = query
        query.from = Instant(milliseconds: following.from)
        var (cursor, count, pages, isCut): (String?, Int, Int, Bool) = (nil, 0, 0, false)
        while true {
            let page = try await api.page(
                path + query.parameters(limit: APIConnection.largestPage, behind: cursor), "log")
            let hasNew = following.take(page.elements)
            count += page.elements.count
            pages += 1
            guard let next = page.next else { break }
            if hasNew, count >= most {
                isCut = true
                break
            }
            guard hasNew || (isBack && count < Self.mostLookedBack) else { break }
            // A page may be short or empty, and go on.
            guard pages < most / APIConnection.largestPage else { break }
            if following.from == 0, following.hasLookedBack { break }
            cursor = next
        }
        let new = following.finish(isCut: isCut)
        if let newest { following.advance(toNewest: newest) }
        return (new, isCut)
    }

    /// When the newest attempt of a log began; nil if there is none.
    private static func newest(_ path: String, _ api: APIConnection) async throws -> Int64? {
        var query = RecordQuery()
        query.status = "ok,failed,skipped"
        return try await api.page(path + query.parameters(limit: 1), "log").elements.first?["date"]?.wholeNumber
    }

    private static func mayPass(_ refusal: APIConnection.Refusal) -> Bool {
        refusal.status == 0 || refusal.status == 429 || refusal.status >= 500 || refusal.status == 200
    }

    private static func tellCut() {
        LineLogHandler.writeToStandardError(
            "hookline: there are more than can be followed; older entries are left out\n")
    }

    private func write(_ entries: ArraySlice<JSONFields>, _ names: inout WebhookNames) async throws {
        guard !entries.isEmpty else { return }
        if self.client.output == .table { await names.learn(entries.compactMap { $0.string("webhook_id") }) }
        for entry in entries {
            let line =
                self.client.output == .json
                ? JSONValue.object(entry).text
                : RecordText.line(entry, webhook: entry.string("webhook_id").flatMap { names[$0] })
            try OutputPipe.write(line + "\n")
        }
    }
}

/// What webhooks are called, asked for when they are met first.
private struct WebhookNames {
    private let api: APIConnection
    private var names: [String: String] = [:]

    private static let most = 10_000
    /// As many as the API takes at a time.
    private static let atOnce = 100

    init(_ api: APIConnection) {
        self.api = api
    }

    /// nil if it is not known, and its id is as good.
    subscript(_ id: String) -> String? { self.names[id] }

    mutating func learn(_ ids: [String]) async {
        if self.names.count > Self.most { self.names = [:] }
        let unknown = Set(ids).subtracting(self.names.keys).sorted()
        for start in stride(from: 0, to: unknown.count, by: Self.atOnce) {
            let some = unknown[start..<min(start + Self.atOnce, unknown.count)]
            do {
                let path = "/webhooks?limit=\(Self.atOnce)&ids=\(some.joined(separator: ","))"
                for webhook in try await self.api.page(path, "webhooks").elements {
                    if let id = webhook.string("id") { self.names[id] = webhook.string("name") }
                }
            } catch {
                // The lines have ids instead, until it answers.
                return
            }
        }
    }
}
