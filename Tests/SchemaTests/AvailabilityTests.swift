import Postgres
import Schema
import Testing

@Suite("An outage of the database")
struct AvailabilityTests {
    @Test(
        "is everything but a refusal of the values themselves",
        arguments: [
            ("23505", false), ("22003", false), ("25006", true), ("55P03", true), ("42501", true), ("42P01", true),
            ("26000", true), ("42P05", true), ("54001", true), ("0A000", true), ("53100", true),
        ])
    func states(state: String, isOutage: Bool) {
        #expect(DatabaseAvailability.isOutage(PostgresError(.server, "", sqlState: SQLState(state))) == isOutage)
    }

    @Test(
        "is not a mistake of ours", arguments: [("42601", false), ("42P07", false), ("25006", true), ("57P03", true)])
    func away(state: String, isAway: Bool) {
        // What ends a start at once, a migration's own fault, and what is waited for.
        #expect(DatabaseAvailability.isAway(PostgresError(.server, "", sqlState: SQLState(state))) == isAway)
    }

    @Test("can be that there is no answer at all")
    func silence() {
        for kind in [PostgresError.Kind.connect, .refused, .connectionLost, .timeout, .poolExhausted] {
            let error = PostgresError(kind, "")
            #expect(DatabaseAvailability.isOutage(error) && DatabaseAvailability.isAway(error))
            #expect(!DatabaseAvailability.isMismatch(error))
        }
        #expect(!DatabaseAvailability.isOutage(CancellationError()))
        #expect(DatabaseAvailability.isMismatch(PostgresError(.decoding, "")))
    }
}
