import Domain
import HTTPTypes
import Testing

@testable import API

@Suite("How often one may call")
struct CallLimitsTests {
    private static let second: Int64 = 1_000_000_000

    @Test("is each caller's own, and comes back")
    func own() throws {
        let limits = CallLimits(RateLimit(perSecond: 1, burst: 2), now: 0)
        try limits.take("a", now: 0)
        try limits.take("a", now: 0)
        let refusal = #expect(throws: APIError.self) { try limits.take("a", now: 0) }
        #expect(refusal?.status == .tooManyRequests && refusal?.headers[.retryAfter] == "1")
        try limits.take("b", now: 0)
        try limits.take("a", now: Self.second)
        // Who is called otherwise byte by byte is somebody else, however it looks.
        for caller in ["caf\u{E9}", "cafe\u{301}"] {
            for _ in 1...2 { try limits.take(caller, now: 0) }
        }
    }

    @Test("is shared by all who come when there are too many to be told apart, until some have been quiet")
    func many() throws {
        let limits = CallLimits(RateLimit(perSecond: 1, burst: 2), most: 2, now: 0)
        for name in ["a", "b", "c", "d"] { try limits.take(name, now: 0) }
        #expect(throws: APIError.self) { try limits.take("e", now: 0) }
        try limits.take("a", now: 0)
        try limits.take("e", now: 10 * Self.second)
        try limits.take("e", now: 10 * Self.second)
        #expect(throws: APIError.self) { try limits.take("e", now: 10 * Self.second) }
    }

    @Test(
        "counts an address of IPv6 as its network, in which everybody has as many as they like",
        arguments: [
            ("192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:0:0:0:0/64"),
            ("2001:db8:1:2::9", "2001:db8:1:2:0:0:0:0/64"), ("::ffff:192.0.2.7", "::ffff:192.0.2.7"),
            ("fe80::1%eth0", "fe80::1%eth0"), (nil, ""),
        ] as [(String?, String)])
    func networks(address: String?, name: String) {
        #expect(CallLimits.name(of: address) == name)
    }

    @Test("live views are open: a bound for all, one for each, and a place that is given back")
    func places() throws {
        let places = StreamPlaces(most: 3, ofAUser: 2)
        var held = [try places.take(for: "a"), try places.take(for: "a")]
        #expect(throws: APIError.self) { try places.take(for: "a") }
        let other = try places.take(for: "b")
        #expect(#expect(throws: APIError.self) { try places.take(for: "c") }?.status == .serviceUnavailable)
        held.removeLast()
        held.append(try places.take(for: "c"))
        let alike = StreamPlaces(most: 3, ofAUser: 1)
        let both = [try alike.take(for: "caf\u{E9}"), try alike.take(for: "cafe\u{301}")]
        withExtendedLifetime((held, other, both)) {}
    }
}
