internal import LocalServices

/// How large every table and every index is, and how much there is to do.
struct TableSizes {
    private struct Relation {
        let name: String
        let isIndex: Bool
        /// Of a table with what is stored beside it.
        let bytes: Int

        /// What is kept for days whether it is needed or not.
        private static let kept = ["attempt", "messages", "skips", "source_log", "webhook_stats", "group_stats"]
        var isKept: Bool { Self.kept.contains { self.name.hasPrefix($0) } }
    }

    private let relations: [Relation]
    /// Deliveries that are not done.
    private let waiting: Int

    static func look(at postgres: LocalPostgres) async throws -> TableSizes {
        let rows = try await postgres.psql(
            """
            SELECT relname, relkind, CASE relkind WHEN 'i' THEN pg_relation_size(oid) ELSE pg_table_size(oid) END AS bytes
            FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') ORDER BY bytes DESC, relname
            """)
        let waiting = try await postgres.psql(
            """
            SELECT (SELECT count(*) FROM deliveries) + (SELECT coalesce(sum(deliveries), 0) FROM delivery_batches)
            """)
        let relations = rows.split(separator: "\n").compactMap { line -> Relation? in
            let fields = line.split(separator: "|")
            guard fields.count == 3, let bytes = Int(fields[2]) else { return nil }
            return Relation(name: String(fields[0]), isIndex: fields[1] == "i", bytes: bytes)
        }
        return TableSizes(relations: relations, waiting: Int(waiting) ?? 0)
    }

    /// Those that are not next to nothing.
    var text: String {
        let sizes = self.relations.filter { $0.bytes >= Self.small }.map {
            "\($0.name)\($0.isIndex ? " (index)" : "") \(Self.mebibytes($0.bytes))"
        }
        return "  \(self.waiting) waiting; MiB: " + sizes.joined(separator: ", ")
    }

    private static let small = 128 * 1_024
    private static let bound = 1_024 * 1_024
    /// What a delivery that waits may take in an index, and in a table besides its payload.
    private static let (waitingEntry, waitingRow) = (64, 512)

    /// What has grown, and by more than what waits can account for.
    ///
    /// - Parameter payload: the bytes of one.
    func growth(since earlier: TableSizes, payload: Int) -> String {
        let before = Dictionary(earlier.relations.map { ($0.name, $0.bytes) }) { first, _ in first }
        let more = max(0, self.waiting - earlier.waiting)
        var lines = ["  in the second half \(more) came to wait"]
        var growing = 0
        for relation in self.relations {
            let growth = relation.bytes - (before[relation.name] ?? 0)
            guard growth >= Self.small else { continue }
            let bound = Self.bound + more * (relation.isIndex ? Self.waitingEntry : Self.waitingRow + payload)
            let verdict = relation.isKept ? "kept for days" : growth <= bound ? "what waits" : "GROWS"
            if verdict == "GROWS" { growing += 1 }
            lines.append("  \(relation.name)  +\(Self.mebibytes(growth)) MiB  \(verdict)")
        }
        return (lines + [growing == 0 ? "  flat" : "  not flat: \(growing) grow"]).joined(separator: "\n")
    }

    private static func mebibytes(_ bytes: Int) -> String { rounded(Double(bytes) / 1_048_576, 1) }
}

/// What PostgreSQL has written so far.
struct WrittenBytes {
    var wal = 0
    /// In the log of attempts, with its indexes.
    var log = 0

    static func look(at postgres: LocalPostgres) async throws -> WrittenBytes {
        let row = try await postgres.psql(
            """
            SELECT pg_current_wal_insert_lsn() - '0/0', (
                SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname LIKE 'attempt%')
            """)
        let fields = row.split(separator: "|").compactMap { Int($0) }
        guard fields.count == 2 else { throw LocalServiceError("PostgreSQL does not say what it has written: \(row)") }
        return WrittenBytes(wal: fields[0], log: fields[1])
    }

    static func - (now: WrittenBytes, before: WrittenBytes) -> WrittenBytes {
        WrittenBytes(wal: now.wal - before.wal, log: now.log - before.log)
    }
}
