import Domain
import Synchronization
import TestSupport
import Testing
import Values

@testable import Delivery

@Suite("What webhooks share of requests")
struct QuotasTests {
    private static let second: Int64 = 1_000_000_000

    /// Whom groups count for.
    private final class Users: Sendable {
        private let users: Mutex<[EntityID: ExactText]>
        init(_ users: [EntityID: ExactText]) { self.users = Mutex(users) }
        func set(_ group: EntityID, to user: ExactText?) { self.users.withLock { $0[group] = user } }
        func callAsFunction(_ group: EntityID) -> ExactText? { self.users.withLock { $0[group] } }
    }

    private static func quotas(group: RateLimit?, eachUser: RateLimit?, _ users: Users) throws -> Quotas {
        let quotas = Quotas(group: group, eachUser: eachUser, user: { users($0) })
        return try #require(quotas)
    }

    private static func limit(_ perSecond: Double?, _ burst: Int) -> RateLimit? {
        perSecond.map { RateLimit(perSecond: $0, burst: burst) }
    }

    @Test("is nothing to keep if nothing is limited")
    func none() {
        let quotas = Quotas(group: nil, eachUser: nil, user: { _ in "u" })
        #expect(quotas == nil)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let group: RateLimit?
        let user: RateLimit?
        /// How many go out at once, of a group that counts for somebody, of his other group after it, of another user's, and of
        /// one that counts for nobody.
        let counts: [Int]
        let refusals: [Quotas.Refusal?]

        var testDescription: String { "\(String(describing: self.group)) \(String(describing: self.user))" }
    }

    @Test(
        "are the group's, the user's over all groups, or both, and what is missing is named with how long",
        arguments: [
            Case(
                group: Self.limit(1, 4), user: nil, counts: [4, 4, 4, 4],
                refusals: Array(repeating: .init(reason: .groupRate, wait: Self.second), count: 4)),
            Case(
                group: nil, user: Self.limit(2, 5), counts: [5, 0, 5, 9],
                refusals: Array(repeating: .init(reason: .userRate, wait: Self.second / 2), count: 3) + [nil]),
            // The second group has three of its own left, which nobody takes.
            Case(
                group: Self.limit(1, 3), user: Self.limit(0.5, 4), counts: [3, 1, 3, 3],
                refusals: [
                    .init(reason: .groupRate, wait: Self.second), .init(reason: .userRate, wait: 2 * Self.second),
                    .init(reason: .groupRate, wait: Self.second), .init(reason: .groupRate, wait: Self.second),
                ]),
            // Both are used up, and the user's takes longer to come back.
            Case(
                group: Self.limit(1, 3), user: Self.limit(0.5, 3), counts: [3, 0, 3, 3],
                refusals: [
                    .init(reason: .userRate, wait: 2 * Self.second), .init(reason: .userRate, wait: 2 * Self.second),
                    .init(reason: .userRate, wait: 2 * Self.second), .init(reason: .groupRate, wait: Self.second),
                ]),
        ])
    func cases(_ example: Case) throws {
        let groups = (0..<4).map { _ in EntityID.random() }
        let users = Users([groups[0]: "a", groups[1]: "a", groups[2]: "b"])
        let quotas = try Self.quotas(group: example.group, eachUser: example.user, users)
        for (index, group) in groups.enumerated() {
            #expect((0..<9).filter { _ in quotas.take(group, now: 0) == nil }.count == example.counts[index])
            #expect(quotas.take(group, now: 0) == example.refusals[index])
        }
        // Whoever comes when they were told to is let through, unless another of the user's has taken what came back.
        for index in 1...3 {
            guard let refusal = example.refusals[index] else { continue }
            #expect(quotas.take(groups[index], now: refusal.wait) == nil)
        }
    }

