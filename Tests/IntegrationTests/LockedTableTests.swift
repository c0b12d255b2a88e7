import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Who asks the API for what is in a table that somebody holds locked")
    struct LockedTableTests {
        @Test("is told so in time, and served when it is over")
        func locked() async throws {
            try await Installation.with { installation, _ in
                let path = "/groups/\(installation.group)/sources"
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        // For longer than a call of the API waits, and less than any statement may take.
                        _ = try await installation.sql(
                            "BEGIN; LOCK TABLE sources IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(20); COMMIT")
                    }
                    try await waitUntil("the lock") {
                        try await installation.sql(
                            """
                            SELECT count(*) FROM pg_locks
                            WHERE relation = 'sources'::regclass AND mode = 'AccessExclusiveLock' AND granted
                            """) == "1"
                    }
                    let answer = try await installation.api.call("GET", path)
                    #expect(answer.status == 503, "\(answer.body)")
                    #expect(answer.headers["retry-after"].flatMap { Int($0) } ?? 0 > 0)
                    #expect(answer.value(of: "error")?.contains("a table is locked") == true, "\(answer.body)")
                    // What is beside it is answered as ever.
                    #expect(try await installation.api.call("GET", "/groups/\(installation.group)").status == 200)
                    try await group.waitForAll()
                }
                #expect(try await installation.api.call("GET", path).status == 200)
            }
        }
    }
}
