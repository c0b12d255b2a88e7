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

    private static func door() -> SourceDoor {
        SourceDoor(
            id: .random(), group: .random(), thing: .random(), isEnabled: true, isListening: false,
            settings: SourceSettings(), version: 1, keyHash: [1], secret: nil, key: 1)
    }
}