    @Test("are taken from both or from none: to ask in vain changes nothing, and nobody gets more", arguments: 1...40)
    func vain(seed: UInt64) throws {
        // Rates and times are such that the numbers are exact.
        var generator = Seeded(seed)
        let groups = (0..<6).map { _ in EntityID.random() }
        let users = Users(Dictionary(uniqueKeysWithValues: zip(groups, ["a", "a", "a", "b", "b"])))
        func rate() -> RateLimit {
            RateLimit(
                perSecond: [1, 2, 4, 8].randomElement(using: &generator) ?? 1,
                burst: Int.random(in: 1...6, using: &generator))
        }
        let (ofGroup, ofUser) = (rate(), rate())
        let calm = try Self.quotas(group: ofGroup, eachUser: ofUser, users)
        let pressed = try Self.quotas(group: ofGroup, eachUser: ofUser, users)
        var taken: [String: Int] = [:]
        for step in 0..<400 {
            let now = Int64(step) * Self.second / 8
            for _ in 0..<Int.random(in: 0...4, using: &generator) {
                let group = groups[Int.random(in: groups.indices, using: &generator)]
                let answer = calm.take(group, now: now)
                #expect(pressed.take(group, now: now) == answer)
                if answer == nil {
                    taken["\(group)", default: 0] += 1
                    if let user = users(group) { taken[user.text, default: 0] += 1 }
                } else {
                    for _ in 0..<5 { #expect(pressed.take(group, now: now) == answer) }
                }
            }
            for (sharer, count) in taken {
                let limit = ["a", "b"].contains(sharer) ? ofUser : ofGroup
                #expect(Double(count) <= Double(limit.burst) + limit.perSecond * Double(step) / 8)
            }
        }
    }

    @Test("are each user's own, though two are called by texts that look the same")
    func spelling() throws {
        let (one, other) = (EntityID.random(), EntityID.random())
        let users = Users([one: "caf\u{E9}", other: "cafe\u{301}"])
        let quotas = try Self.quotas(group: nil, eachUser: RateLimit(perSecond: 1, burst: 1), users)
        #expect(quotas.take(one, now: 0) == nil && quotas.take(other, now: 0) == nil)
        #expect(quotas.take(one, now: 0)?.reason == .userRate)
    }

    @Test("are those of the user that the group counts for now")
    func changed() throws {
        let (group, other) = (EntityID.random(), EntityID.random())
        let users = Users([group: "a", other: "a"])
        let quotas = try Self.quotas(group: nil, eachUser: RateLimit(perSecond: 0.5, burst: 1), users)
        #expect(quotas.take(group, now: 0) == nil)
        #expect(quotas.take(other, now: 0)?.reason == .userRate)
        users.set(other, to: "b")
        #expect(quotas.take(other, now: 0) == nil)
        #expect(quotas.take(other, now: 0)?.reason == .userRate)
        users.set(other, to: "a")
        #expect(quotas.take(other, now: 0)?.reason == .userRate, "what was used stays used")
        users.set(other, to: nil)
        #expect(quotas.take(other, now: 0) == nil)
    }

    @Test("are shared among instances, and what nobody has any more is forgotten")
    func shares() throws {
        let (group, other, third) = (EntityID.random(), EntityID.random(), EntityID.random())
        let users = Users([group: "a", other: "a", third: "b"])
        let limit = RateLimit(perSecond: 1, burst: 4)
        let ofGroups = try Self.quotas(group: limit, eachUser: nil, users)
        let ofUsers = try Self.quotas(group: nil, eachUser: limit, users)
        for quotas in [ofGroups, ofUsers] {
            #expect((0..<6).filter { _ in quotas.take(group, now: 0) == nil }.count == 4)
            #expect(quotas.take(third, now: 0) == nil)
            quotas.share(among: 2, groups: [group, other], now: 0)
            #expect(quotas.take(group, now: Self.second)?.wait == Self.second, "half a request has come back")
            #expect(quotas.take(group, now: 2 * Self.second) == nil)
            #expect(
                (0..<6).filter { _ in quotas.take(third, now: 2 * Self.second) == nil }.count == 2,
                "as one that is new, of what two have")
        }
        // One of a user's groups is enough to know them by.
        ofUsers.share(among: 2, groups: [other], now: 2 * Self.second)
        #expect(ofUsers.take(group, now: 2 * Self.second)?.reason == .userRate)
        ofUsers.share(among: 2, groups: [third], now: 2 * Self.second)
        #expect(ofUsers.take(group, now: 2 * Self.second) == nil)
    }
}
