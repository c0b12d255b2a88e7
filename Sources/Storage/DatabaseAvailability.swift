internal import Postgres

/// Tells an outage from a mistake, for those who may not know PostgreSQL's errors.
package enum DatabaseAvailability {
    package static func isOutage(_ error: any Error) -> Bool {
        (error as? PostgresError)?.isTransient ?? false
    }
}
