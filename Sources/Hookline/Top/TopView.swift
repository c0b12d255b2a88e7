internal import Domain
internal import Journal
internal import Values

/// What is seen at one time.
struct TopSample: Sendable {
    /// In seconds, of a clock that does not jump.
    let at: Double
    let metrics: MetricsSample
    /// Instances that did not answer, and why.
    let unreachable: [String]
    /// nil if there is no database to ask. The same as before if it is too early to ask again.
    let webhooks: WebhookReading?
}

/// What the database says of the webhooks at one time.
struct WebhookReading: Sendable {
    let webhooks: [WebhookActivity]
    /// As in ``TopSample``.
    let at: Double
}

/// The screen, made of two samples.
struct TopView {
    private let now: TopSample
    private let before: TopSample
    private let earlier: WebhookReading?
    private let seconds: Double

    /// - Parameter earlier: the reading of the webhooks before that of `now`, which may be older than `before`.
    init(_ now: TopSample, since before: TopSample, webhooksSince earlier: WebhookReading?) {
        self.now = now
        self.before = before
        self.earlier = earlier
        self.seconds = max(0.001, now.at - before.at)
    }

    /// - Parameters:
    ///   - title: the first line.
    ///   - width: characters of a line.
    ///   - height: lines in all.
    func lines(title: String, width: Int, height: Int) -> [String] {
        var lines = [title] + self.now.unreachable.map { "not reachable: \($0)" }
        lines += self.summary.flatMap { Self.folded($0, width) }
        let table = Columns(width: width)
        if let reading = self.now.webhooks {
            lines += ["", table.row("WEBHOOK", "TO", "STATUS", ["OK/S", "FAILED/S", "WAITING", "LAST", "IN A ROW"])]
            let rows = self.rows(reading, table)
            let room = max(1, height - lines.count - 1)
            lines += rows.prefix(room)
            if rows.count > room { lines.append("… and \(rows.count - room) more") }
            if rows.isEmpty { lines.append("Nothing happened within the last minute, and nothing waits.") }
        } else {
            lines += ["", "POSTGRES_URL is not set: the webhooks are not shown."]
        }
        return lines.map { String($0.prefix(width)) }
    }

    private func rate(_ name: String) -> Double {
        max(0, self.now.metrics[name] - self.before.metrics[name]) / self.seconds
    }

    /// The rates of a counter's labels that grow, the fastest first.
    private func reasons(_ name: String) -> String {
        let before = self.before.metrics.labelled(name)
        let growing = self.now.metrics.labelled(name).map { ($0, ($1 - (before[$0] ?? 0)) / self.seconds) }
            .filter { $0.1 > 0 }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
        return growing.isEmpty ? "" : "  (" + growing.map { "\($0) \(Self.number($1))/s" }.joined(separator: ", ") + ")"
    }

    private func total(_ name: String) -> Double {
        self.now.metrics.labelled(name).values.reduce(0, +) - self.before.metrics.labelled(name).values.reduce(0, +)
    }

    private func time(_ part: Double, _ histogram: String) -> String {
        self.now.metrics.quantile(part, of: histogram, since: self.before.metrics).map { seconds in
            seconds.isInfinite ? "long" : "≤ \(Self.number(seconds * 1_000)) ms"
        } ?? "-"
    }

    private var summary: [String] {
        let metrics = self.now.metrics
        let refused = self.total("messages_refused_total") / self.seconds
        let errors = self.total("attempts_failed_total") / self.seconds
        return [
            "messages    in \(Self.number(self.rate("messages_accepted_total")))/s"
                + "   refused \(Self.number(refused))/s\(self.reasons("messages_refused_total"))"
                + "   unrouted \(Self.number(self.rate("messages_unrouted_total")))/s",
            "deliveries  ok \(Self.number(self.rate("deliveries_succeeded_total")))/s"
                + "   skipped \(Self.number(self.rate("deliveries_skipped_total")))/s"
                + "   given up \(Self.number(self.rate("deliveries_failed_total")))/s",
            "errors      \(Self.number(errors))/s\(self.reasons("attempts_failed_total"))",
            "time        delivery p50 \(self.time(0.5, "delivery_seconds")) p99 \(self.time(0.99, "delivery_seconds"))"
                + "   attempt p99 \(self.time(0.99, "attempt_seconds"))"
                + "   commit p99 \(self.time(0.99, "intake_commit_seconds"))",
            "now         lanes \(Self.number(metrics["lanes"]))   in memory \(Self.number(metrics["deliveries_in_memory"]))"
                + "   in flight \(Self.number(metrics["attempts_in_flight"]))"
                + "   breakers open \(Self.number(metrics["breakers_open"]))"
                + "   waiting \(Self.number(metrics["deliveries_waiting"]))"
                + "   failed \(Self.number(metrics["deliveries_failed"]))"
                + "   brokers connected \(Self.number(metrics["broker_connected"]))",
        ]
    }

