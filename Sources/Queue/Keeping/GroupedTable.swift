internal import Domain
internal import Postgres

/// A table of rows about webhooks, each of which says which group its webhook is of. Rows that were written before there was such a
/// column have none until they are filled in.
enum GroupedTable: String, Sendable, CaseIterable {
    case deliveries, skips, attempts
    case batches = "delivery_batches"
    case counters = "webhook_counters"
    case stats = "webhook_stats"
    case memory = "condition_memory"
    case thinned = "thinned_things"
    case attemptBatches = "attempt_batches"

    /// A column of a key, and what is before all that it can be.
    private typealias Column = (name: String, type: String, first: String)

    /// What tells its rows apart, in the order of the index; empty for a log, whose rows are over before long.
    private var key: [Column] {
        let webhook: Column = ("webhook_key", "int", "-1")
        let thing: Column = ("thing_id", "uuid", "\(Message.noThing)")
        return switch self {
        case .deliveries: [("message_id", "bigint", "-1"), webhook]
        case .batches: [("batch_id", "bigint", "-1"), webhook, ("first_message_id", "bigint", "-1")]
        case .counters: [webhook]
        case .stats: [webhook, ("period", #""char""#, "m"), ("start", "timestamptz", "-infinity")]
        case .memory: [webhook, thing, ("rule", "smallint", "-1")]
        case .thinned: [webhook, thing]
        case .attempts, .attemptBatches, .skips: []
        }
    }

    /// The column of its group.
    var group: String { self == .counters ? "webhook_group_id" : "group_id" }
    private var groupColumn: Query { Query(stringLiteral: self.group) }
    /// Whether a row lacks its group.
    var lacks: Query { "\(self.groupColumn) IS NULL" }

    /// Of a log: the column of the time that its partitions go by.
    private var time: String? {
        switch self {
        case .attempts, .skips: "at"
        case .attemptBatches: "last_at"
        case .deliveries, .batches, .counters, .stats, .memory, .thinned: nil
        }
    }

    var isLog: Bool { self.time != nil }
    var name: Query { Query(stringLiteral: self.rawValue) }

    private func each(_ separator: String, _ text: (Column) -> String) -> Query {
        Query(stringLiteral: self.key.map(text).joined(separator: separator))
    }

    private var columns: Query { self.each(", ") { $0.name } }

    /// Behind which all rows are, as an array of texts.
    var start: String { "{\(self.key.map(\.first).joined(separator: ","))}" }

    /// A key that stands as an array of texts, as a row.
    private func row(_ key: String) -> Query {
        let values = self.key.enumerated().map { index, column in
            "\("(\(key)::text[])[\(Int32(index + 1))]" as Query)::\(Query(stringLiteral: column.type))" as Query
        }
        return values.dropFirst().reduce(values[0]) { "\($0), \($1)" }
    }

    // MARK: Statements

    /// The last key of a part, as an array of texts; how many rows the part has, and how many of them have no group.
    func part(behind: String, _ most: Int64) -> Query {
        """
        WITH part AS MATERIALIZED (
            SELECT ARRAY[\(self.each(", ") { "\($0.name)::text" })] AS key, \(self.lacks) AS lacks,
                row_number() OVER (ORDER BY \(self.columns)) AS place
            FROM \(self.name) WHERE (\(self.columns)) > (\(self.row(behind))) ORDER BY \(self.columns) LIMIT \(most))
        SELECT key::text, place, (SELECT count(*) FROM part WHERE lacks) FROM part ORDER BY place DESC LIMIT 1
        """
    }

    /// Fills in what a part lacks, but for what somebody has locked: nobody is waited for.
    func filling(behind: String, last: String) -> Query {
        """
        UPDATE \(self.name) AS d SET \(self.groupColumn) = r.found FROM (
            SELECT \(self.columns), group_of_webhook(t.webhook_key) AS found
            FROM \(self.name) AS t WHERE (\(self.columns)) > (\(self.row(behind))) AND (\(self.columns)) <= (\(self.row(last)))
                AND \(self.lacks)
            ORDER BY \(self.columns) FOR UPDATE OF t SKIP LOCKED) AS r
        WHERE \(self.each(" AND ") { "d.\($0.name) = r.\($0.name)" })
        """
    }

    /// Whether a log has rows that lack it, among those of before it was there: later partitions are not read. A day more, for clocks that
    /// differ.
    var look: Query {
        """
        SELECT EXISTS (SELECT FROM \(self.name) WHERE \(self.lacks) AND \(Query(stringLiteral: self.time ?? "now()"))
            < (SELECT began_at + interval '1 day' FROM group_fillings WHERE relation = \(self.rawValue)))
        """
    }

    /// Asks that every row have one, of those that are written from now on. Once it is known of all, the column itself says it.
    var demand: String {
        // It may be there, if whoever asked for it ended before it was known of all.
        """
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = '\(self.rawValue)'::regclass AND conname = 'has_group') THEN
                ALTER TABLE \(self.rawValue) ADD CONSTRAINT has_group CHECK (\(self.group) IS NOT NULL) NOT VALID;
            END IF;
        END $$
        """
    }
    var validation: String { "ALTER TABLE \(self.rawValue) VALIDATE CONSTRAINT has_group" }
    var completion: String {
        """
        ALTER TABLE \(self.rawValue) ALTER COLUMN \(self.group) SET NOT NULL;
        ALTER TABLE \(self.rawValue) DROP CONSTRAINT has_group
        """
    }
    var withdrawal: String { "ALTER TABLE \(self.rawValue) DROP CONSTRAINT IF EXISTS has_group" }
}
