import Testing
import Values

@Suite("Points in time")
struct InstantTests {
    @Test(
        "are in the years 1970 to 9999, in whatever unit they are given",
        arguments: [
            Int64.min, -(1 << 53), -1, 0, 1, 253_402_300_799, 253_402_300_800, 253_402_300_799_999,
            9_223_372_036_854_776,
            1 << 53, Int64.max,
        ])
    func ends(number: Int64) {
        let isPast = number < 0
        #expect(
            Instant(microseconds: number).map(\.microseconds)
                == (isPast || number > 253_402_300_799_999_999 ? nil : number))
        #expect(
            Instant(milliseconds: number).map(\.milliseconds) == (isPast || number > 253_402_300_799_999 ? nil : number)
        )
        #expect(Instant(seconds: number).map(\.seconds) == (isPast || number > 253_402_300_799 ? nil : number))
        let clamped = Instant(clampingMilliseconds: number)
        #expect(clamped == Instant(milliseconds: number) ?? (isPast ? .first : .last))
    }

    @Test("do not leave them by arithmetic", arguments: [Instant.first, .last])
    func arithmetic(time: Instant) {
        for duration: Duration in [.seconds(Int64.max), .seconds(Int64.min), .zero, .milliseconds(1)] {
            #expect((Instant.first...Instant.last).contains(time + duration))
            #expect((Instant.first...Instant.last).contains(time - duration))
        }
        #expect(Instant.last - .first + (Instant.first - .last) == .zero)
        #expect(time.rounded(downTo: .zero) == time)
        #expect(time.rounded(downTo: .seconds(Int64.max)) == .first)
    }

    @Test(
        "of numbers that are none are the nearest that are", arguments: [Double.nan, -1, 1e308, .infinity, -.infinity])
    func doubles(seconds: Double) {
        #expect(Instant(clampingSeconds: seconds) == (seconds > 0 ? .last : .first))
    }

    @Test(
        "are written and read",
        arguments: [
            (Int64(0), "1970-01-01T00:00:00.000Z"), (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_704_067_199_999, "2023-12-31T23:59:59.999Z"), (4_102_444_800_000, "2100-01-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ])
    func text(milliseconds: Int64, text: String) {
        #expect(Instant(milliseconds: milliseconds)?.text == text)
        #expect(Instant(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test(
        "are read in all the ways that RFC 3339 knows",
        arguments: [
            ("1970-01-01T00:00:00Z", Int64(0)), ("1970-01-01T01:00:00+01:00", 0), ("1969-12-31T23:00:00-01:00", 0),
            ("1970-01-01t00:00:01.5z", 1_500_000), ("1970-01-01T00:00:00.123456789012345678Z", 123_456),
            ("1998-12-31T23:59:60Z", 915_148_799_000_000),
        ])
    func reads(text: String, microseconds: Int64) {
        #expect(Instant(rfc3339: text)?.microseconds == microseconds)
    }

    @Test(
        "are not read of what is none",
        arguments: [
            "", "2026", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
            "2026-01-32T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00Zx", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59-00:01",
            "+292277026596-12-04T15:30:08Z", "12026-01-01T00:00:00Z", "２026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.\(String(repeating: "1", count: 100))Z",
        ])
    func refuses(text: String) {
        #expect(Instant(rfc3339: text) == nil)
    }
}

@Suite("Arithmetic on numbers from outside")
struct SaturationTests {
    @Test("ends where the numbers end", arguments: [Int64.min, -2, -1, 0, 1, 2, Int64.max])
    func integers(number: Int64) {
        for other in [Int64.min, -1, 0, 1, Int64.max] {
            func nearest(_ exact: Double) -> Int64 { Int64(saturating: exact) }
            let (a, b) = (Double(number), Double(other))
            // A Double is near enough to tell which end it is.
            #expect(abs(Double(number.adding(other)) - Double(nearest(a + b))) <= 1_024)
            #expect(abs(Double(number.subtracting(other)) - Double(nearest(a - b))) <= 1_024)
            #expect(abs(Double(number.multiplied(by: other)) - Double(nearest(a * b))) <= 1_024)
        }
    }

    @Test("takes a number with a fraction for its whole part")
    func doubles() {
        #expect(Int64(saturating: 1.9) == 1 && Int64(saturating: -1.9) == -1)
        #expect(Int64(saturating: .nan) == 0 && Int64(saturating: 1e308) == .max && Int64(saturating: -1e308) == .min)
        #expect(Int64(saturating: 9_223_372_036_854_775_808) == .max && UInt8(saturating: -1) == .min)
    }
}
