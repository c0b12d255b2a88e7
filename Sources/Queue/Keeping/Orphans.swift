internal import Domain
internal import Postgres

/// Rows about webhooks or sources that are gone: such as were written just when these were removed. They say a number, which is given
/// out once.
///
/// Which numbers a table says is read first, and then which of them there are, rather than comparing the tables with each other: a
/// number is looked at once, however many rows say it, and the tables may be on several servers.
struct Orphans: Sendable {
    let table: Query
    /// What its rows are about.
    let owners: Owners
    /// Rows that may be removed, as what follows a `WHERE`.
    var condition: Query = "true"

    enum Owners: Sendable {
        case webhooks, sources

        var table: Query { self == .webhooks ? "webhooks" : "sources" }
        /// The column of their numbers in tables about them.
        var column: Query { self == .webhooks ? "webhook_key" : "source_key" }
    }

    var name: String { "\(self.table.sql) of \(self.owners.table.sql) that are gone" }

    /// - Parameter timeout: of each statement.
    /// - Returns: how many rows were removed.
    func remove(timeout: Duration, on db: isolated Connection) throws -> Int {
        var look: Query = "SELECT DISTINCT \(self.owners.column) FROM \(self.table) WHERE \(self.condition)"
        look.timeout = timeout
        let numbers = try db.query(look) { try $0.int32(0) }
        guard !numbers.isEmpty else { return 0 }
        // Whoever wrote about one had found it there, so it was there before the first look.
        let present = try db.query("SELECT key FROM \(self.owners.table) WHERE key = ANY(\(numbers))") {
            try $0.int32(0)
        }
        let gone = Set(numbers).subtracting(present)
        guard !gone.isEmpty else { return 0 }
        var removal: Query = """
            DELETE FROM \(self.table) WHERE \(self.owners.column) = ANY(\(gone.sorted())) AND \(self.condition)
            """
        removal.timeout = timeout
        return try db.execute(removal)
    }
}

/// A step of a sweep.
enum Sweeping: Sendable {
    case statement(Query)
    case orphans(Orphans)

    /// - Returns: how many rows were removed.
    func carryOut(on db: isolated Connection) throws -> Int {
        let timeout = Duration.seconds(300)
        switch self {
        case .statement(var statement):
            statement.timeout = timeout
            return try db.execute(statement)
        case .orphans(let orphans):
            return try orphans.remove(timeout: timeout, on: db)
        }
    }
}
