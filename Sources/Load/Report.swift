/// What one run measured.
struct Report: Sendable {
    let options: LoadCommand
    var counts = Tally.Counts()
    var expected = 0
    /// Seconds.
    var cpu = 0.0
    var postgresCPU = 0.0
    /// MiB, the most there was.
    var memory = 0.0
    var idleMemory = 0.0
    var written = WrittenBytes()
    /// Another group's, with ``LoadCommand/rate``.
    var healthyBeside: Tally.Counts?
    /// With ``LoadCommand/outage``.
    var outageMemory = 0.0
    var healthyDuringOutage: Tally.Counts?
    var healthyDuringDrain: Tally.Counts?

    init(options: LoadCommand) {
        self.options = options
    }

    var text: String {
        // What goes to the group beside costs as much for each.
        let deliveries = self.counts.unique + (self.healthyBeside?.latencies.count ?? 0)
        let thousands = Double(max(1, deliveries)) / 1_000
        var lines = [
            "\(self.options.messages) messages of \(self.options.size) bytes to \(self.options.fanOut) webhooks each",
            "  delivered      \(self.counts.unique) of \(self.expected), \(self.counts.duplicates) twice, "
                + "\(self.counts.outOfOrder) out of order",
        ]
        if self.healthyDuringDrain != nil {
            let rate = Double(self.counts.unique) / max(0.001, self.counts.receivingSeconds)
            lines.append("  drained at     \(rounded(rate)) deliveries/s")
        } else {
            lines += [
                "  throughput     \(rounded(Double(self.counts.unique) / max(0.001, self.counts.seconds))) deliveries/s",
                "  latency        \(Self.latencies(self.counts))",
            ]
            if self.options.latency > 0 {
                lines.append(
                    "  after 5 s      \(rounded(self.counts.settledRate)) deliveries/s, to receivers that take "
                        + "\(self.options.latency) ms")
            }
        }
        lines += [
            "  CPU per 1,000  \(rounded(self.cpu * 1_000 / thousands, 1)) ms, "
                + "PostgreSQL \(rounded(self.postgresCPU * 1_000 / thousands, 1)) ms",
            "  bytes of each  \(rounded(Double(self.written.wal) / thousands / 1_000)) of write-ahead log, "
                + "\(rounded(Double(self.written.log) / thousands / 1_000)) of the log with its indexes",
            "  memory         \(rounded(self.memory, 1)) MiB at the most, \(rounded(self.idleMemory, 1)) idle",
        ]
        if let healthyDuringOutage, let healthyDuringDrain {
            lines += [
                "  waiting        \(rounded(self.outageMemory, 1)) MiB with \(self.expected) waiting",
                "  another group  \(Self.latencies(healthyDuringOutage)), while they wait",
                "                 \(Self.latencies(healthyDuringDrain)), while they go out",
            ]
        }
        if let healthyBeside {
            lines.append("  another group  \(Self.latencies(healthyBeside)), \(healthyBeside.latencies.count) messages")
        }
        return lines.joined(separator: "\n")
    }

    static func latencies(_ counts: Tally.Counts) -> String {
        let values = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1)]
        return values.map { "\($0.0) \(rounded(counts.percentile($0.1), 2))" }.joined(separator: ", ") + " ms"
    }
}

/// With so many decimals.
func rounded(_ value: Double, _ decimals: Int = 0) -> String {
    var factor = 1.0
    for _ in 0..<decimals { factor *= 10 }
    let text = "\((value * factor).rounded() / factor)"
    return decimals == 0 ? String(text.prefix { $0 != "." }) : text
}
