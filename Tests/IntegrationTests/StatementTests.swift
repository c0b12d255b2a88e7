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

    @Test("that write over a row name its key, and not the columns of it, which the build before may know as others")
    func keys() async throws {
        let root = "\(HooklineProcess.root)/Sources/"
        var named = 0
        for file in try await ChildProcess.complete("find", [root, "-name", "*.swift"]).split(separator: "\n") {
            for statement in Self.literals(of: try #require(Files.read(String(file)))) {
                let insertion = /INSERT INTO (?<table>[a-z_]+)/
                let tables = statement.matches(of: insertion).map { String($0.output.table) }
                guard tables.contains(where: { Self.columns[$0] != nil || $0 == "webhook_stats" }) else { continue }
                #expect(!statement.contains("ON CONFLICT ("), "\(file): \(statement)")
                if statement.contains("ON CONFLICT ON CONSTRAINT") { named += 1 }
            }
        }
        #expect(named >= 5)
    }

    /// Statements that are about rows of whatever group, by the file that they are in: how many, and why.
    private static let acrossGroups: [String: (count: Int, reason: String)] = [
        "Journal/QueueExtentStore.swift": (1, "how much waits, of all"),
        "Load/TableSizes.swift": (1, "how much waits, of all"),
        "Queue/Claim/DeliveryStore.swift": (1, "which webhooks have something waiting, of all"),
        "Queue/Claim/LeaseAudit.swift": (4, "what a session holds, of whomever"),
        "Queue/Sessions/SessionStore.swift": (3, "what sessions hold that are over, of whomever"),
        "Queue/Commit/Strangers.swift": (2, "whether an id is somebody else's, who may be of any group"),
        "Queue/Commit/IntakeStore.swift": (4, "what a session takes back of its own, by ids that are its own"),
        "Queue/Keeping/ClockSetBack.swift": (2, "a sweep"),
        "Queue/Keeping/HousekeepingStore.swift": (4, "sweeps, and how much waits, of all"),
        "Queue/Keeping/PartitionedTable.swift": (1, "what a day's messages are needed for, of all"),
        "Queue/Keeping/PayloadSweep.swift": (1, "a sweep"),
        "Queue/Keeping/Waiting.swift": (2, "a sweep"),
        "Queue/Keeping/Removal.swift": (1, "sweeps of what is left of webhooks and groups that are gone"),
        "Queue/Keeping/ErasureSteps.swift": (5, "what is left of a webhook that is gone, whose rows may be no group's"),
        "Registry/ThingMove.swift": (2, "what is remembered of a thing in the group that it leaves"),
        "Journal/DeliveryHistory.swift": (2, "messages that are shown, by their ids"),
        "Journal/LogStatement.swift": (2, "messages whose things are shown, by their ids"),
        "Journal/LogStore.swift": (1, "messages that are searched, by their ids"),
        "Journal/MessageStore.swift": (1, "messages that are shown, by their ids"),
        "Queue/Replay/Replay.swift": (1, "messages that are shown, by their ids"),
        "Queue/Replay/ResendStates.swift": (1, "messages that were found in the group, by their ids"),
        "Queue/Replay/ResendStore.swift": (1, "where what is kept begins, of all"),
        "Queue/Replay/ResendWalk.swift": (3, "what is looked through by ids, and then chosen by its group"),
    ]

    @Test("that read or change rows about webhooks say which group's, but for those that are about all")
    func equalities() async throws {
        let tables = [
            "messages", "transient_messages", "waiting_messages", "waiting_batches", "webhook_stats", "group_stats",
        ].reduce(into: Set(Self.columns.keys)) { $0.insert($1) }
        let root = "\(HooklineProcess.root)/Sources/"
        var lacking: [String: Int] = [:]
        var found = 0
        for file in try await ChildProcess.complete("find", [root, "-name", "*.swift"]).split(separator: "\n") {
            let text = try #require(Files.read(String(file)))
            for statement in Self.literals(of: text) {
                let count = Self.mentions(of: tables, in: statement)
                guard count > 0 else { continue }
                found += 1
                if Self.equalities(in: statement) < count {
                    lacking[String(file.dropFirst(root.count)), default: 0] += 1
                }
            }
        }
        #expect(found > 100)
        for file in Set(lacking.keys).union(Self.acrossGroups.keys) {
            #expect(lacking[file] == Self.acrossGroups[file]?.count, "\(file)")
        }
    }

    /// What stands between quotation marks, with what is put into it.
    private static func literals(of text: String) -> [Substring] {
        func isBetween(_ part: (offset: Int, element: Substring)) -> Bool { !part.offset.isMultiple(of: 2) }
        return text.split(separator: "\"\"\"", omittingEmptySubsequences: false).enumerated().flatMap { part in
            if isBetween(part) { return [part.element] }
            return part.element.split(separator: "\n").flatMap { line in
                line.split(separator: "\"", omittingEmptySubsequences: false).enumerated().filter(isBetween).map(
                    \.element)
            }
        }
    }

    /// How often rows of one of the tables are read or changed.
    private static func mentions(of tables: Set<String>, in statement: Substring) -> Int {
        let mention = /\b(?:FROM|JOIN|UPDATE|USING)\s+(?:ONLY\s+)?(?<table>[a-z_]+)/
        return statement.matches(of: mention).count(where: { tables.contains(String($0.output.table)) })
    }

    /// How often a group is said: by itself, together with a webhook, or by what two tables have in common.
    private static func equalities(in statement: Substring) -> Int {
        statement.matches(of: /group_id\s*(?:=|IN\b)|isOfRow|groupOfRow|USING \(id, group_id\)/).count
    }
}
