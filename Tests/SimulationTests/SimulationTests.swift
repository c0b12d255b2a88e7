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

    @Test("a mistake is found, and told in a few steps", arguments: Mistake.allCases)
    func mistakes(mistake: Mistake) throws {
        let simulation = try Simulation(mistake: mistake)
        let schedule = try #require(simulation.firstFailure(0..<8_000), "\(mistake) is not found")
        #expect(simulation.shortened(schedule).decisions.count < 30)
    }
}
