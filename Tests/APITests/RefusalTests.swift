import Domain
import Logging
import Observability
import Postgres
import Testing
import Values

@testable import API
@testable import Registry
@testable import Schema

@Suite("Refused calls")
struct RefusalTests {
    private static func refusals(_ metrics: Metrics = Metrics()) throws -> Refusals {
        let logger = Logger(label: "test")
        // Nothing connects before something is written.
        let database = Database(pool: Pool(endpoint: try Endpoint("host=127.0.0.1"), logger: logger))
        return Refusals(
            store: AuditStore(database), metrics: metrics, wallClock: WallClock { 5 }, logger: logger, most: 10)
    }

    @Test("are one entry for each caller, address and reason, and one for all who are too many to be told apart")
    func summed() throws {
        let metrics = Metrics()
        let refusals = try Self.refusals(metrics)
        let group = EntityID.random()
        for _ in 1...1_000 {
            refusals.note(.init(reason: .signIn, address: "10.0.0.1"))
            refusals.note(.init(reason: .role, caller: "u", address: "10.0.0.1", group: group))
            refusals.note(.init(reason: .hidden, caller: "u", address: "10.0.0.1", group: group))
        }
        for number in 1...500 { refusals.note(.init(reason: .signIn, address: "10.1.0.\(number)")) }
        let entries = refusals.collect()
        #expect(entries.count == 11)
        #expect(entries.reduce(0) { $0 + $1.count } == 3_500)
        #expect(Set(entries.map(\.number)).count == 11)
        #expect(entries.filter { $0.author.kind == .anonymous && $0.author.address == nil }.map(\.count) == [493])
        let ofUser = entries.filter { $0.author.id == "u" }
        #expect(ofUser.map(\.count) == [1_000, 1_000] && ofUser.allSatisfy { $0.object == group.description })
        #expect(ofUser.compactMap(\.group) == [group], "a stranger is none whom the group's admins are told of")
        #expect(metrics.refusedCalls.current("unauthorized") == 1_500)
        #expect(metrics.refusedCalls.current("not_found") == 1_000)
    }

    @Test("are the same again until it is known that they are entered, and what comes meanwhile is for the next time")
    func pending() throws {
        let refusals = try Self.refusals()
        refusals.note(.init(reason: .signIn, address: "a"))
        let first = refusals.collect()
        refusals.note(.init(reason: .signIn, address: "a"))
        #expect(refusals.collect().map(\.number) == first.map(\.number))
        #expect(refusals.collect().map(\.count) == [1])
    }
}
