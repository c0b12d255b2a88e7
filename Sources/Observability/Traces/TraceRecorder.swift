internal import Synchronization
package import Values

/// Decides what is traced, and keeps what was until it is exported. Whoever traces has one; without one nothing is traced, and
/// nothing more is done than to look whether there is one.
package final class TraceRecorder: Sendable {
    /// What became of a span, for the metric.
    package enum Loss: String, Sendable, CaseIterable {
        /// Too many waited to be exported.
        case full
        /// The collector was away, or refused it.
        case collector
    }

    private let sampler: TraceSampler
    private let most: Int
    private let random: @Sendable () -> UInt64
    private let waiting = Mutex<[TraceSpan]>([])
    package let exported = Counter()
    package let lost = LabelledCounter(Loss.allCases)

    /// - Parameters:
    ///   - most: how many spans may wait; what is more is counted and forgotten.
    ///   - random: any of all numbers.
    package init(
        _ sampler: TraceSampler, most: Int = 8_192,
        random: @escaping @Sendable () -> UInt64 = { UInt64.random(in: .min ... .max) }
    ) {
        self.sampler = sampler
        self.most = most
        self.random = random
    }

    /// Begins a span.
    ///
    /// - Returns: nil if it is not recorded.
    package func begin(under parent: SpanContext?) -> SpanContext? {
        let high = parent?.traceHigh ?? self.random()
        let low = parent?.traceLow ?? self.nonzero()
        guard self.sampler.takes(traceLow: low, under: parent) else { return nil }
        return SpanContext(traceHigh: high, traceLow: low, span: self.nonzero(), isSampled: true)
    }

    /// Begins a span that is about several others, in a trace of its own: it is recorded if one of theirs is.
    ///
    /// - Parameter links: those of them that are recorded.
    package func begin(about others: some Sequence<SpanContext>) -> (context: SpanContext, links: [SpanContext])? {
        var links: [SpanContext] = []
        for other in others where self.sampler.takes(traceLow: other.traceLow, under: other) {
            links.append(other)
            if links.count == TraceSpan.mostLinks { break }
        }
        let context = SpanContext(
            traceHigh: self.random(), traceLow: self.nonzero(), span: self.nonzero(), isSampled: true)
        guard !links.isEmpty || self.sampler.takes(traceLow: context.traceLow, under: nil) else { return nil }
        return (context, links)
    }

    private func nonzero() -> UInt64 { max(1, self.random()) }

    /// Keeps a span that has ended. It does not wait.
    package func record(_ span: TraceSpan) {
        let hasRoom = self.waiting.withLock { waiting in
            guard waiting.count < self.most else { return false }
            waiting.append(span)
            return true
        }
        if !hasRoom { self.lost.add(.full) }
    }

    /// The oldest that wait.
    func take(upTo count: Int) -> [TraceSpan] {
        self.waiting.withLock { waiting in
            let taken = Array(waiting.prefix(count))
            waiting.removeFirst(taken.count)
            return taken
        }
    }

    /// Puts back what was taken and not exported, in front of what came since.
    func putBack(_ spans: [TraceSpan]) {
        let over = self.waiting.withLock { waiting in
            let room = max(0, self.most - waiting.count)
            waiting.insert(contentsOf: spans.prefix(room), at: 0)
            return spans.count - min(room, spans.count)
        }
        if over > 0 { self.lost.add(.full, over) }
    }

    package var count: Int { self.waiting.withLock { $0.count } }

    package var families: [MetricFamily] {
        [
            MetricFamily(
                .counter, "hookline_trace_spans_exported_total", "Spans that the collector took.",
                [.init(Double(self.exported.current))]),
            MetricFamily(
                .counter, "hookline_trace_spans_dropped_total", "Spans that were forgotten.", labels: ["reason"],
                Loss.allCases.map { .init(Double(self.lost.current($0)), [$0.rawValue]) }),
            MetricFamily(
                .gauge, "hookline_trace_spans_waiting", "Spans that wait to be exported.", [.init(Double(self.count))]),
        ]
    }
}
