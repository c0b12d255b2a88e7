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

    @Test("of a user's first sign-in are noted once, where they have a role")
    func signIns() async throws {
        let ground = try await Ground()
        try await ground.execute("UPDATE webhooks SET trigger = 'USER_SELF_REGISTERED' WHERE id = \(ground.plain.id)")
        try await ground.execute(
            "INSERT INTO memberships (group_id, member_id, role) VALUES (\(ground.group), 'anna', 'viewer')")
        func events() async throws -> Int {
            try await Contents.read(ground.database)
                .filter { $0.hasPrefix("events") && $0.contains("USER_SELF_REGISTERED") }.count
        }
        try await Sweep(ground: ground) {
        } operation: { database, _ in
            try await repeatUntilDone { try await UserStore(database).noteSignIn(of: "anna", granted: [.random()]) }
        }.run()
        #expect(try await events() == 1)
        let users = UserStore(ground.database)
        for (user, granted, expected) in [
            ("anna", [ground.group], 1), ("ben", [.random()], 1), ("ben", [ground.group], 1),
            ("eve", [ground.group], 2),
        ] as [(String, [EntityID], Int)] {
            try await users.noteSignIn(of: user, granted: granted)
            #expect(try await events() == expected, "\(user)")
        }
        await ground.proxy.stop()
    }

    @Test("of a user's metadata are noted for each change, in the groups that they are a member of")
    func metadata() async throws {
        let ground = try await Ground()
        try await ground.execute("UPDATE webhooks SET trigger = 'USER_META_UPDATED' WHERE id = \(ground.plain.id)")
        try await ground.execute(
            "INSERT INTO memberships (group_id, member_id, role) VALUES (\(ground.group), 'anna', 'viewer')")
        let users = UserStore(ground.database)
        let mail = try #require(MailAddress("anna@example.com"))
        let changes: [(user: String, email: MailAddress?, metadata: String?, events: Int)] = [
            ("anna", nil, nil, 0), ("anna", nil, #"{"n":1.50}"#, 1), ("anna", mail, #"{"n":1.50}"#, 1),
            ("anna", nil, nil, 1), ("anna", nil, "{}", 2), ("ben", nil, #"{"n":1}"#, 2),
        ]
        for (user, email, metadata, expected) in changes {
            try await users.save(user, email: email, metadata: metadata)
            let found = try await Contents.read(ground.database)
                .filter { $0.hasPrefix("events") && $0.contains("USER_META_UPDATED") }
            #expect(found.count == expected, "\(user) \(metadata ?? "none")")
        }
        await ground.proxy.stop()
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
