package import Logging

/// Sends spans to the collector, in batches. What goes wrong with that holds nothing else up: it is logged once in a while, and
/// what there is no room for meanwhile is counted and forgotten.
package struct SpanExporter: Sendable {
    /// What a collector says of a batch.
    package enum Answer: Sendable, Equatable {
        /// - Parameters:
        ///   - rejected: how many spans of it were not taken for good (OTLP, partial success).
        ///   - why: in the collector's words.
        case taken(rejected: Int, why: String)
        /// Not now.
        case later(String, after: Duration?)
        /// Never.
        case refused(String)
        /// The service is stopping.
        case cancelled
    }

    /// How many spans go out in one request.
    package static let batch = 512
    /// How often a batch is sent before it is given up.
    package static let mostTries = 5
    /// The most that is waited between two tries, whatever the collector wishes.
    package static let longestWait = Duration.seconds(30)

    private let recorder: TraceRecorder
    private let interval: Duration
    private let send: @Sendable ([TraceSpan]) async -> Answer
    private let sleep: @Sendable (Duration) async throws -> Void
    private let log: RateLimitedLog

    /// - Parameters:
    ///   - interval: how long spans may wait for others to go with.
    ///   - send: sends one batch, within a time.
    ///   - sleep: throws only if it is cancelled.
    package init(
        _ recorder: TraceRecorder, every interval: Duration = .seconds(1), logger: Logger,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        send: @escaping @Sendable ([TraceSpan]) async -> Answer
    ) {
        self.recorder = recorder
        self.interval = interval
        self.send = send
        self.sleep = sleep
        self.log = RateLimitedLog(logger: logger, interval: .seconds(60))
    }

    /// Exports what comes, until its task is cancelled.
    package func run() async {
        while !Task.isCancelled {
            do { try await self.sleep(self.interval) } catch { return }
            while await self.exportNext(tries: Self.mostTries) == .exported {}
        }
    }

    /// Exports what is left, trying each batch once; after one that is not taken there is no use in the others.
    package func flush() async {
        while await self.exportNext(tries: 1) == .exported {}
        self.lose(self.recorder.take(upTo: .max))
    }

    private enum Progress { case exported, lost, nothing }

    private func exportNext(tries: Int) async -> Progress {
        let spans = self.recorder.take(upTo: Self.batch)
        guard !spans.isEmpty else { return .nothing }
        var backoff = Backoff(first: .seconds(1), longest: Self.longestWait)
        for attempt in 1...tries {
            switch await self.send(spans) {
            case .taken(let rejected, let why):
                let rejected = min(max(0, rejected), spans.count)
                self.recorder.exported.add(spans.count - rejected)
                if rejected > 0 {
                    self.recorder.lost.add(.collector, rejected)
                    self.log.warning(
                        "rejected", "the collector rejected spans",
                        metadata: ["spans": "\(rejected)", "error": "\(Self.shown(why))"])
                }
                return .exported
            case .refused(let why):
                self.say(why)
                self.lose(spans)
                return .lost
            case .cancelled:
                self.recorder.putBack(spans)
                return .nothing
            case .later(let why, let wish):
                self.say(why)
                guard attempt < tries else { break }
                do { try await self.sleep(min(max(backoff.next(), wish ?? .zero), Self.longestWait)) } catch {
                    self.recorder.putBack(spans)
                    return .nothing
                }
            }
        }
        self.lose(spans)
        return .lost
    }

    private func say(_ why: String) {
        self.log.warning("traces", "the collector takes no traces", metadata: ["error": "\(Self.shown(why))"])
    }

    /// The beginning of what a collector says. One character can be any number of scalars.
    private static func shown(_ why: String) -> String { String(why.unicodeScalars.prefix(200)) }

    private func lose(_ spans: [TraceSpan]) {
        if !spans.isEmpty { self.recorder.lost.add(.collector, spans.count) }
    }
}
