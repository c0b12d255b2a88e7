internal import Domain
internal import Postgres
internal import Values

/// A table with one partition for so many days, named `<table>_d<days from 1970 to its first>`, and one for what belongs to no
/// other.
enum PartitionedTable: String, Sendable, CaseIterable {
    case messages, attempts, skips, audit
    case attemptBatches = "attempt_batches"
    case sourceLog = "source_log"

    /// The days that an id of a message can tell.
    static let days: Range<Int64> =
        DayNumber.of(
            milliseconds: MessageID.epochMilliseconds)..<DayNumber.of(
            milliseconds: MessageID.epochMilliseconds + 1 << 41)

    /// How many days a partition holds. What is little and kept for long has few of them.
    var span: Int64 { self == .audit ? 7 : 1 }

    func name(of day: Int64) -> String { "\(self.rawValue)_d\(day)" }
    var defaultName: String { "\(self.rawValue)_default" }

    private var key: String {
        switch self {
        case .messages: "id"
        case .attemptBatches: "last_at"
        case .attempts, .skips, .sourceLog, .audit: "at"
        }
    }

    /// Where a day begins. Partition bounds cannot be bound as values; these are numbers of our own.
    private func start(of day: Int64) -> String {
        switch self {
        case .messages:
            "\(MessageID.first(at: Instant(clampingMilliseconds: day.multiplied(by: DayNumber.milliseconds))).rawValue)"
        case .attempts, .attemptBatches, .skips, .sourceLog, .audit: "to_timestamp(\(day) * 86400.0)"
        }
    }

    /// Of a row: the day that it belongs to.
    var rowDay: Query {
        switch self {
        case .messages:
            """
            (id / \(MessageID.perMillisecond) + \(MessageID.epochMilliseconds)) / \(DayNumber.milliseconds)
            """
        case .attempts, .attemptBatches, .skips, .sourceLog, .audit:
            "floor(extract(epoch FROM \(Query(stringLiteral: self.key))) / 86400)::bigint"
        }
    }

    /// Of the partition that begins with this one.
    func days(from day: Int64) -> Range<Int64> { day..<day + self.span }

    /// Whether a row is of one of these days.
    func holds(_ days: Range<Int64>) -> String {
        "\(self.key) >= \(self.start(of: days.lowerBound)) AND \(self.key) < \(self.start(of: days.upperBound))"
    }

    // MARK: Statements

    /// Makes the table for a day, which is not a partition yet: nobody waits for that. The constraint spares a reading of
    /// what is moved into it, and goes once it is a partition.
    func creation(of day: Int64) -> String {
        """
        CREATE TABLE \(self.name(of: day)) (LIKE \(self.rawValue) INCLUDING ALL,
            CONSTRAINT of_the_day CHECK (\(self.holds(self.days(from: day)))))
        """
    }

    func attachment(of day: Int64) -> String {
        """
        ALTER TABLE \(self.rawValue) ATTACH PARTITION \(self.name(of: day))
            FOR VALUES FROM (\(self.start(of: day))) TO (\(self.start(of: day + self.span)));
        ALTER TABLE \(self.name(of: day)) DROP CONSTRAINT of_the_day
        """
    }

    /// Moves a day's rows out of the default partition.
    func move(of day: Int64) -> Query {
        """
        WITH moved AS (DELETE FROM \(Query(stringLiteral: self.defaultName))
            WHERE \(Query(stringLiteral: self.holds(self.days(from: day)))) RETURNING *)
        INSERT INTO \(Query(stringLiteral: self.name(of: day))) SELECT * FROM moved
        """
    }

    /// Removes some of the default partition's rows of days that nobody keeps, but no message that a delivery waits for:
    /// it may be of an instance whose clock is behind.
    func removal(before day: Int64, count: Int64) -> Query {
        let table = Query(stringLiteral: self.defaultName)
        let unneeded: Query =
            self == .messages
            ? """
            AND NOT EXISTS (SELECT FROM deliveries AS d WHERE d.message_id = t.id)
            AND NOT EXISTS (SELECT FROM (SELECT remaining_messages(message_ids, done) AS id FROM delivery_batches
                                          WHERE is_kept) AS b WHERE b.id = t.id)
            """ : ""
        let isOld = Query(stringLiteral: "\(self.key) < \(self.start(of: day))")
        return """
            DELETE FROM \(table) WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM \(table) AS t WHERE \(isOld) \(unneeded) LIMIT \(count)))
            """
    }
}

extension MessageID {
    /// ``first(at:)`` of a time that the database knows.
    static func first(at time: Query) -> Query {
        """
        (greatest(0, floor(extract(epoch FROM \(time)) * 1000)::bigint - \(Self.epochMilliseconds)) * \(Self.perMillisecond))
        """
    }
}
