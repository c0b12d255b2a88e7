import TestSupport

@testable import Postgres

/// To a database of its own.
func connect() async throws -> Connection {
    try await Connection.connect(to: Endpoint(try await SharedPostgres.shared.makeDatabase()), logger: silentLogger)
}

extension Connection {
    func rows<T: Sendable>(_ query: Query, _ decode: @Sendable (borrowing Row) throws -> T) throws -> [T] {
        try self.query(query, decode)
    }

    func tryTransaction<T: Sendable>(_ body: @Sendable (isolated Connection) throws -> T) throws -> T {
        try self.transaction(body)
    }
}
