import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("What goes back to the database because a receiver hangs")
    struct GivingBackTests {
        @Test("goes out before what was being committed just then, and had its room before")
        func order() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                try await installation.addWebhook("hangs", receiver.url())
                // Longer than a lane waits before it gives back what it has.
                receiver.set(.delay(.seconds(6)))
                try await installation.publish(1...10)
                try await waitUntil("the first request") { receiver.requests.count == 1 }
                receiver.set(.answer(200))
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        // No commit comes through before something waits in the database.
                        _ = try await installation.sql(
                            """
                            BEGIN; LOCK TABLE messages, transient_messages IN SHARE MODE;
                            DO $$ BEGIN FOR i IN 1..100 LOOP
                                EXIT WHEN EXISTS (SELECT FROM delivery_batches WHERE leased_by IS NULL);
                                PERFORM pg_sleep(0.05);
                            END LOOP; END $$; COMMIT
                            """)
                    }
                    try await waitUntil("the lock") {
                        try await installation.sql(
                            """
                            SELECT count(*) FROM pg_locks
                            WHERE relation = 'transient_messages'::regclass AND mode = 'ShareLock' AND granted
                                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                            """) != "0"
                    }
                    try await installation.publish(11...12)
                    try await group.waitForAll()
                }
                try await waitUntil("all to be sent") { receiver.requests.count >= 12 }
                #expect(receiver.requests.map(\.body) == (1...12).map { #"{"n":\#($0)}"# })
            }
            await receiver.stop()
        }
    }
}
