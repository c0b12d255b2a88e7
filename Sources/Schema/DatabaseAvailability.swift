internal import Postgres

/// Tells an outage from a mistake, for those who may not know PostgreSQL's errors.
package enum DatabaseAvailability {
    /// Why the database does not do what was asked, for everybody: what it says itself, and no address.
    package static func words(_ error: any Error) -> String {
        (error as? PostgresError)?.serverWords.map { "the database refuses: \($0)" } ?? "not reachable"
    }

    /// Whether what was asked may go well later with the very same values: everything but a refusal of the values
    /// themselves. The database may be away, full, read-only, locked, being restored, or of another build.
    package static func isOutage(_ error: any Error) -> Bool {
        (error as? PostgresError).map { !$0.isDataFault } ?? false
    }

    /// Whether the database refuses what was asked for the values in it, and for nothing else.
    package static func isDataFault(_ error: any Error) -> Bool {
        (error as? PostgresError)?.isDataFault ?? false
    }

    /// Whether what is there is not as this program expects it, which does not pass by itself.
    package static func isMismatch(_ error: any Error) -> Bool {
        switch (error as? PostgresError)?.kind {
        case .decoding, .migration, .configuration: true
        default: false
        }
    }

    /// Whether who asks again later may be answered: an outage, and none that this program or its database has to be mended for.
    package static func mayPass(_ error: any Error) -> Bool { self.isOutage(error) && !self.isMismatch(error) }

    /// Whether the database has not answered in time, or gave no connection: it is busy, or somebody holds a table locked.
    package static func isLate(_ error: any Error) -> Bool {
        (error as? PostgresError).map { [.timeout, .poolExhausted].contains($0.kind) } ?? false
    }

    /// Runs `body`, for which the database has so long, all in all. What it has not answered by then fails, and is late
    /// (``isLate(_:)``).
    package static func answering<T>(
        within patience: Duration, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> T
    ) async rethrows -> T {
        try await AnswerDeadline.$current.withValue(.now + patience, operation: body)
    }

    /// Whether the database is away, busy or read-only, and nothing is wrong with what was asked. A narrower question
    /// than ``isOutage(_:)``, for who would ask the same for ever.
    package static func isAway(_ error: any Error) -> Bool {
        (error as? PostgresError)?.isTransient ?? false
    }
}
