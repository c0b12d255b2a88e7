internal import Domain
internal import Journal
internal import Logging
internal import NIOCore
internal import Observability
internal import Queue
internal import Values
internal import WebhookClient

/// How a lane's deliveries become requests.
extension Lane {
    /// Starts as many attempts as there may be.
    func pump(now: NIODeadline) {
        guard !self.dispatcher.isStopping, self.target.status == .enabled, self.mayOvertakeNobody else { return }
        let wallNow = self.dispatcher.wallClock.now
        let maxAge = self.dispatcher.configuration.defaults.maxAge(for: self.target.policy)
        let time = now.nanoseconds
        self.gate.follow(self.target.policy.rateLimit?.share(of: self.dispatcher.instances), now: time)
        self.gate.allow(self.mostInFlight)
        self.obstacle = nil
        guard !self.waitsForNewer(now: now) else {
            self.obstacle = .backlog
            return
        }
        while let delivery = self.queue.first {
            if delivery.isExpired(at: wallNow, maxAge: maxAge, { self.dispatcher.wallClock.elapsed($0, $1) }) {
                self.queue.removeFirst()
                self.dispatcher.add(
                    DeliveryResult(
                        delivery: delivery, ending: .failed(reason: delivery.reasonOfExpiry(maxAge: maxAge)),
                        attempt: nil))
                self.gaveUp([delivery])
                continue
            }
            if let batching = self.target.batching {
                guard self.isBatchReady(batching, first: delivery, wallNow: wallNow, now: time) else {
                    self.obstacle = .batch
                    return
                }
            }
            // A token is had first, unless nothing may go out anyway.
            let authorization = self.tokens?.authorization(now: now)
            if self.tokens != nil, authorization == nil, !self.gate.isShut(now: time) {
                self.obstacle = .token
                return self.fetchToken(now)
            }
            guard self.gate.isShut(now: time) || (self.hasFacts(for: delivery, now: now) && self.pool.hasRoom) else {
                self.obstacle = .connections
                return
            }
            switch self.gate.admit(
                inFlight: self.inFlight,
                isStuck: self.inFlight >= ConcurrencyLimit.modest && self.isStuck(now: now), now: time,
                quota: { self.dispatcher.quotas?.take(self.target.group, now: $0) })
            {
            case .full:
                self.pool.isPressed = true
                self.obstacle = self.gate.isOpen ? .breaker : self.gate.isAtMost ? .limit : .receiver
                return
            case .at(let later, let reason):
                self.obstacle = reason
                return self.wake(at: later)
            case .now: self.sendNext(delivery, authorization: authorization, now: now, wallNow: wallNow)
            }
        }
    }

    /// This instance's share of the requests that there may be at a time; one at the least.
    private var mostInFlight: Int {
        let most = self.dispatcher.configuration.connectionsPerWebhook
        return self.target.policy.maxInFlight.map { min(most, max(1, $0 / self.dispatcher.instances)) } ?? most
    }

    /// Whether nobody else can have, and be sending, what this lane has. Only where order is strict does it matter: elsewhere
    /// the worst of it is that something is sent twice.
    private var mayOvertakeNobody: Bool { !self.isInOrder || ContinuousClock.now < self.dispatcher.leaseEnd }

