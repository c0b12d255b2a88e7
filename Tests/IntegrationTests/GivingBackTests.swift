import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("What goes back to the database because a receiver hangs")
    struct GivingBackTests {
        private static let ofTable = """
            SELECT count(*) FROM pg_locks WHERE relation = 'delivery_batches'::regclass
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """

        /// When so many deliveries are there, holds up what is written of any: until something goes back, and another message is being
        /// committed, so that both come through at the same moment.
        private static func hold(behind deliveries: Int) -> String {
            """
            DO $$ BEGIN
                WHILE \(deliveries) > (SELECT coalesce(sum(deliveries), 0) FROM delivery_batches) LOOP
                    PERFORM pg_sleep(0.01);
                END LOOP;
                LOCK TABLE delivery_batches IN SHARE MODE;
                FOR i IN 1..100 LOOP
                    EXIT WHEN 2 <= (\(Self.ofTable) AND NOT granted);
                    PERFORM pg_sleep(0.05);
                END LOOP;
            END $$
            """
        }

        @Test("goes out before what was being committed just then, and had its room before")
        func order() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                try await installation.addWebhook("hangs", receiver.url())
                // Longer than a lane waits before it gives back what it has.
                receiver.set(.delay(.seconds(6)))
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { _ = try await installation.sql(Self.hold(behind: 10)) }
                    group.addTask { try await installation.publish(1...10) }
                    try await waitUntil("the first request") { receiver.requests.count == 1 }
                    receiver.set(.answer(200))
                    // Where this is too slow to see it, all has gone out by now, and the order is the same.
                    try await waitUntil("the lock") {
                        let locks = try await installation.sql("\(Self.ofTable) AND mode = 'ShareLock' AND granted")
                        return locks == "1" || receiver.requests.count > 1
                    }
                    // One alone: more would go back for being more than is worth holding.
                    try await installation.publish(11...11)
                    try await group.waitForAll()
                }
                try await waitUntil("all to be sent") { receiver.requests.count >= 11 }
                #expect(receiver.requests.map(\.body) == (1...11).map { #"{"n":\#($0)}"# })
            }
            await receiver.stop()
        }
    }
}
