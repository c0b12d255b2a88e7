internal import Domain
internal import NIOCore
internal import Observability
internal import Storage
internal import WebhookClient

/// The lanes of one event loop.
///
/// An actor that runs on the loop itself: what NIO calls and what other rooms call are the same isolation, and a
/// message costs no hop, because hand-overs are whole batches.
actor Dispatcher {
    nonisolated let eventLoop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { self.eventLoop.executor.asUnownedSerialExecutor() }

    private let context: Context
    private let ledger: LaneLedger
    private let requestClaim: @Sendable (ClaimRequest) -> Void
    private let currentTarget: @Sendable (WebhookKey) -> WebhookTarget?
    private var lanes: [WebhookKey: Lane] = [:]

    /// A wish to claim: for whom, and how much there is room for.
    struct ClaimRequest: Sendable {
        let webhook: WebhookKey
        let room: LaneLedger.ClaimRoom
    }

    init(
        context: sending Context, ledger: LaneLedger,
        currentTarget: @escaping @Sendable (WebhookKey) -> WebhookTarget?,
        requestClaim: @escaping @Sendable (ClaimRequest) -> Void
    ) {
        self.eventLoop = context.eventLoop
        self.context = context
        self.ledger = ledger
        self.currentTarget = currentTarget
        self.requestClaim = requestClaim
    }

    /// Runs `body` on the loop, now if this is it. Calls from one thread keep their order.
    nonisolated func onLoop(_ body: @escaping @Sendable (isolated Dispatcher) -> Void) {
        self.eventLoop.execute { self.assumeIsolated(body) }
    }

    // MARK: In

    func accept(_ deliveries: [Delivery], backlog: Set<WebhookKey>) {
        var touched: Set<WebhookKey> = []
        for delivery in deliveries {
            let lane = self.lane(for: delivery.webhook)
            lane.accept(delivery)
            touched.insert(lane.key)
        }
        let now = NIODeadline.now()
        for key in touched { self.lanes[key]?.pump(now: now) }
        for key in backlog {
            guard let target = self.lanes[key]?.target ?? self.currentTarget(key) else { continue }
            self.lane(for: target).noteBacklog()
        }
        self.claimWhereWanted(backlog)
    }

    private func lane(for target: WebhookTarget) -> Lane {
        if let lane = self.lanes[target.key] {
            lane.update(to: target)
            return lane
        }
        let lane = Lane(target: target, dispatcher: self.context)
        self.lanes[target.key] = lane
        return lane
    }

    // MARK: Claims

    /// What was recorded: there may be room again, and retries have their times.
    func recorded(_ webhooks: Set<WebhookKey>, dues: [(WebhookKey, Int64)]) {
        for (key, due) in dues { self.lanes[key]?.noteDue(at: due) }
        self.claimWhereWanted(webhooks)
    }

    /// What the database says has fallen due, beyond what this instance knows of.
    func noteDues(_ dues: [WebhookKey: Int64]) {
        for (key, due) in dues {
            guard let target = self.currentTarget(key) else { continue }
            self.lane(for: target).noteDue(at: due)
        }
        self.claimWhereWanted(dues.keys)
    }

    func claimed(_ claim: Claim?, for request: ClaimRequest) {
        self.ledger.settle(request.room, of: request.webhook, claimed: claim?.messages.map(\.message) ?? [])
        guard let lane = self.lanes[request.webhook] else { return }
        guard let claim else { return lane.claimFailed() }
        lane.endClaim(claim, seesAllSpills: request.room.seesAllSpills, ledger: self.ledger)
        lane.pump(now: .now())
        self.claimWhereWanted([request.webhook])
    }

    private func claimWhereWanted(_ keys: some Sequence<WebhookKey>) {
        guard !self.context.isStopping else { return }
        let wallNow = self.context.wallClock.microseconds()
        for key in keys {
            guard let lane = self.lanes[key], lane.wantsClaim(wallNow: wallNow),
                let room = self.ledger.reserveForClaim(
                    key, most: self.context.configuration.claimBatch, mostBytes: self.context.configuration.claimBytes)
            else { continue }
            lane.beginClaim()
            self.requestClaim(ClaimRequest(webhook: key, room: room))
        }
    }

    // MARK: Time

    /// To be called a few times a second.
    func tick() {
        let now = NIODeadline.now()
        var inFlight = 0
        for lane in self.lanes.values {
            lane.checkDeadlines(now: now)
            inFlight += lane.inFlight
        }
        self.context.metrics.inFlight.set(inFlight)
        self.context.metrics.inMemory.set(self.ledger.held)
        self.context.metrics.lanes.set(self.lanes.count)
        self.claimWhereWanted(Array(self.lanes.keys))
    }

    /// To be called every second or so: follows changed and removed webhooks, and forgets lanes without work.
    ///
    /// - Returns: what will not be sent because its webhook is gone.
    func followRoutes() -> [Delivery] {
        var orphans: [Delivery] = []
        for (key, lane) in self.lanes {
            if let target = self.currentTarget(key) {
                lane.update(to: target)
                if lane.isIdle { self.lanes[key] = nil }
            } else {
                orphans += lane.takeUnsent()
                if lane.inFlight == 0 && !lane.isClaiming {
                    lane.close()
                    self.lanes[key] = nil
                }
            }
        }
        return orphans
    }

    // MARK: Stopping

    /// No new requests from here on.
    func stopSending() {
        self.context.isStopping = true
    }

    var inFlight: Int { self.lanes.values.reduce(0) { $0 + $1.inFlight } }

    /// Ends what is still under way, and hands over every result that has not been.
    func close() {
        for lane in self.lanes.values { lane.close() }
        self.lanes = [:]
        self.context.flush()
    }
}

