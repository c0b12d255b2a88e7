/// Why something asked of PostgreSQL did not happen.
package struct PostgresError: Error, Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// No connection could be made.
        case connect
        /// A server answered, and did not let us in; `refusal` says why.
        case refused
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
    /// The server's own words, if it did not let us in.
    package let refusal: String?

    package init(
        _ kind: Kind, _ message: String, sqlState: SQLState? = nil, constraint: String? = nil, refusal: String? = nil
    ) {
        self.kind = kind
        self.message = message
        self.sqlState = sqlState
        self.constraint = constraint
        self.refusal = refusal
    }

    /// Whether the same call may succeed later without anybody changing it: the server is away, restarting, busy, or
    /// not the one that takes changes.
    package var isTransient: Bool {
        switch self.kind {
        case .connect, .refused, .connectionLost, .timeout, .poolExhausted: true
        case .server: self.sqlState?.isTransient ?? false
        case .decoding, .migration, .configuration: false
        }
    }

    /// Whether the values that were sent are at fault, and nothing else: the server looked at them and refused them by
    /// their content (classes 22 and 23). The same statement with other values may well succeed now.
    package var isDataFault: Bool {
        self.kind == .server && ["22", "23"].contains(self.sqlState?.code.prefix(2))
    }

    /// What the server itself said, if it said something.
    package var serverWords: String? { self.kind == .server ? self.message : self.refusal }
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
    package static let readOnlyTransaction = SQLState("25006")
    /// The role has not the rights.
    package static let insufficientPrivilege = SQLState("42501")
    /// No schema of the search path is there, or may be used.
    package static let invalidSchemaName = SQLState("3F000")
    package static let inFailedTransaction = SQLState("25P02")
    /// `lock_timeout` was over.
    package static let lockNotAvailable = SQLState("55P03")
    package static let deadlockDetected = SQLState("40P01")

    /// Classes 08 (connection), 53 (resources), 57 (operator intervention) and 40 (rollback, e.g. deadlock).
    var isTransient: Bool {
        ["08", "53", "57", "40"].contains(self.code.prefix(2))
            || [.lockNotAvailable, .readOnlyTransaction].contains(self)
    }

    /// Whether the connection that it came on is no good any more, although it may be open: the server is going down
    /// (57P…) or has lost touch (08), has become read-only, or does not have the statements that were prepared,
    /// because a pooler stands between (26000, 42P05) or the schema has changed (0A000).
    var endsConnection: Bool {
        self.code.hasPrefix("57P") || self.code.hasPrefix("08")
            || ["25006", "26000", "42P05", "0A000"].contains(self.code)
    }
}
