import Domain
import Journal
import Postgres
import Schema
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Queue

@Suite("A resend of which nobody heard what became of it")
struct ResendRepeatTests {
    private static func resends(_ database: Database, at seconds: Int64 = 0) -> ResendStore {
        var store = ResendStore(database)
        store.now = "\(Instant(clampingMilliseconds: 1_800_000_100_000 + seconds * 1_000))"
        return store
    }

    private static func prepare(_ ground: Ground) async throws {
        let session = try await ground.session("a")
        let deliveries = ground.deliveries(1...6, to: ground.plain, kept: true)
        try await ground.commit(deliveries, by: session)
        _ = try await DeliveryStore(ground.database, session: session).complete(
            deliveries.prefix(5).map { ground.result($0, .succeeded) }
                + deliveries.suffix(1).map { ground.result($0, .failed(reason: "enough"), status: 500) })
    }

    private static let selection: ResendSelection = {
        var selection = ResendSelection()
        selection.appliesConditions = false
        return selection
    }()

    @Test("is asked for once, and each of its parts is carried out once")
    func made() async throws {
        let ground = try await Ground()
        try await Sweep(ground: ground) {
            try await Self.prepare(ground)
        } operation: { database, _ in
            _ = try await repeatUntilDone {
                try await Self.resends(database).create(Self.selection, of: ground.plain.key)
            }
            _ = try await ground.comeAgainUntilDone {
                try await Self.resends(database).carryOutPart { _ in ground.plain }
            }
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("deliveries") }.count == 6)
        #expect(left.filter { $0.hasPrefix("resends") }.count == 1)
        await ground.proxy.stop()
    }

    @Test("is cancelled once, and what it has made is taken back once")
    func cancelled() async throws {
        let ground = try await Ground()
        try await Sweep(ground: ground) {
            try await Self.prepare(ground)
            let made = try await Self.resends(ground.database).create(Self.selection, of: ground.plain.key)
            _ = try await Self.resends(ground.database).carryOutPart { _ in ground.plain }
            return made.number
        } operation: { database, number in
            _ = try await repeatUntilDone { try await Self.resends(database).cancel(number) }
            _ = try await ground.comeAgainUntilDone {
                try await Self.resends(database, at: 1).carryOutPart { _ in ground.plain }
            }
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("deliveries") }.count == 1, "what had failed")
        await ground.proxy.stop()
    }
}
