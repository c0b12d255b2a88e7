internal import ArgumentParser
internal import Domain
internal import Queue
internal import Registry
internal import Values

struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send deliveries of a webhook again that had failed for good, and now what waits for a retry.",
        discussion: """
            The same as POST /webhooks/{id}/replay, by the database (POSTGRES_URL). The running instances send them; this \
            shows how far they are until all are done or have failed again. What waits for a retry is sent now, too. Ctrl-C ends \
            the watching alone.
            """)

    @Argument(help: "The webhook's id.")
    var webhook: String

    @Option(help: "Those that failed then or later: how long ago, such as 24h, or a time such as 2026-01-31T12:00:00Z.")
    var since: String

    @Flag(inversion: .prefixedNo, help: "Watch until they are done.")
    var wait = true

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        guard let id = EntityID(self.webhook) else { throw ValidationError("The webhook's id must be a UUID.") }
        let clock = WallClock.system
        guard let since = self.start(before: clock.now) else {
            throw ValidationError("--since must be a time such as 30m, 24h, 7d or 2026-01-31T12:00:00Z.")
        }
        let reader = try await SettingsReader(arguments: self.settings.arguments)
        let connected = try CommandDatabase(reader, of: "replay")
        defer { connected.close() }
        let database = connected.database
        let webhooks = WebhookStore(database, box: SecretBox(key: nil))
        guard let webhook = try await webhooks.standing(of: id) else {
            throw CannotReplay("There is no webhook \(id).")
        }
        if let obstacle = Self.obstacle(webhook.status, webhook.reason) {
            throw CannotReplay("\(obstacle) Nothing is sent to it; enable it first. What has failed stays listed.")
        }
        let store = ReplayStore(database)
        let now = clock.microseconds()
        let bar = ProgressBar()
        let replayed = try await bar.ticking {
            bar.show("choosing", 0, of: 0)
            return try await store.replay(.failedSince(since), of: webhook.key, now: now)
        }
        print("\(grouped(Int64(replayed.again))) deliveries are sent again.")
        if replayed.sooner > 0 { print("\(grouped(Int64(replayed.sooner))) that waited for a retry are sent now.") }
        let count = Int64(replayed.again)
        guard self.wait, count > 0 else { return }
        let failed = try await bar.ticking {
            try await Self.watch(store, id, webhooks, from: now, of: count, bar)
        }
        print("\(grouped(count - failed)) succeeded, \(grouped(failed)) have failed again.")
        if failed > 0 { throw ExitCode(1) }
    }

    /// Why nothing is sent to a webhook; nil if it is.
    private static func obstacle(_ status: WebhookStatus, _ reason: String?) -> String? {
        status == .enabled ? nil : "The webhook is \(status.rawValue)\(reason.map { " (\($0))" } ?? "")."
    }

    /// Ends the command with 1 and this message.
    private struct CannotReplay: Error, CustomStringConvertible {
        let description: String

        init(_ description: String) { self.description = description }
    }

    private func start(before now: Instant) -> Instant? {
        if let ago = Duration(text: self.since) { return now - ago }
        return Instant(rfc3339: self.since)
    }

    /// - Returns: how many failed again.
    private static func watch(
        _ store: ReplayStore, _ id: EntityID, _ webhooks: WebhookStore, from now: Int64, of count: Int64,
        _ bar: ProgressBar
    ) async throws -> Int64 {
        while true {
            guard let webhook = try await webhooks.standing(of: id) else {
                throw CannotReplay("The webhook was removed, with what waited for it.")
            }
            let start = ContinuousClock.now
            let rest = try await store.rest(of: webhook.key, replayedAt: now)
            let took = start.duration(to: .now)
            bar.show("sending", count - rest.waiting, of: count)
            if rest.waiting == 0 { return rest.failed }
            if let obstacle = Self.obstacle(webhook.status, webhook.reason) {
                throw CannotReplay("\(obstacle) \(grouped(rest.waiting)) deliveries wait until it is enabled again.")
            }
            // However much is counted, it takes a twentieth of the time at the most.
            try await Task.sleep(for: max(.seconds(1), took * 20))
        }
    }
}
