package import Postgres

extension Page {
    /// A page ends behind the row with which it has so many bytes: large ones are shown a few at a time.
    package static var mostBytes: Int64 { 4 * 1024 * 1024 }
}

extension Query {
    /// The rows of a page and one more if there is one, but no more than have ``Page/mostBytes`` together, and one at least.
    /// What is left out is not read, only measured. The last column is whether something was.
    ///
    /// - Parameters:
    ///   - rows: `FROM … ORDER BY …`.
    ///   - size: how many bytes are read of a row; nil if that does not matter.
    package static func page(
        _ columns: Query, of rows: Query, size: Query?, limit: Int64, offset: Int64
    ) -> Query {
        let part: Query = "LIMIT \(limit + 1) OFFSET \(offset)"
        guard let size else { return "SELECT \(columns), false \(rows) \(part)" }
        return """
            WITH fitting AS (
                SELECT count(*) FILTER (WHERE before < \(Page<Int>.mostBytes)) AS fits, count(*) AS found FROM (
                    SELECT sum(bytes) OVER (ROWS UNBOUNDED PRECEDING) - bytes AS before
                    FROM (SELECT \(size) AS bytes \(rows) \(part)) AS sizes) AS sums)
            SELECT *, (SELECT found > fits FROM fitting) FROM (SELECT \(columns) \(rows) \(part)) AS page
            LIMIT (SELECT fits FROM fitting)
            """
    }
}
