import Domain
import Queue
import Schema

// As `SessionStore` has it.
extension ModelDatabase {
    static let lease: Int64 = 10_000_000
    static var leaseDuration: Duration { .microseconds(Self.lease) }

    mutating func start(_ client: String) -> SessionStore.Living? {
        for (id, row) in self.sessions where row.client == client {
            self.sessions[id] = nil
            self.formerMarks[id] = row.settled
            self.release(id)
        }
        self.abandoned[client] = nil
        self.lastSession += 1
        let id = SessionID(rawValue: self.lastSession)
        self.sessions[id] = SessionRow(client: client, expires: self.now + Self.lease)
        return self.takeSlot(for: id)
    }

    mutating func renew(_ session: SessionIdentity) -> SessionStore.Living? {
        if let slot = self.sessions[session.id]?.slot {
            self.sessions[session.id]?.expires = self.now + Self.lease
            return SessionStore.Living(id: session.id, slot: slot)
        }
        var row = self.sessions[session.id] ?? self.restored(session)
        row.expires = self.now + Self.lease
        self.sessions[session.id] = row
        self.abandoned[session.clientID] = nil
        return self.takeSlot(for: session.id).map {
            SessionStore.Living(id: $0.id, slot: $0.slot, wasLost: true)
        }
    }

    func restored(_ session: SessionIdentity) -> SessionRow {
        let mark = self.forgetsMarks ? nil : self.formerMarks[session.id]
        return SessionRow(client: session.clientID, expires: self.now, settled: mark ?? 0)
    }

    private mutating func takeSlot(for id: SessionID) -> SessionStore.Living? {
        let taken = Set(
            self.sessions.filter { $0.key != id && !$0.value.isStopped }
                .map { $0.value.slot ?? Int64($0.key.rawValue) % Self.slotCount })
        let first = Int64(id.rawValue)
        guard
            let slot = (first..<first + Self.slotCount).map({ $0 % Self.slotCount })
                .first(where: { !taken.contains($0) })
        else { return nil }
        self.sessions[id]?.slot = slot
        return SessionStore.Living(id: id, slot: slot)
    }

    mutating func releaseExpired(isShared: Bool) {
        for (id, row) in self.sessions where row.expires < self.now {
            self.formerMarks[id] = row.settled
            self.sessions[id] = nil
            self.release(id)
            let lives = self.sessions.values.contains { $0.client == row.client && $0.expires >= self.now }
            if isShared, !lives, self.abandoned[row.client] == nil { self.abandoned[row.client] = .some(nil) }
        }
        if !self.keepsStrayLeases { self.releaseStray() }
    }

    /// What was written for a session after it had been removed.
    private mutating func releaseStray() {
        let leases = self.batches.values.compactMap(\.leasedBy) + self.single.values.compactMap(\.leasedBy)
        for session in Set(leases) where self.sessions[session] == nil {
            for (row, batch) in self.batches where batch.leasedBy == session { self.batches[row]?.wasStray = true }
            self.release(session)
        }
    }

    mutating func end(_ session: SessionID, isShared: Bool) {
        if isShared {
            self.sessions[session]?.isStopped = true
            self.sessions[session]?.expires = self.now + Self.lease
        } else {
            self.formerMarks[session] = self.sessions.removeValue(forKey: session)?.settled
        }
        self.release(session)
    }

    private mutating func release(_ session: SessionID) {
        for (row, batch) in self.batches where batch.leasedBy == session { self.batches[row]?.leasedBy = nil }
        for (id, row) in self.single where row.leasedBy == session { self.single[id]?.leasedBy = nil }
    }

    // MARK: Leases

    func leased(to session: SessionID) -> HeldRows.Leased {
        var leased = HeldRows.Leased()
        leased.batches = Set(self.batches.filter { $0.value.leasedBy == session }.keys)
        leased.single = Set(self.single.filter { $0.value.leasedBy == session }.keys)
        return leased
    }

    mutating func release(_ leases: HeldRows.Leased, of session: SessionID) {
        for row in leases.batches where self.batches[row]?.leasedBy == session { self.batches[row]?.leasedBy = nil }
        for id in leases.single where self.single[id]?.leasedBy == session { self.single[id]?.leasedBy = nil }
    }

    // MARK: Abandoned clients

    mutating func adopt(by session: SessionID) -> String? {
        let free = self.abandoned.keys.sorted().first { client in
            let owner = self.abandoned[client] ?? nil
            return (owner == session && !self.forgetsCharges || owner.flatMap { self.sessions[$0] }?.isStopped != false)
                && !self.sessions.values.contains {
                    $0.client == client && !$0.isStopped && $0.expires >= self.now
                }
        }
        if let free { self.abandoned[free] = .some(session) }
        return free
    }

    func isAbandoned(_ client: String, to session: SessionID) -> Bool {
        (self.abandoned[client] ?? nil) == session
    }

    mutating func leave(_ client: String, by session: SessionID, isDone: Bool) {
        guard self.abandoned[client] != nil, self.leavesForOthers || self.isAbandoned(client, to: session) else {
            return
        }
        self.abandoned[client] = isDone ? nil : .some(nil)
    }
}
