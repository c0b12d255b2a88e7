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
        let schedule = try #require(simulation.firstFailure(0..<40_000), "\(mistake) is not found")
        #expect(simulation.shortened(schedule).decisions.count < 30)
    }

    /// What happens, and a mistake by which it goes wrong.
    struct Order: CustomStringConvertible, Sendable {
        let description: String
        let mistake: Mistake
        let decisions: [Decision]

        init(_ description: String, _ mistake: Mistake, _ parts: [Decision]...) {
            self.description = description
            self.mistake = mistake
            self.decisions = Array(parts.joined())
        }

        static let publishing = Decision.publish(thing: 0, to: 0, isPoison: false)
        static let intake = Decision.intake(0, .answered)
        static let giveBack = Decision.giveBack(0, webhook: 0)
        static let settle = Decision.settle(0, .answered)
        /// The first in memory goes out, and is taken.
        static let delivery: [Decision] = [.send(0, webhook: 0), .answer(0, webhook: 0, .accepted)]
        /// An instance that is connected to the broker, and has two of a thing's messages in memory.
        static let beginning: [Decision] = [.start(0, .answered), intake, publishing, publishing, intake, intake]
        /// What had its room is to be committed with the next step.
        static let committing = [publishing, intake]
        static let losingTheLease: [Decision] = [.pass(12), .releaseExpired(0, .answered), .renew(0, .answered)]
        /// To the end of what waits, so that what comes in waits for another look.
        static let claims = [Decision](repeating: .claim(0, webhook: 0, .answered), count: 6)

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
                .keepsForfeited, beginning, [giveBack, settle], claims, delivery, delivery, [settle], committing,
                losingTheLease, [intake]),
        ]
    }

    @Test(
        "what is being committed when a lane gives back, or its lease is lost, overtakes nothing and does not stay behind",
        arguments: Order.all)
    func whatIsBeingCommitted(order: Order) throws {
        var schedule = try #require((0..<100).lazy.map { Schedule(seed: $0) }.first { !$0.isShared })
        schedule.decisions = order.decisions
        #expect(try Simulation().run(schedule) == nil)
        #expect(try Simulation(mistake: order.mistake).run(schedule) != nil)
    }
}
