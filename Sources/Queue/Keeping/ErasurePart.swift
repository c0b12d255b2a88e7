internal import Domain
internal import Postgres
internal import Schema
internal import Values

/// One part of an erasure, which is small however much there is: some messages, or some entries of a log.
///
/// Where it has come to stands in its row, which is locked meanwhile: it goes on there after a crash, and of two instances each
/// has another one.
struct ErasurePart: Sendable {
    /// What is gone through, in this order.
    enum Stage: Int16, Sendable, CaseIterable {
        case messages
        // Of each webhook in turn.
        case failed, attempts, batches, skips
        case sourceLog
    }

    let number: Int64
    let group: EntityID
    let thing: EntityID?
    let webhook: Int32?
    let source: Int32?
    /// Ids of messages.
    let range: Range<Int64>
    var stage: Stage?
    var atWebhook: Int32
    var behind: Int64
    var messages: Int64 = 0
    var entries: Int64 = 0
    var waiting: Int64

    /// How much a part looks at.
    static let (mostMessages, mostEntries, mostWebhooks) = (Int64(200), Int64(1_000), 50)
    /// What was under way when it was asked for is written by then, and found by another look.
    static let settling: Duration = .seconds(120)
    /// How long to leave what deliveries wait for alone: the longer, the longer they have waited.
    private static let patience: Query =
        "least(interval '1 hour', greatest(interval '1 minute', (now() - requested_at) / 10))"

    /// Takes one that is due, and nobody else has; nil if there is none.
    ///
    /// A removed thing's messages are all there are, also those that came because not every instance had heard of it; but not
    /// those of another that has its id now.
    static func take(on db: isolated Connection) throws -> ErasurePart? {
        let next = MessageID.first(at: "greatest(t.created_at, e.requested_at)" as Query)
        return try db.query(
            """
            SELECT e.id, e.group_id, e.thing_id, e.webhook_key, e.source_key, e.first_id,
                coalesce(e.end_id, (SELECT \(next) FROM things AS t WHERE t.id = e.thing_id AND t.group_id = e.group_id),
                    \(Int64.max)),
                e.stage, e.at_webhook, e.behind, e.waiting
            FROM erasures AS e WHERE e.finished_at IS NULL AND e.due_at <= now()
            ORDER BY e.due_at, e.id LIMIT 1 FOR UPDATE OF e SKIP LOCKED
            """
        ) { row in
            let (first, end) = (try row.int64(5), try row.int64(6))
            return ErasurePart(
                number: try row.int64(0), group: try row.entityID(1), thing: row.isNull(2) ? nil : try row.entityID(2),
                webhook: row.isNull(3) ? nil : try row.int32(3), source: row.isNull(4) ? nil : try row.int32(4),
                range: first..<max(first, end), stage: Stage(rawValue: try row.int16(7)),
                atWebhook: try row.int32(8), behind: try row.int64(9), waiting: try row.int64(10))
        }.first
    }

    /// Carries it out, and notes how far it has come.
    mutating func carryOut(on db: isolated Connection) throws {
        try db.execute(PayloadSweep.byIndexes)
        // What is over costs no part of its own.
        var former: Stage?
        repeat {
            former = self.stage
            switch self.stage {
            case .messages?: try self.eraseMessages(on: db)
            case .sourceLog?: try self.eraseSourceLog(on: db)
            case let stage?: try self.eraseEntries(stage, on: db)
            case nil: break
            }
        } while self.stage != former
        try self.note(on: db)
    }

    mutating func next() {
        self.stage = self.stage.flatMap { Stage(rawValue: $0.rawValue + 1) }
        (self.atWebhook, self.behind) = (0, 0)
    }

    /// At the end of a look it is finished, unless something is left or may come yet.
    private func note(on db: isolated Connection) throws {
        let isOver = self.stage == nil
        try db.execute(
            """
            UPDATE erasures SET stage = \(self.stage?.rawValue ?? 0), at_webhook = \(self.atWebhook), behind = \(self.behind),
                messages = messages + \(self.messages), entries = entries + \(self.entries), waiting = \(self.waiting),
                finished_at = CASE WHEN \(isOver && self.waiting == 0)
                    AND requested_at < now() - make_interval(secs => \(Self.settling.components.seconds)) THEN now() END,
                due_at = now() + CASE WHEN \(isOver) THEN \(Self.patience) ELSE interval '0' END
            WHERE id = \(self.number)
            """)
    }
}
