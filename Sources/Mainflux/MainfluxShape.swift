internal import Postgres

/// A database that does not look as one of Mainflux does.
package struct MainfluxShapeError: Error, Sendable, CustomStringConvertible {
    /// The column that was looked for, as `table.column`.
    package let missing: String

    package var description: String {
        "it has no column \(self.missing): not the database of a Mainflux service from v0.19 on"
    }
}

enum MainfluxColumns {
    /// As `table.column`.
    static func read(_ pool: Pool) async throws -> Set<String> {
        Set(
            try await pool.withConnection { db in
                try db.query(
                    """
                    SELECT table_name || '.' || column_name FROM information_schema.columns
                    WHERE table_schema = ANY(current_schemas(false))
                    """
                ) { try $0.string(0) }
            })
    }
}
