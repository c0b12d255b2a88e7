internal import Postgres
internal import Schema

/// Rows that are made at once, all or none.
enum TakenName {
    /// Makes them. Of a name that is taken it says of which row it is (`[2].name`), as other faults of rows say it.
    ///
    /// - Parameters:
    ///   - names: of the rows, in their order.
    ///   - present: the names that there are where the rows are to be, as a column `name`.
    /// - Throws: ``StorageError``; without a row if the name is free again by the time that it is looked for.
    static func locating<T: Sendable>(
        _ names: [String], among present: Query, on pool: Pool, _ make: @Sendable () async throws -> T
    ) async throws -> T {
        do { return try await StorageError.translate(make) } catch StorageError.duplicate(field: "name") {
            let row = try await pool.withConnection { db in
                try db.query(
                    """
                    SELECT g.place - 1 FROM (
                        SELECT *, row_number() OVER (PARTITION BY name ORDER BY place) AS nth
                        FROM unnest(\(names)) WITH ORDINALITY AS r (name, place)) AS g
                    WHERE g.nth > 1 OR EXISTS (SELECT FROM (\(present)) AS p WHERE p.name = g.name)
                    ORDER BY g.place LIMIT 1
                    """
                ) { try $0.int64(0) }.first
            }
            throw StorageError.duplicate(field: row.map { "[\($0)].name" } ?? "name")
        }
    }
}
