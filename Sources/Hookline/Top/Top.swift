internal import ArgumentParser
internal import Domain
internal import Glibc
internal import Journal
internal import Observability
internal import Postgres
internal import Values

struct Top: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what the running instances do, live: rates, lanes, what waits, errors. Ctrl-C ends it.",
        discussion: """
            Rates come from the metrics of the instance on this machine (HTTP_HOST, HTTP_PORT, METRICS_PORT), or of those \
            named by --instance, added up. The webhooks come from the database (POSTGRES_URL), if that is set.
            """)

    @Option(
        help: ArgumentHelp(
            "An instance to ask; give it several times for several.", valueName: "host:port"))
    var instance: [InstanceAddress] = []

    @Option(help: "How often to look, such as 2s.")
    var interval = "2s"

    @Option(help: "End after this many screens.")
    var count: Int?

    @OptionGroup var settings: SettingsArguments

    /// More than any screen shows, and enough to sort by rates.
    private static let mostWebhooks: Int64 = 500

    func run() async throws {
        guard let interval = Duration(text: self.interval), interval >= .milliseconds(100), interval <= .tenYears else {
            throw ValidationError("--interval must be a time of at least 100ms, such as 2s.")
        }
        let reader = try await SettingsReader(arguments: self.settings.arguments)
        let instances =
            self.instance.isEmpty ? [try InstanceAddress(reader, answersMetrics: true)] : self.instance
        let connected = try reader.secret("postgres.url").map { _ in try CommandDatabase(reader, of: "top") }
        defer { connected?.close() }
        let store = connected.map { WebhookActivityStore($0.database) }
        // The more webhooks there are, the longer it takes to count what waits for them, and the less often it is done.
        let readings = SharedReading<Int, WebhookReading>(lifetime: .zero)
        let title = "hookline \(Release.version)  \(instances.map(\.description).joined(separator: " "))"
        var before = try await Self.sample(instances, store)
        var earlier = before.webhooks
        var shown = 0
        while self.count.map({ shown < $0 }) ?? true {
            try await Task.sleep(for: interval)
            let now = try await Self.sample(instances, store, readings)
            if now.webhooks?.at != before.webhooks?.at { earlier = before.webhooks }
            let view = TopView(now, since: before, webhooksSince: earlier)
            Screen().show { width, height in
                view.lines(
                    title: "\(title)  \(WallClock.system.now.text)", width: width, height: height)
            }
            before = now
            shown += 1
        }
        if !before.unreachable.isEmpty { throw ExitCode(1) }
    }

    private static func sample(
        _ instances: [InstanceAddress], _ store: WebhookActivityStore?,
        _ readings: SharedReading<Int, WebhookReading>? = nil
    ) async throws -> TopSample {
        var metrics = MetricsSample()
        var unreachable: [String] = []
        for instance in instances {
            do {
                let answer = try await instance.get("/metrics")
                if answer.status == 200 {
                    metrics.add(answer.body)
                } else {
                    unreachable.append("\(instance): answered \(answer.status)")
                }
            } catch {
                unreachable.append("\(instance): \(error)")
            }
        }
        var webhooks: WebhookReading?
        do {
            if let store {
                let read = { @Sendable () async throws -> WebhookReading in
                    WebhookReading(webhooks: try await store.active(limit: Self.mostWebhooks), at: Self.seconds)
                }
                // The first connects, which says nothing of how long the others take.
                if let readings {
                    webhooks = try await readings.value(of: 0, read: read)
                } else {
                    webhooks = try await read()
                }
            }
        } catch let error as PostgresError {
            // It may come back, and to see that is what this is for.
            unreachable.append("the database: \(error.message)")
            webhooks = WebhookReading(webhooks: [], at: Self.seconds)
        }
        return TopSample(at: Self.seconds, metrics: metrics, unreachable: unreachable, webhooks: webhooks)
    }

    private static var seconds: Double {
        let time = ContinuousClock.now - Self.begun
        return Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
    }

    private static let begun = ContinuousClock.now
}

/// Standard output as a screen that is written over; if it is no terminal, as a text that goes on.
struct Screen {
    private let isTerminal = isatty(STDOUT_FILENO) == 1

    /// - Parameter lines: given the width and height there are.
    func show(_ lines: (Int, Int) -> [String]) {
        guard self.isTerminal else {
            return printNow(lines(.max, .max).joined(separator: "\n") + "\n")
        }
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 && size.ws_row > 1
        let text = lines(isKnown ? Int(size.ws_col) : 120, isKnown ? Int(size.ws_row) - 1 : 40)
        // Home, then each line and the rest of it, then the rest of the screen: nothing flickers.
        printNow("\u{1B}[H" + text.map { "\($0)\u{1B}[K" }.joined(separator: "\n") + "\n\u{1B}[J")
    }
}
