import Journal
import Testing
import Values

@Suite("Spans of a log")
struct LogSpansTests {
    /// Midnight, and the beginning of an hour.
    private static let midnight: Int64 = 1_800_000_000 / 86_400 * 86_400

    private static func time(_ seconds: Int64) -> Instant {
        Instant(clampingMilliseconds: (Self.midnight + seconds) * 1_000)
    }

    /// As `m` or `h` for the length, and the seconds from midnight to the start.
    private static func spans(_ times: [Int64]) -> [[String]] {
        var spans = LogSpans()
        return times.map { seconds in
            var due: [String] = []
            while let span = spans.next(at: Self.time(seconds)), due.count < 100 {
                due.append("\(span.length == .minute ? "m" : "h")\((span.start - Self.time(0)).components.seconds)")
                spans.finish(span)
            }
            return due
        }
    }

    private static func minutes(_ seconds: StrideTo<Int64>) -> [String] { seconds.map { "m\($0)" } }

    @Test("are gathered once each, when what was under way in them is recorded, the recent ones first")
    func due() {
        let behind = Self.minutes(stride(from: 3_000, to: 3_600, by: 60)) + ["h-5400", "h-3600", "h-1800", "h0"]
        let found = Self.spans([3_660, 3_719, 3_720, 3_780, 3_899, 3_900])
        #expect(found == [behind, [], ["m3600"], ["m3660"], ["m3720"], ["m3780", "h1800"]])
    }

    @Test(
        "that nobody had time for are left when they are long past, and none is due a second time by a clock that was set back"
    )
    func late() {
        let found = Self.spans([3_900, 7_500, 7_400, 7_559, 7_560])
        #expect(
            found.dropFirst() == [
                Self.minutes(stride(from: 6_840, to: 7_440, by: 60)) + ["h3600", "h5400"], [], [], ["m7440"],
            ])
    }

    @Test("are of one day, so that what is gathered goes with it", arguments: LogSpan.Length.allCases)
    func days(length: LogSpan.Length) {
        var span = LogSpan(length, from: Self.time(0))
        while span.end < Self.time(86_400) { span = LogSpan(length, from: span.end) }
        #expect(span.end == Self.time(86_400))
    }
}
