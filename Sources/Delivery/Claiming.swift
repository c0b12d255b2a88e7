internal import Domain
internal import Logging
internal import Observability
internal import Queue
internal import Schema

/// How what waits in the database comes into the lanes, and for how long it is this instance's.
extension DeliveryService {
    /// One claim at a time; and between them, when there is reason to, a look at what is leased and not held.
    func claim() async {
        var audit = LeaseAudit()
        // Of each webhook in strict order, how many connections there had been at the last claim that was answered.
        var connections: [WebhookKey: Int] = [:]
        var known = self.store.connections
        // What a former life of this process has left is free since the start; what has gone wrong since is found here.
        var nextLook = ContinuousClock.now + self.configuration.auditInterval
        for await request in self.claims {
            if let request {
                guard self.ledger.held.mayClaim(at: .now) else {
                    await self.refuse(request)
                    continue
                }
                let seen = await self.claim(request, connections: connections[request.webhook] ?? -1)
                connections[request.webhook] = request.isInOrder ? seen : nil
                if seen == nil { audit.doubt() }
            } else if self.ledger.takeDoubt() {
                audit.doubt()
            }
            if self.store.connections != known {
                known = self.store.connections
                audit.doubt()
            }
            guard audit.isDue, ContinuousClock.now >= nextLook else { continue }
            await self.releaseOrphans(&audit)
            nextLook = .now + self.configuration.auditInterval
        }
    }

    /// The lane asks again soon.
    private func refuse(_ request: Dispatcher.ClaimRequest) async {
        await self.dispatcher(of: request.webhook).claimed(nil, for: request)
        try? await Task.sleep(for: .milliseconds(20))
    }

    /// - Returns: ``Claim/connections``; nil if it is not known what was claimed.
    private func claim(_ request: Dispatcher.ClaimRequest, connections: Int) async -> Int? {
        var claim: Claim?
        do {
            claim = try await self.store.claim(
                request.webhook, inOrder: request.isInOrder, count: Int64(request.room.deliveries),
                bytes: Int64(request.room.bytes), now: self.wallClock.microseconds(), held: self.ledger.held,
                connections: connections, returning: request.returning)
        } catch {
            self.logger.warning("waiting deliveries cannot be claimed", metadata: ["error": "\(error)"])
            try? await Task.sleep(for: .milliseconds(200))
        }
        await self.dispatcher(of: request.webhook).claimed(claim, for: request)
        return claim?.connections
    }

    private func releaseOrphans(_ audit: inout LeaseAudit) async {
        do {
            let leases = audit.looked(self.ledger.held.orphans(among: try await self.store.leased()))
            guard !leases.isEmpty else { return }
            try await self.store.release(leases)
            self.logger.notice(
                "released what was leased to this session without its knowing",
                metadata: ["batches": "\(leases.batches.count)", "deliveries": "\(leases.single.count)"])
            try await self.noteDues()
        } catch {
            audit.doubt()
            self.logger.warning("leases cannot be looked at", metadata: ["error": "\(error)"])
        }
    }

    func renewLease() async {
        await self.periodic(self.configuration.leaseRenewal, "the lease cannot be renewed").run {
            // Who waits for a claim or not: now and then there is a look at whether something is in doubt.
            self.claimContinuation.yield(nil)
            // By itself: what becomes of others' leases must not cost this one. It is good from before it was asked for.
            let end = ContinuousClock.now + self.configuration.lease
            let living = try await self.sessions.renew(self.session, lease: self.configuration.lease)
            self.ids.change(slot: living.slot)
            if living.wasLost {
                self.logger.warning("the lease had run out; what it was for is somebody else's now")
            }
            self.ledger.held.renewed(until: end, wasLost: living.wasLost)
            for dispatcher in self.dispatchers { await dispatcher.renewed(until: end, wasLost: living.wasLost) }
        }
    }

    func releaseExpiredLeases() async {
        var strayLook = ContinuousClock.now
        await self.periodic(self.configuration.leaseRenewal, "leases of others cannot be released").run {
            var released = try await self.sessions.releaseExpired()
            if ContinuousClock.now >= strayLook {
                released += try await self.sessions.releaseStray()
                strayLook = .now + self.configuration.strayInterval
            }
            await self.share(among: try await self.sessions.living())
            guard released > 0 else { return }
            self.logger.notice(
                "took over deliveries of an instance that is gone", metadata: ["deliveries": "\(released)"])
            try await self.noteDues()
        }
    }
}
