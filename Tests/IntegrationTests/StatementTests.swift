import LocalServices
import TestSupport
import Testing

/// What holds of statements wherever in the sources they stand.
@Suite("Statements")
struct StatementTests {
    /// Tables whose rows are about a webhook, and the column of its group.
    private static let columns = [
        "deliveries": "group_id", "delivery_batches": "group_id", "attempts": "group_id", "attempt_batches": "group_id",
        "skips": "group_id", "webhook_counters": "webhook_group_id", "condition_memory": "group_id",
        "thinned_things": "group_id",
    ]

    @Test("that write a row about a webhook say its group, and leave it to no trigger", arguments: Self.columns)
    func groups(_ table: String, _ column: String) async throws {
        let files = try await ChildProcess.complete(
            "find", ["\(HooklineProcess.root)/Sources", "-name", "*.swift"]
        ).split(separator: "\n")
        var found = 0
        for file in files {
            let text = try #require(Files.read(String(file)))
            for statement in text.split(separator: "INSERT INTO \(table)", omittingEmptySubsequences: false).dropFirst()
            where statement.first?.isWhitespace == true {
                found += 1
                let list = statement.prefix { $0 != ")" }
                #expect(list.split { !$0.isLetter && $0 != "_" }.contains { $0 == column }, "\(file): \(list)")
            }
        }
        #expect(found > 0)
    }
}
