internal import Postgres

/// Tells an outage from a mistake, for those who may not know PostgreSQL's errors.
package enum DatabaseAvailability {
    package static func isOutage(_ error: any Error) -> Bool {
        (error as? PostgresError)?.isTransient ?? false
    }

    /// Whether the database refuses what was asked for the values in it, and for nothing else.
    package static func isDataFault(_ error: any Error) -> Bool {
        (error as? PostgresError)?.isDataFault ?? false
    }

    /// Whether a text that a caller sent has a zero byte, which no text of the database can have.
    package static func isZeroByte(_ error: any Error) -> Bool {
        let state = (error as? PostgresError)?.sqlState
        return state == .characterNotInRepertoire || state == .untranslatableCharacter
    }
}
