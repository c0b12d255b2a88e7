import Domain
import Postgres
import Queue
import Registry
import Schema
import StoreTestSupport
import TestSupport
import Testing

@Suite("Events of sources of which nobody heard")
struct SourceTests {
    @Test("are accepted once when they are sent again under the same id")
    func accepted() async throws {
        let ground = try await Ground()
        let door = try #require(
            try await SourceStore(ground.database, box: ground.box).door(of: ground.source))
        try await Sweep(ground: ground) {
        } operation: { database, _ in
            _ = try await repeatUntilDone {
                try await SourceEventStore(database)
                    .accept([1, 2, 3], on: "s", eventID: "one", at: door, sample: "{}")
            }
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("source events") }.count == 1)
        #expect(left.contains { $0.hasPrefix("accepted") && $0.hasSuffix(",1)") })
        await ground.proxy.stop()
    }

    @Test("are taken again after a while, and removed once the bus has them")
    func taken() async throws {
        let ground = try await Ground()
        let store = SourceEventStore(ground.database)
        let door = try #require(
            try await SourceStore(ground.database, box: ground.box).door(of: ground.source))
        try await Sweep(ground: ground) {
            for number in UInt8(1)...3 {
                _ = try await store.accept([number], on: "s", eventID: nil, at: door, sample: nil)
            }
        } operation: { database, _ in
            let store = SourceEventStore(database)
            let first = try await ground.comeAgainUntilDone { try await store.take(1, retry: .zero) }
            try #require(first.count == 1)
            try await repeatUntilDone { try await store.remove(first.map(\.number)) }
            var rest = try await ground.comeAgainUntilDone { try await store.take(retry: .seconds(600)) }
            try await repeatUntilDone { try await store.giveBack(rest.map(\.number)) }
            rest = try await ground.comeAgainUntilDone { try await store.take(retry: .zero) }
            #expect(!rest.contains { $0.number == first[0].number })
        } finish: { _ in
            // What an answer that was lost had taken is offered again when its time has come.
            try await ground.execute("UPDATE source_events SET due_at = now()")
            let rest = try await store.take(retry: .seconds(600))
            #expect(rest.count == 2)
            try await store.remove(rest.map(\.number))
        }.run()
        #expect(try await !Contents.read(ground.database).contains { $0.hasPrefix("source events") })
        await ground.proxy.stop()
    }
}
