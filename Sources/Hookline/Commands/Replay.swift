internal import ArgumentParser
internal import Domain
internal import Queue
internal import Registry

struct Replay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send deliveries of a webhook again that had failed for good.",
        discussion: """
            The same as POST /webhooks/{id}/replay, by the database (POSTGRES_URL). The running instances send them; this \
            shows how far they are until all are done or have failed again. Ctrl-C ends the watching alone.
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
        guard let since = self.start(before: clock.milliseconds) else {
            throw ValidationError("--since must be a time such as 30m, 24h, 7d or 2026-01-31T12:00:00Z.")
        }
        let reader = try await SettingsReader(arguments: self.settings.arguments)
        let connected = try CommandDatabase(reader)
        defer { connected.close() }
        let database = connected.database
        guard let key = try await WebhookStore(database, box: SecretBox(key: nil)).key(of: id) else {
            throw ValidationError("There is no webhook \(id).")
        }
        let store = ReplayStore(database)
        let now = clock.microseconds()
        let bar = ProgressBar()
        let count = try await bar.ticking {
            bar.show("choosing", 0, of: 0)
            return try await store.replay(.failedSince(since), of: key, now: now)
        }
        print("\(grouped(Int64(count))) deliveries are sent again.")
        guard self.wait, count > 0 else { return }
        let failed = try await bar.ticking { try await Self.watch(store, key, from: now, of: Int64(count), bar) }
        print("\(grouped(Int64(count) - failed)) succeeded, \(grouped(failed)) have failed again.")
        if failed > 0 { throw ExitCode(1) }
    }

    private func start(before now: Int64) -> Int64? {
        if let ago = Duration(text: self.since) { return now - ago.milliseconds }
        return RFC3339.milliseconds(self.since)
    }

    /// - Returns: how many failed again.
    private static func watch(
        _ store: ReplayStore, _ key: WebhookKey, from now: Int64, of count: Int64, _ bar: ProgressBar
    ) async throws -> Int64 {
        while true {
            let rest = try await store.rest(of: key, replayedAt: now)
            bar.show("sending", count - rest.waiting, of: count)
            if rest.waiting == 0 { return rest.failed }
            try await Task.sleep(for: .seconds(1))
        }
    }
}