    /// The busiest first, then those with most waiting.
    private func rows(_ reading: WebhookReading, _ table: Columns) -> [String] {
        let earlier = Dictionary((self.earlier?.webhooks ?? []).map { ($0.id, $0) }) { first, _ in first }
        let seconds = max(0.001, reading.at - (self.earlier?.at ?? 0))
        let rated = reading.webhooks.map { webhook in
            let before = earlier[webhook.id] ?? webhook
            return (
                webhook: webhook, ok: Double(webhook.succeeded.subtracting(before.succeeded)) / seconds,
                failed: Double(webhook.failed.subtracting(before.failed)) / seconds
            )
        }
        let sorted = rated.sorted {
            ($0.ok + $0.failed, $0.webhook.waiting.count, $1.webhook.id) > (
                $1.ok + $1.failed, $1.webhook.waiting.count, $0.webhook.id
            )
        }
        return sorted.map { webhook, ok, failed in
            // A screen is seen by more than one.
            table.row(
                webhook.name, ShownURL.origin(webhook.url.text),
                webhook.status == .disabledDueToErrors ? table.disabledByErrors : webhook.status.rawValue,
                [
                    Self.number(ok), Self.number(failed),
                    Self.number(Double(webhook.waiting.count)) + (webhook.waiting.isCapped ? "+" : ""),
                    webhook.lastStatus.map(String.init) ?? "-", Self.number(Double(webhook.consecutiveFailures)),
                ])
        }
    }

    /// A line of parts as several, each no longer than may be as far as its parts allow; the later ones begin below the first's.
    private static func folded(_ line: String, _ width: Int) -> [String] {
        var lines: [String] = []
        let parts = [line.prefix(12)] + line.dropFirst(12).split(separator: "   ")
        for part in [parts[0] + (parts.dropFirst().first ?? "")] + parts.dropFirst(2) {
            if let last = lines.last, last.count + 3 + part.count <= width {
                lines[lines.count - 1] = "\(last)   \(part)"
            } else {
                lines.append(lines.isEmpty ? String(part) : String(repeating: " ", count: 12) + part)
            }
        }
        return lines
    }

    /// How wide the table's columns are. Where there is little room the numbers stay, and the address goes.
    private struct Columns {
        private let name: Int
        private let target: Int
        private let status: Int
        private let number: Int
        let disabledByErrors: String

        init(width: Int) {
            let isNarrow = width < 126
            (self.target, self.status, self.number) = isNarrow ? (0, 10, 8) : (32, 17, 9)
            self.name = isNarrow ? max(12, width - (1 + self.status) - 5 * (1 + self.number)) : 24
            self.disabledByErrors = isNarrow ? "ERRORS" : "DISABLED (ERRORS)"
        }

        func row(_ name: String, _ target: String, _ status: String, _ numbers: [String]) -> String {
            TopView.left(name, self.name) + (self.target > 0 ? " " + TopView.left(target, self.target) : "")
                + " " + TopView.left(status, self.status)
                + numbers.map { " " + TopView.right($0, self.number) }.joined()
        }
    }

    private static func left(_ text: String, _ width: Int) -> String {
        text.count > width
            ? text.prefix(width - 1) + "…" : text + String(repeating: " ", count: width - text.count)
    }

    private static func right(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    /// Whole from ten on, one digit below.
    static func number(_ value: Double) -> String {
        guard value < 10, value != value.rounded() else { return grouped(Int64(saturating: value.rounded())) }
        let tenths = Int64(saturating: (value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
