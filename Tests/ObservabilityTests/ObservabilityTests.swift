import Glibc
import Logging
import Observability
import Synchronization
import Testing

@Suite("Metrics")
struct MetricsTests {
    @Test("are told in Prometheus's text format")
    func text() {
        let metrics = Metrics()
        metrics.accepted.add(3)
        metrics.refused.add(.unknownThing, 2)
        metrics.attemptTime.record(microseconds: 700)
        metrics.attemptTime.record(microseconds: 99_000_000)
        metrics.register(gauge: "hookline_extra", help: "An extra.") { 7 }
        let lines = metrics.prometheusText().split(separator: "\n").map(String.init)
        #expect(lines.contains("hookline_messages_accepted_total 3"))
        #expect(lines.contains("hookline_messages_refused_total{reason=\"unknown_thing\"} 2"))
        #expect(lines.contains("hookline_messages_refused_total{reason=\"topic\"} 0"))
        #expect(lines.contains("hookline_attempt_seconds_bucket{le=\"0.0005\"} 0"))
        #expect(lines.contains("hookline_attempt_seconds_bucket{le=\"0.001\"} 1"))
        #expect(lines.contains("hookline_attempt_seconds_bucket{le=\"30.0\"} 1"))
        #expect(lines.contains("hookline_attempt_seconds_bucket{le=\"+Inf\"} 2"))
        #expect(lines.contains("hookline_attempt_seconds_count 2"))
        #expect(lines.contains("hookline_extra 7"))
        let samples = lines.filter { !$0.hasPrefix("#") }.map { $0.split(separator: " ")[0] }
        #expect(Set(samples).count == samples.count, "each sample once")
    }

    @Test("may have labels of any text")
    func labels() {
        let metrics = Metrics()
        metrics.register {
            [
                MetricFamily(
                    .summary, "hookline_x", "Any.", labels: ["a", "b"],
                    [
                        .init(2.5, ["say \"no\"\n", #"\"#], suffix: "_sum"), .init(3, ["", "é"], suffix: "_count"),
                        // A quote that is joined to what is before and behind it is one all the same.
                        .init(4, ["\u{0D4E}\"\u{301}", ""], suffix: "_count"),
                    ])
            ]
        }
        let text = metrics.prometheusText()
        #expect(
            text.hasSuffix(
                ##"""
                # HELP hookline_x Any.
                # TYPE hookline_x summary
                hookline_x_sum{a="say \"no\"\n",b="\\"} 2.5
                hookline_x_count{a="",b="é"} 3
                hookline_x_count{a="\##u{0D4E}\"\##u{301}",b=""} 4

                """##))
    }

    @Test("tell of the process what the system knows")
    func process() throws {
        let metrics = Metrics()
        metrics.register { ProcessMetrics.read() }
        let lines = metrics.prometheusText().split(separator: "\n")
        func value(_ name: String) throws -> Double {
            let line = try #require(lines.first { $0.hasPrefix(name + " ") }, "\(name)")
            return try #require(Double(line.dropFirst(name.count + 1)))
        }
        #expect(try value("process_cpu_seconds_total") > 0)
        #expect(try value("process_resident_memory_bytes") > 1_000_000)
        #expect(try value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"))
        #expect(try value("process_open_fds") >= 3)
        #expect(try value("process_max_fds") >= value("process_open_fds"))
        #expect(try value("process_start_time_seconds") > 1_700_000_000)
    }
}

/// Collects lines.
private final class Lines: Sendable {
    let all = Mutex<[String]>([])
    func logger(_ format: LogFormat) -> Logger {
        Logger(label: "test") { label in
            LineLogHandler(label: label, level: .info, format: format) { line in self.all.withLock { $0.append(line) } }
        }
    }
    var lines: [String] { self.all.withLock { $0 } }
}

@Suite("The log")
struct LogTests {
    @Test("is one JSON object per line, whatever the values hold")
    func json() throws {
        let lines = Lines()
        lines.logger(.json).warning("a \"b\"\n", metadata: ["key": "x\r\ny\u{1}\\"])
        let line = try #require(lines.lines.first)
        #expect(line.hasSuffix("}\n"))
        #expect(line.contains(#""level":"warning""#))
        #expect(line.contains(#""message":"a \"b\"\n""#))
        #expect(line.contains(#""key":"x\r\ny\u0001\\""#))
        #expect(line.dropLast().allSatisfy { !$0.isNewline })
    }

    @Test("has no sign that ends a line or that a terminal obeys", arguments: [LogFormat.json, .text])
    func controls(_ format: LogFormat) throws {
        let lines = Lines()
        lines.logger(format).warning("a", metadata: ["key": "x\u{9B}2J\u{2028}\u{7F}y\u{0D4E}\"z"])
        let line = try #require(lines.lines.first)
        #expect(line.contains(#""x\u009b2J\u2028\u007fy\#u{0D4E}\"z""#), "\(line)")
    }

    @Test("leaves out what is below its level")
    func level() {
        let lines = Lines()
        let logger = lines.logger(.text)
        logger.debug("no")
        logger.info("yes", metadata: ["a": "b"])
        #expect(lines.lines.count == 1)
        #expect(lines.lines[0].hasSuffix("INFO     yes a=\"b\"\n"))
    }

    /// What is in a pipe at this moment.
    private func drain(_ descriptor: Int32) -> String {
        var text: [UInt8] = []
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while poll(&entry, 1, 0) > 0 {
            var piece = [UInt8](repeating: 0, count: 4_096)
            let count = read(descriptor, &piece, piece.count)
            guard count > 0 else { break }
            text += piece.prefix(count)
        }
        return String(decoding: text, as: UTF8.self)
    }

    @Test("keeps nobody waiting for a pipe that is not read, and says what was left out", .timeLimit(.minutes(5)))
    func unread() throws {
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        let output = LogOutput(ends[1])
        let logger = Logger(label: "test") { LineLogHandler(label: $0, level: .info, format: .text, output: output) }
        // More than a pipe holds, and lines that are longer than what it takes at once.
        let filler = String(repeating: "x", count: 5_000)
        for number in 0..<100 { logger.info("line \(number) \(filler)") }
        let first = self.drain(ends[0])
        #expect(first.contains("line 0 ") && first.contains("line 5 ") && !first.contains("line 99 "))
        logger.info("it is read again")
        let lines = self.drain(ends[0]).split(separator: "\n")
        #expect(lines.count == 2, "\(lines)")
        let left = lines.first?.split(separator: "\"").dropFirst().first.flatMap { Int($0) } ?? 0
        #expect(lines.first?.contains("lines of the log were left out: nobody read them") == true)
        #expect(first.matches(of: /line \d+ x{5000}\n/).count == 100 - left, "each is whole, or counted")
        #expect(lines.last?.contains("it is read again") == true)
        for end in ends { close(end) }
    }

    @Test("tells the first of many at once and counts the rest")
    func bounded() {
        let lines = Lines()
        let now = Mutex(ContinuousClock.now)
        let log = RateLimitedLog(logger: lines.logger(.text), interval: .seconds(10)) { now.withLock { $0 } }
        for _ in 0..<100 { log.warning("kind", "refused") }
        log.warning("other", "refused")
        #expect(lines.lines.count == 2)
        now.withLock { $0 += .seconds(11) }
        log.warning("kind", "refused")
        #expect(lines.lines.count == 3)
        #expect(lines.lines[2].contains("not_logged=\"99\""))
    }
}