extension Dispatcher {
    /// What the lanes of a loop share. It lives on the loop.
    final class Context {
        let eventLoop: any EventLoop
        let configuration: DeliveryConfiguration
        let client: ClientConfiguration
        let wallClock: WallClock
        let metrics: Metrics
        var isStopping = false
        private let completer: Completer
        private var results: [AttemptResult] = []
        private var isFlushScheduled = false
        private var generator = SystemRandomNumberGenerator()

        init(
            eventLoop: any EventLoop, configuration: DeliveryConfiguration, client: ClientConfiguration,
            wallClock: WallClock, metrics: Metrics, completer: Completer
        ) {
            self.eventLoop = eventLoop
            self.configuration = configuration
            self.client = client
            self.wallClock = wallClock
            self.metrics = metrics
            self.completer = completer
        }

        /// Notes how an attempt ended, to be written with others.
        func record(_ attempt: Attempt, _ outcome: Outcome, lane: Lane, now: NIODeadline) {
            let latency = (now - attempt.startedAt).nanoseconds / 1_000
            self.metrics.attemptTime.record(microseconds: latency)
            let (ending, status, error, response) = self.judge(attempt, outcome)
            if case .succeeded = ending {
                self.metrics.delivered.add()
                if let received = attempt.delivery.message.receivedNanoseconds {
                    let total = Int64(now.uptimeNanoseconds) - received
                    self.metrics.endToEndTime.record(microseconds: total / 1_000)
                }
            }
            self.results.append(
                AttemptResult(
                    delivery: attempt.delivery, ending: ending, at: attempt.startedAtWall,
                    latencyMicroseconds: Int32(clamping: latency), status: status, error: error, response: response))
            if self.results.count >= self.configuration.completionBatch {
                self.flush()
            } else if !self.isFlushScheduled {
                self.isFlushScheduled = true
                self.eventLoop.assumeIsolated().scheduleTask(in: self.configuration.completionDelay) {
                    self.isFlushScheduled = false
                    self.flush()
                }
            }
        }

        func flush() {
            self.completer.submit(self.results)
            self.results.removeAll(keepingCapacity: true)
        }

        private func judge(
            _ attempt: Attempt, _ outcome: Outcome
        ) -> (ending: AttemptResult.Ending, status: Int16?, error: String?, response: [UInt8]?) {
            switch outcome {
            case .response(let status, let body, _):
                let kept = body.isEmpty ? nil : body
                if (200..<300).contains(status) { return (.succeeded, Int16(status), nil, kept) }
                self.metrics.failedAttempts.add("status")
                return (self.afterFailure(attempt), Int16(status), nil, kept)
            case .failure(.cancelled):
                // Nobody's fault: it neither counts nor waits.
                self.metrics.failedAttempts.add("cancelled")
                return (.retried(due: self.wallClock.microseconds()), nil, "cancelled", nil)
            case .failure(let failure):
                self.metrics.failedAttempts.add(failure.kind)
                return (self.afterFailure(attempt), nil, failure.description, nil)
            }
        }

        private func afterFailure(_ attempt: Attempt) -> AttemptResult.Ending {
            let number = Int(attempt.delivery.attempts) + 1
            guard let wait = self.configuration.retrySchedule.wait(after: number, using: &self.generator) else {
                self.metrics.givenUp.add()
                return .failed
            }
            return .retried(due: self.wallClock.microseconds() + wait.milliseconds * 1_000)
        }
    }
}
