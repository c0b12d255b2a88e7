package import Values

/// A part of the log, by time, whose successes are gathered into rows of arrays.
package struct LogSpan: Sendable, Hashable {
    /// Each success is looked at with the minute that it is of, and with the half hour if there were few in that.
    package enum Length: Sendable, CaseIterable {
        case minute, halfHour

        /// Days have whole numbers of them, so what is gathered is of one day and goes with it.
        var duration: Duration { self == .minute ? .seconds(60) : .seconds(1_800) }

        /// From its end on. What was under way is recorded by then, but for what takes longer than a request may.
        var patience: Duration { self == .minute ? .seconds(60) : .seconds(300) }

        /// How many are gone back to, at the start or when there was no time for them. What is older stays as it is.
        var mostBehind: Int64 { self == .minute ? 10 : 4 }
    }

    package let length: Length
    package let start: Instant
    package var end: Instant { self.start + self.length.duration }

    package init(_ length: Length, from start: Instant) {
        self.length = length
        self.start = start
    }
}

/// Which spans are due, and in which order.
package struct LogSpans: Sendable {
    /// The end of the last that was done.
    private var reached: [LogSpan.Length: Instant] = [:]

    package init() {}

    /// nil if there is none. What is recent goes first.
    package func next(at now: Instant) -> LogSpan? {
        for length in LogSpan.Length.allCases {
            let end = (now - length.patience).rounded(downTo: length.duration)
            let earliest = end - length.duration * length.mostBehind
            // After a clock was set back nothing is due until it is where it was.
            let start = max(earliest, min(self.reached[length] ?? earliest, end))
            if start < end { return LogSpan(length, from: start) }
        }
        return nil
    }

    package mutating func finish(_ span: LogSpan) {
        self.reached[span.length] = span.end
    }
}
