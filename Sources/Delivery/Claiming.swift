internal import Domain
internal import Logging
internal import Observability
internal import Queue
internal import Schema

/// How what waits in the database comes into the lanes, and for how long it is this instance's.
extension DeliveryService {
    /// A few claims at a time; and when there is reason to, a look at what is leased and not held, while none is under way.
    func claim() async {
        var audit = LeaseAudit()
        var known = self.store.connections
        var running = 0
        // What a former life of this process has left is free since the start; what has gone wrong since is found here.
        var nextLook = ContinuousClock.now + self.configuration.auditInterval
        await withDiscardingTaskGroup { rounds in
            for await _ in self.claims.signals {
                for ending in self.claims.takeEnded() {
                    running -= 1
                    if ending == .lost { audit.doubt() }
                }
                if self.ledger.takeDoubt() { audit.doubt() }
                if self.store.connections != known {
                    known = self.store.connections
                    audit.doubt()
                }
                if audit.isDue, ContinuousClock.now >= nextLook {
                    // The end of each is a reason to look again.
                    guard running == 0 else { continue }
                    await self.releaseOrphans(&audit)
                    nextLook = .now + self.configuration.auditInterval
                }
                while running < self.configuration.claimers, self.ledger.held.mayClaim(at: .now) {
                    let turns = self.claims.next(in: self.ledger)
                    guard !turns.isEmpty else { break }
                    running += 1
                    rounds.addTask { await self.carryOut(turns) }
                }
            }
        }
    }

    private func carryOut(_ turns: [ClaimTurns.Turn]) async {
        var claims: [WebhookKey: Claim] = [:]
        do {
            claims = try await self.claim(turns)
            self.log.over("claims")
        } catch {
            self.log.trouble("claims", "waiting deliveries cannot be claimed", "\(error)")
            // Cancelled when the service ends.
            try? await Task.sleep(for: .milliseconds(200))
        }
        for (index, dispatcher) in self.dispatchers.enumerated() {
            let mine = turns.filter { self.index(of: $0.wish.webhook) == index }
            if !mine.isEmpty { await dispatcher.claimed(claims, for: mine) }
        }
        self.claims.end(claims.isEmpty ? .lost : .answered)
    }

    private func claim(_ turns: [ClaimTurns.Turn]) async throws -> [WebhookKey: Claim] {
        let (now, held) = (self.wallClock.now, self.ledger.held)
        let wanted = turns.map { turn in
            Wanted(
                turn.wish.webhook, of: turn.wish.group, count: Int64(turn.room.deliveries),
                bytes: Int64(turn.room.bytes))
        }
        if let wish = turns.first?.wish, wish.isInOrder {
            let claim = try await self.store.claimInOrder(
                wanted[0], now: now, held: held, connections: wish.connections, returning: wish.returning)
            return [wish.webhook: claim]
        }
        return try await self.store.claim(wanted, now: now, held: held)
    }

    private func releaseOrphans(_ audit: inout LeaseAudit) async {
        do {
            let leases = audit.looked(self.ledger.held.orphans(among: try await self.store.leased()))
            if !leases.isEmpty { try await self.store.release(leases) }
            self.log.over("leases")
            guard !leases.isEmpty else { return }
            self.logger.notice(
                "released what was leased to this session without its knowing",
                metadata: ["batches": "\(leases.batches.count)", "deliveries": "\(leases.single.count)"])
            try await self.noteDues()
        } catch {
            audit.doubt()
            self.log.trouble("leases", "leases cannot be looked at", "\(error)")
        }
    }

    func renewLease() async {
        await self.periodic(self.configuration.leaseRenewal, "the lease cannot be renewed").run {
            // Who waits for a claim or not: now and then there is a look at whether something is in doubt.
            self.claims.look()
            // By itself: what becomes of others' leases must not cost this one. It is good from before it was asked for.
            let end = ContinuousClock.now + self.configuration.lease
            let living = try await self.sessions.renew(self.session, lease: self.configuration.lease)
            self.ids.change(slot: living.slot)
            if living.wasLost {
                self.logger.warning("the lease had run out; what it was for is somebody else's now")
            }
            self.ledger.held.renewed(until: end, wasLost: living.wasLost)
            // What was written for it meanwhile may be leased to it, and not be in its memory.
            if living.wasLost { self.ledger.doubt() }
            for dispatcher in self.dispatchers { await dispatcher.renewed(until: end, wasLost: living.wasLost) }
        }
    }

    func releaseExpiredLeases() async {
        var strayLook = ContinuousClock.now
        var unshared = 0
        await self.periodic(self.configuration.leaseRenewal, "leases of others cannot be released").run {
            var released = try await self.sessions.releaseExpired()
            if ContinuousClock.now >= strayLook {
                released += try await self.sessions.releaseStray()
                strayLook = .now + self.configuration.strayInterval
            }
            await self.share(among: try await self.sessions.living())
            if released > 0 {
                self.logger.notice(
                    "took over deliveries of an instance that is gone", metadata: ["deliveries": "\(released)"])
                try await self.noteDues()
            }
            let before = unshared
            unshared = try await self.sessions.unshared(with: self.session)
            // Once, for at brokers of their own it is as it should be.
            if unshared > before { self.warnOfUnshared(unshared) }
        }
    }

    private func warnOfUnshared(_ others: Int) {
        self.logger.warning(
            "other instances take the same messages",
            metadata: [
                "others": "\(others)",
                "why": "MQTT_SHARED_GROUP is not the same for all: what is at one broker comes to each of them",
            ])
    }
}