    func wake(at time: Int64) {
        if let wakeUp, wakeUp.at <= time { return }
        self.wakeUp?.task.cancel()
        let deadline = NIODeadline.uptimeNanoseconds(UInt64(max(0, time)))
        let task = self.dispatcher.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.wakeUp = nil
            self.pump(now: .now())
        }
        self.wakeUp = (time, task)
    }

    private func sendNext(_ first: Delivery, authorization: String?, now: NIODeadline, wallNow: Instant) {
        if let batching = self.target.batching {
            return self.send(
                self.queue.nextBatch(batching.mostItems), authorization: authorization, now: now, wallNow: wallNow)
        }
        self.queue.removeFirst()
        guard !self.requests.isPlain else {
            let special = authorization.map { token in
                Attempt.Special(first, request: nil, hasVaryingTarget: false, authorization: token)
            }
            return self.start(first, special, now: now, wallNow: wallNow)
        }
        do throws(RenderFailure) {
            let facts = self.facts.atHand[self.target.subject(of: first.message)] ?? .unknown
            let request = try self.requests.plan.render(first.message, org: self.target.org, facts: facts)
            if request.unforwarded > 0 {
                self.dispatcher.metrics.leftOutProperties.add(.header, request.unforwarded)
            }
            let special = Attempt.Special(
                first, request: request, hasVaryingTarget: self.requests.hasVaryingTarget, authorization: authorization)
            self.start(first, special, now: now, wallNow: wallNow)
        } catch {
            self.giveUp([(first, error)], wallNow: wallNow)
        }
    }

    private func start(_ delivery: Delivery, _ special: Attempt.Special?, now: NIODeadline, wallNow: Instant) {
        self.begin(now)
        self.pool.execute(
            Attempt(delivery, special: special, requests: self.requests, lane: self, now: now, wallNow: wallNow),
            now: now)
    }

    // MARK: Batches

    /// Whether what is at hand is too little for a request yet, and was not one before.
    var isGathering: Bool {
        guard let batching = self.target.batching, let first = self.queue.first else { return false }
        return self.inFlight == 0 && !first.wasTried && self.queue.count < batching.mostItems
    }

    /// Whether what waits is enough for a request, or has waited long enough. One request at a time, so that a thing's
    /// messages keep their order, if there is one.
    private func isBatchReady(_ batching: Batching, first: Delivery, wallNow: Instant, now: Int64) -> Bool {
        guard self.inFlight == 0 || self.target.ordering == .none, !self.isGivingUp else { return false }
        // What failed together goes out together, as it was.
        guard !first.wasTried else { return true }
        let waited = (wallNow - first.message.id.time).milliseconds
        // Negative if the clock was set back; then nobody can tell how long it has waited.
        guard waited < batching.longestWait, waited > -1_000,
            self.queue.nextBatch(batching.mostItems).count < batching.mostItems
        else {
            return true
        }
        self.wake(at: now + TimeAmount.milliseconds(max(1, Int64(batching.longestWait) - waited)).nanoseconds)
        return false
    }

    /// Sends of what is first in the queue as much as one request may have.
    private func send(_ batch: [Delivery], authorization: String?, now: NIODeadline, wallNow: Instant) {
        let rendered: RenderedBatch
        do throws(RenderFailure) {
            rendered = try self.requests.plan.render(
                batch: batch.map(\.message), org: self.target.org,
                facts: { self.facts.atHand[self.target.subject(of: $0)] ?? .unknown })
        } catch {
            self.queue.removeFirst(batch.count)
            return self.giveUp(batch.map { ($0, error) }, wallNow: wallNow)
        }
        self.queue.removeFirst(rendered.taken)
        let failed = Set(rendered.failures.map(\.index))
        self.giveUp(rendered.failures.map { (batch[$0.index], $0.failure) }, wallNow: wallNow)
        let sent = batch.indices.prefix(rendered.taken).filter { !failed.contains($0) }.map { batch[$0] }
        guard let request = rendered.request, let first = sent.first else { return }
        let together = sent.map { delivery in
            var delivery = delivery
            // Also of one: it would else be sent with others, under another id, to a receiver that may have had it.
            delivery.bundle = first.message.id
            return delivery
        }
        let special = Attempt.Special(
            together[0], with: Array(together.dropFirst()), request: request, hasVaryingTarget: false,
            authorization: authorization)
        self.start(together[0], special, now: now, wallNow: wallNow)
    }

    private func giveUp(_ failures: [(delivery: Delivery, reason: RenderFailure)], wallNow: Instant) {
        guard !failures.isEmpty else { return }
        for (delivery, reason) in failures { self.dispatcher.giveUp(delivery, reason.description, wallNow: wallNow) }
        self.gaveUp(failures.map(\.delivery))
    }

    /// Statuses with which a receiver says nothing of what the request holds: who asks, where, or when.
    private static let notOfContent: Set<Int> = [401, 403, 404, 405, 407, 408, 410, 425, 429]

    /// Whether what was sent may be sent again as it was made: to the webhook as it was then.
    private func isStillMeant(_ attempt: Attempt) -> Bool {
        attempt.target.version == self.target.version && self.target.status == .enabled
            && !self.dispatcher.isStopping && self.dispatcher.ports.target(self.key) != nil
    }

    /// Sends in halves what was refused together, so that a message that the receiver does not like keeps no others from it.
    ///
    /// - Returns: false if that is no way out: then it ends as any attempt does.
    func splitRefused(_ attempt: Attempt, _ outcome: Outcome) -> Bool {
        guard !attempt.others.isEmpty, case .response(let status, _, _) = outcome, (400..<500).contains(status),
            !Self.notOfContent.contains(status), !attempt.target.policy.successStatuses.contains(status),
            self.isStillMeant(attempt)
        else { return false }
        self.dispatcher.metrics.failedAttempts.add("status")
        self.dispatcher.log.warning(
            "split", "a batch was refused and is sent again in halves",
            metadata: [
                "webhook": "\(self.target.id)", "status": "\(status)", "messages": "\(1 + attempt.others.count)",
            ])
        self.inFlight -= 1
        let now = NIODeadline.now()
        self.lastMoved = now
        attempt.trace?.end(attempt, outcome, result: "split", failure: "status", now: now)
        self.queue.putInFront(halvesOf: [attempt.delivery] + attempt.others)
        self.pump(now: now)
        return true
    }

    // MARK: Tokens

    /// Goes on when there is a token. If there is none to be had, that is what the next attempt fails with, and what is
    /// behind it waits for the next try.
    private func fetchToken(_ now: NIODeadline) {
        guard let tokens = self.tokens else { return }
        guard tokens.pausedUntil <= now else { return self.wake(at: tokens.pausedUntil.nanoseconds) }
        tokens.fetchForQueue(now: now) { result in
            switch result {
            case .success, .later: self.pump(now: .now())
            case .failure(.cancelled): break
            case .failure(let failure): self.failNext(failure)
            }
        }
    }

    private func failNext(_ failure: Outcome.Failure) {
        let batch = self.queue.nextBatch(self.target.batching?.mostItems ?? 1)
        guard let first = batch.first, !self.dispatcher.isStopping else { return }
        self.queue.removeFirst(batch.count)
        self.begin(.now())
        let special = Attempt.Special(
            first, with: Array(batch.dropFirst()), request: nil, hasVaryingTarget: false, authorization: nil)
        let attempt = Attempt(
            first, special: special, requests: self.requests, lane: self, now: .now(),
            wallNow: self.dispatcher.wallClock.now)
        self.finish(attempt, .failure(failure))
    }

    private func giveBack(_ attempt: Attempt, _ outcome: Outcome) {
        attempt.trace?.end(attempt, outcome, result: "released", failure: "status", now: .now())
        self.release(attempt)
    }

    /// A token that the receiver does not take is replaced, once. The request stays as it is but for that, so it goes where it went: the pool
    /// may be another origin's by now, which is to have none of its headers.
    ///
    /// - Returns: false if there is nothing to replace.
    func tryAgainWithNewToken(_ attempt: Attempt, _ outcome: Outcome) -> Bool {
        guard let tokens = self.tokens, let special = attempt.special, let authorization = special.authorization,
            !special.hasRefreshed
        else { return false }
        special.hasRefreshed = true
        tokens.invalidate(authorization)
        guard self.isStillMeant(attempt) else {
            self.giveBack(attempt, outcome)
            return true
        }
        tokens.fetch(now: .now()) { result in
            switch result {
            case .success(let authorization) where self.isStillMeant(attempt) && self.pool.hasRoom:
                special.authorization = authorization
                self.pool.execute(attempt, now: .now())
            case .failure: self.finish(attempt, outcome)
            case .success, .later: self.giveBack(attempt, outcome)
            }
        }
        return true
    }
}
