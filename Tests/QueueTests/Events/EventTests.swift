import Domain
import Postgres
import Queue
import Registry
import Schema
import StoreTestSupport
import TestSupport
import Testing

@Suite("Events of whose relaying nobody heard")
struct EventTests {
    @Test("become messages once")
    func relayed() async throws {
        let ground = try await Ground()
        let ids = ground.deliveries(1...3, to: ground.plain).map(\.message.id)
        try await Sweep(ground: ground) {
            let store = EventStore(ground.database)
            for id in ids {
                try await store.fire(
                    ground.plain.key, of: ground.group, as: id, thing: ground.thing, details: "{}", isPayload: true)
            }
        } operation: { database, _ in
            _ = try await ground.comeAgainUntilDone {
                try await EventStore(database).relay(now: 1_000) { Self.plan($0, in: ground) }
            }
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("deliveries") }.count == 6)
        #expect(left.filter { $0.hasPrefix("transient") }.count == 3)
        #expect(!left.contains { $0.hasPrefix("events") })
        await ground.proxy.stop()
    }

    private static func plan(_ events: [EventRecord], in ground: Ground) -> EventPlan {
        var plan = EventPlan()
        for event in events {
            plan.settled.append(event.number)
            guard let id = event.message else { continue }
            let message = Message(
                id: id, thing: ground.thing, group: ground.group, subtopic: "", contentType: "application/json",
                payload: Array(event.details.utf8), traceparent: nil, isKept: false, receivedNanoseconds: nil,
                event: event.kind)
            plan.messages.append(message)
            plan.deliveries += [ground.plain, ground.strict].map { Delivery(message: message, webhook: $0) }
        }
        return plan
    }

    @Test("of a thing's first message are noted once")
    func firstMessages() async throws {
        let ground = try await Ground()
        try await ground.execute("UPDATE webhooks SET trigger = 'THING_FIRST_MESSAGE' WHERE id = \(ground.plain.id)")
        try await Sweep(ground: ground) {
        } operation: { database, _ in
            try await repeatUntilDone { try await EventStore(database).noteFirstMessages(of: [ground.thing]) }
        }.run()
        let left = try await Contents.read(ground.database)
        #expect(left.filter { $0.hasPrefix("events") && $0.contains("THING_FIRST_MESSAGE") }.count == 1)
        #expect(left.filter { $0.hasPrefix("activity") }.count == 1)
        await ground.proxy.stop()
    }
}
