import Domain
import Queue
import Testing

@testable import API

@Suite("What a source may be called")
struct SourceLimitsTests {
    private static let second: Int64 = 1_000_000_000
    private let limits = SourceLimits()

    @Test("with its key is another matter than without, and each source's own")
    func strangers() {
        let (door, other) = (Self.door(), Self.door())
        for _ in 1...SourceLimits.strangers.burst {
            #expect(self.limits.take(.strangers, of: door, now: 0) == nil)
        }
        #expect(self.limits.take(.strangers, of: door, now: 0) == Self.second / 10)
        #expect(self.limits.take(.strangers, of: other, now: 0) == nil)
        for _ in 1...SourceSettings.defaultRate.burst { #expect(self.limits.take(.callers, of: door, now: 0) == nil) }
        #expect(self.limits.take(.callers, of: door, now: 0) != nil)
        #expect(self.limits.take(.strangers, of: door, now: Self.second) == nil, "with time it may be tried again")
    }

    @Test("in vain is written down one by one at first, and then many at a time, with none left out")
    func rows() {
        let (door, burst) = (Self.door(), Int64(SourceLimits.rows.burst))
        for _ in 1...burst { #expect(self.limits.count(.unauthorized, of: door, now: 0) == 1) }
        for _ in 1...500 { #expect(self.limits.count(.unauthorized, of: door, now: 0) == nil) }
        #expect(self.limits.count(.limited, of: door, now: 0) == 1, "each kind by itself")
        #expect(self.limits.count(.unauthorized, of: door, now: 5 * Self.second) == 501)
        #expect(self.limits.count(.unauthorized, of: door, now: 10 * Self.second) == 1)
    }

    @Test("follows its rate from the next call on when that is changed")
    func changed() {
        let id = EntityID.random()
        func taken(_ burst: Int, version: Int64) -> Int {
            var settings = SourceSettings()
            settings.rateLimit = RateLimit(perSecond: 1, burst: burst)
            let door = Self.door(id, settings, version: version)
            return (0..<9).filter { _ in self.limits.take(.callers, of: door, now: 0) == nil }.count
        }
        #expect(taken(2, version: 1) == 2 && taken(2, version: 1) == 0)
        let other = EntityID.random()
        var settings = SourceSettings()
        settings.rateLimit = RateLimit(perSecond: 1, burst: 8)
        #expect(self.limits.take(.callers, of: Self.door(other, settings), now: 0) == nil)
        settings.rateLimit = RateLimit(perSecond: 1, burst: 3)
        let lower = Self.door(other, settings, version: 2)
        #expect((0..<9).filter { _ in self.limits.take(.callers, of: lower, now: 0) == nil }.count == 3)
    }

    private static func door(
        _ id: EntityID = .random(), _ settings: SourceSettings = SourceSettings(), version: Int64 = 1
    ) -> SourceDoor {
        SourceDoor(
            id: id, group: .random(), thing: .random(), isEnabled: true, isListening: false,
            settings: settings, version: version, keyHash: [1], secret: nil, key: 1)
    }
}
