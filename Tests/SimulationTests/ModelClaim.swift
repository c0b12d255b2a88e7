import Domain
import Queue
import Schema

/// What a claim brings.
struct ModelClaim {
    struct Found {
        let message: Message
        let attempts: Int32
        let batch: DeliveryBatch.Row?
    }

    var deliveries: [Found] = []
    /// All messages of the batches that were leased, and those of them that are done.
    var batches: [DeliveryBatch.Row: (messages: [MessageID], done: [MessageID])] = [:]
    var isPartial = false
    var nextDue: Int64?
    /// When it was made, counted in transactions.
    var made = 0
}

// As `DeliveryStore` claims.
extension ModelDatabase {
    mutating func claim(
        _ webhook: WebhookKey, inOrder: Bool, count: Int, now: Int64, of session: SessionID, returning: Set<EntityID>
    ) -> ModelClaim {
        var claim = ModelClaim()
        claim.made = self.transactions
        let waiting = self.waitingBatches(of: webhook)
        if inOrder {
            let ids = self.withoutGaps(
                self.inTurn(webhook, now: now, of: session)
                    .filter { !(self.single[$0]?.thing.map(returning.contains) ?? false) }.prefix(count), webhook,
                of: session, count: count, now: now)
            claim.isPartial = ids.count >= count
            self.lease(ids, of: session, into: &claim)
        } else {
            let limit = min(now, waiting.first.flatMap { self.batches[$0]?.due } ?? now)
            let ids = self.waitingSingle(of: webhook).filter { (self.single[$0]?.due ?? 0) <= limit }
            let due = waiting.filter { (self.batches[$0]?.due ?? 0) <= now }
            self.lease(ids.prefix(count), of: session, into: &claim)
            if ids.isEmpty, !due.isEmpty {
                self.leaseBatches(waiting, count: count, now: now, of: session, into: &claim)
                let left = self.waitingBatches(of: webhook).map { self.batches[$0]?.due ?? 0 }
                let leftAlone = self.waitingSingle(of: webhook).map { self.single[$0]?.due ?? 0 }
                claim.isPartial = due.count >= count || (left + leftAlone).contains { $0 <= now }
            } else {
                claim.isPartial = ids.count >= count || !due.isEmpty
            }
        }
        claim.deliveries.sort { $0.message.id < $1.message.id }
        claim.nextDue = self.nextDue(webhook, inOrder: inOrder, now: now, of: session)
        return claim
    }

    private func waitingBatches(of webhook: WebhookKey) -> [DeliveryBatch.Row] {
        self.batches.filter { $0.key.webhook == webhook && $0.value.leasedBy == nil }.keys
            .sorted { ($0.id, $0.first) < ($1.id, $1.first) }
    }

    /// What is of the same thing and older, and waits in a batch of its webhook.
    func waiting(before delivery: Delivery) -> [Message] {
        self.waitingBatches(of: delivery.webhook.key).compactMap { self.batches[$0] }.filter { !$0.wasStray }
            .flatMap(\.remaining)
            .compactMap { self.messages[$0] }
            .filter { $0.thing == delivery.message.thing && $0.id < delivery.message.id }
    }

    private func waitingSingle(of webhook: WebhookKey) -> [DeliveryID] {
        self.single.filter { $0.key.webhook == webhook && $0.value.leasedBy == nil && !$0.value.hasFailed }
            .sorted { ($0.value.due, $0.key.message) < ($1.value.due, $1.key.message) }.map(\.key)
    }

    /// Strict order: whose thing's first unfinished delivery neither waits for a retry nor is with another session.
    private func inTurn(_ webhook: WebhookKey, now: Int64, of session: SessionID) -> [DeliveryID] {
        var first: [EntityID: (id: MessageID, row: SingleRow)] = [:]
        for (id, row) in self.single where id.webhook == webhook && !row.hasFailed {
            guard let thing = row.thing, first[thing].map({ id.message < $0.id }) ?? true else { continue }
            first[thing] = (id.message, row)
        }
        return self.waitingSingle(of: webhook).filter { id in
            guard let row = self.single[id], row.due <= now else { return false }
            guard let thing = row.thing, let head = first[thing]?.row else { return true }
            return (head.blockedUntil ?? now) <= now && (head.leasedBy ?? session) == session
        }
    }

