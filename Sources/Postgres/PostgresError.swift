/// Why something asked of PostgreSQL did not happen.
package struct PostgresError: Error, Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// No connection could be made, or the server refused it.
        case connect
        /// The connection broke; whether the statement took effect is unknown.
        case connectionLost
        /// The deadline passed. The connection is closed, because its answer would arrive later.
        case timeout
        /// The server answered with an error; `sqlState` says which.
        case server
        /// A value came in another shape than the code expects.
        case decoding
        /// No connection of the pool became free in time, or too many are waiting for one already.
        case poolExhausted
        /// A migration was edited after it had been applied, or the database is newer than this program.
        case migration
        /// The connection string is not one.
        case configuration
    }

    package let kind: Kind
    /// What happened, in the server's or libpq's words. It may quote data: log it, never show it to a caller.
    package let message: String
    /// The five characters of appendix A of the PostgreSQL manual, if the server answered.
    package let sqlState: SQLState?
    /// The constraint that a row would have broken, if the server named one.
    package let constraint: String?

    package init(_ kind: Kind, _ message: String, sqlState: SQLState? = nil, constraint: String? = nil) {
        self.kind = kind
        self.message = message
        self.sqlState = sqlState
        self.constraint = constraint
    }

    /// Whether the same call may succeed later without anybody changing it: the server is away, restarting or busy.
    package var isTransient: Bool {
        switch self.kind {
        case .connect, .connectionLost, .timeout, .poolExhausted: true
        case .server: self.sqlState?.isTransient ?? false
        case .decoding, .migration, .configuration: false
        }
    }
}

extension PostgresError {
    /// Whether the values of a row are at fault: classes 22 (data) and 23 (constraints), and nothing else.
    package var isDataFault: Bool {
        self.kind == .server && (self.sqlState.map { ["22", "23"].contains($0.code.prefix(2)) } ?? false)
    }
}

extension PostgresError: CustomStringConvertible {
    package var description: String {
        let state = self.sqlState.map { " [\($0.code)]" } ?? ""
        return "PostgreSQL \(self.kind)\(state): \(self.message)"
    }
}

/// A five-character error code (PostgreSQL manual, appendix A).
package struct SQLState: Sendable, Equatable {
    package let code: String
    package init(_ code: String) { self.code = code }

    package static let uniqueViolation = SQLState("23505")
    package static let foreignKeyViolation = SQLState("23503")
    package static let checkViolation = SQLState("23514")
    package static let undefinedTable = SQLState("42P01")
    /// A text with a zero byte, as text and inside of JSON.
    package static let characterNotInRepertoire = SQLState("22021")
    package static let untranslatableCharacter = SQLState("22P05")

    /// Classes 08 (connection), 53 (resources), 57 (operator intervention) and 40 (rollback, e.g. deadlock).
    var isTransient: Bool {
        ["08", "53", "57", "40"].contains(self.code.prefix(2))
    }
}
