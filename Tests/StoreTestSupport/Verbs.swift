package import Domain
package import Journal
internal import Postgres
package import Queue
package import Schema
internal import Synchronization
import Values

private let numbers = Atomic<Int64>(0)

/// A number that was not used before: for a settlement, or for counts.
package func nextNumber() -> Int64 { numbers.add(1, ordering: .relaxed).newValue }

extension DeliveryStore {
    package init(_ database: Database, session: SessionID) {
        self.init(database, session: SessionIdentity(id: session, clientID: "a"))
    }

    /// Settles under a number that was not used before.
    package func complete(_ results: [DeliveryResult]) async throws -> [DisabledWebhook] {
        try await self.settle(Settlement(results: results, number: nextNumber()))
    }

    /// Claims for one webhook.
    ///
    /// - Parameters:
    ///   - connections: in strict order, those of the claim before.
    ///   - returning: in strict order, things of which nothing is to be had.
    package func claim(
        _ webhook: WebhookTarget, inOrder: Bool, count: Int64, bytes: Int64, now: Int64,
        held: HeldRows = LaneLedger().held, connections: Int? = Int.max, returning: [EntityID] = []
    ) async throws -> Claim {
        let wanted = Wanted(webhook.key, of: webhook.group, count: count, bytes: bytes)
        if inOrder {
            return try await self.claimInOrder(
                wanted, now: Instant(clampingMicroseconds: now), held: held, connections: connections,
                returning: returning)
        }
        let claims = try await self.claim([wanted], now: Instant(clampingMicroseconds: now), held: held)
        guard let claim = claims[webhook.key] else { throw PostgresError(.decoding, "a claim has no answer") }
        return claim
    }
}

extension IntakeStore {
    struct Strangers: Error {}

    /// Commits as intake does, by a plan, going on at once after an outage.
    package func carryOut(_ commit: Commit, now: Int64) async throws {
        var plan = CommitPlan(count: commit.messages.count)
        for _ in 1...12 {
            let answer: CommitPlan.Answer
            do {
                switch plan.next {
                case .finished: return
                case .write:
                    try await self.commit(commit, now: Instant(clampingMicroseconds: now))
                    answer = .done
                case .writeAgain:
                    answer =
                        try await self.commitAgain(commit, now: Instant(clampingMicroseconds: now)) == nil
                        ? .strangers : .done
                case .probe, .refuse, .wait, .renumber: throw Strangers()
                }
            } catch let error as PostgresError {
                if error.sqlState == .uniqueViolation {
                    answer = .occupied
                } else if error.isDataFault {
                    answer = .refused
                } else {
                    answer = .outage(isUncertain: error.kind == .connectionLost || error.kind == .timeout)
                }
            }
            if plan.handle(answer) == .renumber { throw Strangers() }
        }
        throw PostgresError(.timeout, "it does not end")
    }
}
