import Foundation
import TestSupport
import Testing

@Suite("The queue in a simulated world", .ownThreads)
struct SimulationTests {
    /// How many schedules there are; a few hundred a second.
    private static var count: UInt64 {
        ProcessInfo.processInfo.environment["SIMULATIONS"].flatMap(UInt64.init) ?? 10_000
    }

    @Test("whatever becomes of answers, clocks and instances, every message that was taken gets where it should")
    func schedules() async throws {
        let simulation = try Simulation()
        let parts: UInt64 = 4
        let failures = await withTaskGroup(of: [String: Schedule].self) { group in
            for part in 0..<parts {
                group.addTask { simulation.failures(part * Self.count / parts..<(part + 1) * Self.count / parts) }
            }
            return await group.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
        }
        for schedule in failures.values { Issue.record(Comment(rawValue: simulation.report(schedule))) }
    }

    @Test("a mistake is found, and told in a few steps", arguments: Mistake.foundByChance)
    func mistakes(mistake: Mistake) throws {
        let simulation = try Simulation(mistake: mistake)
        let schedule = try #require(simulation.firstFailure(0..<8_000), "\(mistake) is not found")
        #expect(simulation.shortened(schedule).decisions.count < 30)
    }

    @Test("the same seeds do the same each time, here and in any other process")
    func repeatable() throws {
        let simulation = try Simulation()
        let seeds: [UInt64] = Array(0..<40) + [1_398, 4_269, 8_821]
        let digest = simulation.digest(seeds)
        for _ in 0..<2 { #expect(simulation.digest(seeds) == digest) }
        // Whoever changes what is simulated, or what the room Queue decides, writes the new one here. If it is not the same in two
        // runs, something is not said by the seed: the order of a set or a dictionary, a clock, an address.
        #expect(digest == 0xB74D_1580_1216_A65B, "it is 0x\(String(digest, radix: 16))")
    }

    /// What happens, and a mistake by which it goes wrong.
    struct Order: CustomStringConvertible, Sendable {
        let description: String
        let mistake: Mistake
        let instances: Int
        let decisions: [Decision]

        init(_ description: String, _ mistake: Mistake, instances: Int = 1, _ parts: [Decision]...) {
            self.description = description
            self.mistake = mistake
            self.instances = instances
            self.decisions = Array(parts.joined())
        }

        static let publishing = Decision.publish(thing: 0, to: 0, isPoison: false)
        static let intake = Decision.intake(0, .answered)
        static let giveBack = Decision.giveBack(0, webhook: 0)
        static let settle = Decision.settle(0, .answered)
        /// The first in memory goes out, and is taken.
        static let delivery = Self.delivery(to: 0)
        /// An instance that is connected to the broker, and has two of a thing's messages in memory.
        static let beginning: [Decision] = [.start(0, .answered), intake, publishing, publishing, intake, intake]
        /// What had its room is to be committed with the next step.
        static let committing = [publishing, intake]
        static let losingTheLease: [Decision] = [.pass(12), .releaseExpired(0, .answered), .renew(0, .answered)]
        /// One, in its three steps, to the end of what waits, so that what comes in waits for another look.
        static let claim = Self.claim(of: 0)

        static func delivery(to webhook: Int) -> [Decision] {
            [.send(0, webhook: webhook), .answer(0, webhook: webhook, .accepted)]
        }

        static func claim(of webhook: Int) -> [Decision] {
            [Decision](repeating: .claim(0, webhook: webhook, .answered), count: 3)
        }

        static let all = [
            Order(
                "a lane gives back while its thing's next is being committed", .overtakesReturned, beginning,
                committing,
                [giveBack, intake], delivery, delivery),
            Order(
                "the lease is lost while a lane has something, and its next is being committed", .keepsForfeited,
                beginning, committing, losingTheLease, [intake]),
            Order(
                "the lease is lost while a lane reads the last that waits, and its next is being committed",
                .keepsForfeited, beginning, [giveBack, settle], claim, delivery, delivery, [settle], committing,
                losingTheLease, [intake]),
            // The other lane has something while the claim gets its room, so that this has less, and there is some for one message then.
            Order(
                "a claim looks before what was left in the database is committed, and ends when the next has its room",
                .forgetsWhatComes, beginning, [giveBack, settle], delivery, [settle], committing, claim, delivery,
                claim(of: 1), [settle], Array(claim.prefix(2)), [intake], delivery(to: 1), delivery(to: 1), [settle],
                [Decision](repeating: publishing, count: 4), [intake], Array(claim.suffix(1)), [intake], delivery),
            Order(
                "the answer is lost by which an instance gets another's client into its charge", .forgetsCharges,
                instances: 2,
                (0..<2).map { .start($0, .answered) }, [.pass(12), intake, .crash(0), .adopt(1, .late)],
                [.releaseExpired(1, .answered), publishing, .pass(11)]),
            Order(
                "two instances have had the same client in their charge", .leavesForOthers, instances: 3,
                (0..<3).map { .start($0, .answered) }, [intake, publishing, .crash(0), .pass(11)],
                [.releaseExpired(1, .answered), .publish(thing: 1, to: 0, isPoison: true)],
                [.adopt(2, .answered), .adopt(1, .answered)]),
        ]
    }

    @Test(
        "an order of steps that hardly ever comes by chance does no harm, and would with a mistake",
        arguments: Order.all)
    func orders(order: Order) throws {
        // Where several share a subscription, who is gone does not come back.
        var schedule = try #require(
            (0..<200).lazy.map { Schedule(seed: $0) }.first {
                $0.instances == order.instances && $0.isShared == (order.instances > 1)
                    && (!$0.isShared || !$0.seed.isMultiple(of: 2))
            })
        schedule.decisions = order.decisions
        #expect(try Simulation().run(schedule) == nil)
        #expect(try Simulation(mistake: order.mistake).run(schedule) != nil)
    }
}