    /// What is first in the lines of the things of these deliveries, as far as nothing is missing.
    private func withoutGaps(
        _ ids: some Sequence<DeliveryID>, _ webhook: WebhookKey, of session: SessionID, count: Int, now: Int64
    ) -> [DeliveryID] {
        var last: [EntityID: MessageID] = [:]
        var eligible: [DeliveryID] = []
        for id in ids {
            guard let thing = self.single[id]?.thing else {
                eligible.append(id)
                continue
            }
            last[thing] = max(last[thing] ?? id.message, id.message)
        }
        for (thing, last) in last {
            let line = self.single.filter { id, row in
                id.webhook == webhook && row.thing == thing && !row.hasFailed && row.leasedBy != session
                    && id.message <= last
            }
            eligible += line.sorted { $0.key.message < $1.key.message }
                .prefix { $0.value.leasedBy == nil && $0.value.due <= now }.map(\.key)
        }
        return Array(eligible.sorted { $0.message < $1.message }.prefix(count))
    }

    /// What is leased to a session and held by nobody waits again.
    mutating func releaseUnheld(of webhook: WebhookKey, held: HeldRows, of session: SessionID) {
        var leased = HeldRows.Leased()
        leased.single = Set(self.single.filter { $0.key.webhook == webhook && $0.value.leasedBy == session }.keys)
        for id in held.orphans(among: leased).single { self.single[id]?.leasedBy = nil }
    }

    private mutating func lease(_ ids: some Sequence<DeliveryID>, of session: SessionID, into claim: inout ModelClaim) {
        for id in ids {
            guard let message = self.messages[id.message], let row = self.single[id] else {
                // Nothing is left to send.
                self.single[id] = nil
                continue
            }
            self.single[id]?.leasedBy = session
            claim.deliveries.append(ModelClaim.Found(message: message, attempts: row.attempts, batch: nil))
        }
    }

    private mutating func leaseBatches(
        _ rows: [DeliveryBatch.Row], count: Int, now: Int64, of session: SessionID, into claim: inout ModelClaim
    ) {
        var before = 0
        for row in rows {
            guard before < count, var batch = self.batches[row], batch.due <= now else { continue }
            let rest = batch.cut(after: count - before)
            if let first = rest.first {
                self.batches[row] = batch
                let next = DeliveryBatch.Row(id: row.id, webhook: row.webhook, first: first)
                self.batches[next] = BatchRow(rest, due: batch.due)
            }
            let remaining = batch.remaining
            before += remaining.count
            let found = remaining.compactMap { self.messages[$0] }
            guard !found.isEmpty else {
                self.batches[row] = nil
                continue
            }
            self.batches[row]?.leasedBy = session
            let left = Set(found.map(\.id))
            claim.batches[row] = (batch.messages, batch.messages.filter { !left.contains($0) })
            claim.deliveries += found.map { ModelClaim.Found(message: $0, attempts: 0, batch: row) }
        }
    }

    private func nextDue(_ webhook: WebhookKey, inOrder: Bool, now: Int64, of session: SessionID) -> Int64? {
        let rows = self.single.filter { $0.key.webhook == webhook && !$0.value.hasFailed }.values
        guard inOrder else { return self.due(of: webhook) }
        let isElsewhere = rows.contains { $0.leasedBy.map { $0 != session } == true }
        let later = rows.filter { $0.leasedBy == nil && $0.due > now }.map(\.due)
        return (rows.compactMap(\.blockedUntil).filter { $0 > now } + later + (isElsewhere ? [now + 500_000] : []))
            .min()
    }

    /// When the oldest of what waits falls due.
    func due(of webhook: WebhookKey) -> Int64? {
        let single = self.waitingSingle(of: webhook).first.flatMap { self.single[$0]?.due }
        let batch = self.waitingBatches(of: webhook).first.flatMap { self.batches[$0]?.due }
        return [single, batch].compactMap { $0 }.min()
    }
}
