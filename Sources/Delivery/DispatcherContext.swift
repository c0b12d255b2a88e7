internal import Domain
internal import Journal
internal import NIOCore
internal import Observability
internal import Queue
internal import Values
internal import WebhookClient

extension Dispatcher {
    /// What the lanes of a loop share. It lives on the loop.
    final class Context {
        let eventLoop: any EventLoop
        let configuration: DeliveryConfiguration
        let wallClock: WallClock
        let metrics: Metrics
        let ledger: LaneLedger
        let quotas: Quotas?
        let ports: DeliveryPorts
        /// Takes back a wish for a claim, if it is not being granted yet.
        let withdrawWish: @Sendable (WebhookKey, _ group: EntityID) -> Bool
        let factsLine: FactsLine
        let log: RateLimitedLog
        /// nil if nothing is traced.
        let traces: TraceRecorder?
        var isStopping = false
        /// Until when what is leased is this instance's, by a clock that goes on while the machine sleeps. Then another may
        /// have it, and who sends all the same may overtake what the other has to send first.
        var leaseEnd: ContinuousClock.Instant
        var leaseLosses = 0
        var instances = 1
        let connections: SharedConnections
        private let completer: Completer
        private var results: [DeliveryResult] = []
        private var resultBytes = 0
        private var isMemoryShort = false
        private var pace: RecordingPace
        private var flushing: Scheduled<Void>?
        private var generator = SystemRandomNumberGenerator()
        /// Lanes with something to do.
        private(set) var busyLanes: [Lane] = []
        /// Lanes that something is to be done for later.
        private var calendar = LaneCalendar<Lane>()

        init(
            eventLoop: any EventLoop, configuration: DeliveryConfiguration, connections: SharedConnections,
            wallClock: WallClock, metrics: Metrics, ledger: LaneLedger, quotas: Quotas?,
            ports: DeliveryPorts, completer: Completer, factsLine: FactsLine, log: RateLimitedLog,
            traces: TraceRecorder?,
            withdrawWish: @escaping @Sendable (WebhookKey, _ group: EntityID) -> Bool
        ) {
            self.withdrawWish = withdrawWish
            self.factsLine = factsLine
            self.log = log
            self.traces = traces
            // Until the first renewal nothing is for certain.
            self.leaseEnd = .now
            self.ports = ports
            self.eventLoop = eventLoop
            self.configuration = configuration
            self.connections = connections
            self.wallClock = wallClock
            self.metrics = metrics
            self.ledger = ledger
            self.quotas = quotas
            self.completer = completer
            self.pace = RecordingPace(
                delay: configuration.completionDelay.nanoseconds,
                interval: configuration.completionInterval.nanoseconds)
        }

        func makePool(for target: WebhookTarget) -> ConnectionPool {
            // One byte more shows whether there is more.
            let keptBody = target.responds ? self.configuration.largestResponse + 1 : Self.loggedBody
            return self.makePool(to: target.url, for: target, keptBody: max(keptBody, target.judgedBody ?? 0))
        }

        /// Gets the tokens of a webhook whose receiver wants some.
        func makeTokenSource(for target: WebhookTarget) -> TokenSource? {
            TokenExchange(
                target.options.auth, longestWait: self.configuration.defaults.longestRetryAfter,
                wallClock: self.wallClock
            ).map { exchange in
                TokenSource(
                    exchange,
                    pool: self.makePool(to: exchange.url, for: target, keptBody: TokenExchange.largestAnswer))
            }
        }

        private func makePool(to url: WebhookURL, for target: WebhookTarget, keptBody: Int) -> ConnectionPool {
            ConnectionPool(
                url: url, allowedNetworks: target.allowedNetworks, terms: target.tls, keptBody: keptBody,
                owner: target.group, of: self.connections)
        }

        /// Judges how an attempt ended, and notes it to be written with others.
        ///
        /// - Returns: that, and whether the webhook is still what it was when it was called.
        func judge(
            _ attempt: Attempt, _ outcome: Outcome, target: WebhookTarget, now: NIODeadline
        ) -> (verdict: Verdict, isCurrent: Bool) {
            let delivery = attempt.delivery
            let answeredAt = attempt.answeredAt ?? now
            let latency = (answeredAt - attempt.startedAt).wholeMicroseconds
            self.metrics.attemptTime.record(microseconds: latency)
            let verdict = Verdict(
                outcome, calledBy: attempt.target.policy, location: attempt.location, bodyFault: attempt.bodyFault,
                of: delivery, target: target,
                defaults: self.configuration.defaults,
                wallNow: self.wallClock.now, elapsed: self.wallClock.elapsed,
                using: &self.generator)
            attempt.trace?.end(
                attempt, outcome, result: verdict.ending.word, failure: verdict.failureKind, now: now)
            let isCurrent = self.isCurrent(attempt, target, verdict)
            if let kind = verdict.failureKind { self.metrics.failedAttempts.add(kind) }
            switch verdict.ending {
            case .succeeded:
                self.metrics.delivered.add(1 + attempt.others.count)
                if let received = delivery.message.receivedNanoseconds {
                    self.metrics.endToEndTime.record(
                        microseconds: TimeAmount.nanoseconds(answeredAt.nanoseconds - received).wholeMicroseconds)
                }
            case .retried, .failed: break
            case .released:
                self.add(DeliveryResult(delivery: delivery, ending: .released, attempt: nil))
                for other in attempt.others {
                    self.add(DeliveryResult(delivery: other, ending: .released, attempt: nil))
                }
                return (verdict, isCurrent)
            }
            var response = verdict.response
            if let long = response, long.count > Self.loggedBody { response = Array(long.prefix(Self.loggedBody)) }
            let record = AttemptRecord(
                at: attempt.startedAtWall, latencyMicroseconds: Int32(clamping: latency), status: verdict.status,
                error: verdict.error, response: response,
                peculiarities: Self.peculiarities(
                    of: attempt.special, wasSent: !verdict.isFault, headers: Self.headers(of: attempt, outcome, verdict)
                ))
            // With the target that was called: a webhook changed since then is not disabled for it.
            self.add(
                DeliveryResult(
                    delivery: delivery.webhook === attempt.target ? delivery : delivery.with(attempt.target),
                    ending: verdict.ending, attempt: record, isGone: verdict.isGone,
                    isOfFormerVersion: !isCurrent))
            for other in attempt.others {
                self.add(
                    DeliveryResult(
                        delivery: other.with(attempt.target), ending: verdict.ending, attempt: nil,
                        wasTriedAlong: !verdict.isFault || other.attempts == 0)
                )
            }
            if attempt.target.responds { self.respond(verdict, to: attempt) }
            return (verdict, isCurrent)
        }

        /// - Returns: nil unless something failed or had failed: what succeeds at once is logged with as little as before.
        private static func headers(of attempt: Attempt, _ outcome: Outcome, _ verdict: Verdict) -> AnswerHeaders? {
            guard case .response = outcome else { return nil }
            if case .succeeded = verdict.ending, attempt.delivery.attempts == 0 { return nil }
            return attempt.headers.flatMap { $0.fields.isEmpty ? nil : $0 }
        }

        /// - Returns: nil for a plain request that was sent and taken, as nearly all are.
        private static func peculiarities(
            of special: Attempt.Special?, wasSent: Bool, headers: AnswerHeaders?
        ) -> AttemptRecord.Peculiarities? {
            guard let special else {
                return wasSent && headers == nil ? nil : AttemptRecord.Peculiarities(wasSent: wasSent, headers: headers)
            }
            return AttemptRecord.Peculiarities(
                target: special.hasVaryingTarget
                    ? special.request?.loggedTarget.map { String(decoding: $0, as: UTF8.self) } : nil,
                items: special.others.isEmpty ? [] : [special.first] + special.others.map(\.message.id),
                wasSent: wasSent, headers: headers)
        }

        /// How much of an answer the log keeps.
        static let loggedBody = 4 * 1024

        /// Tells the thing what came of its message, once that is settled.
        private func respond(_ verdict: Verdict, to attempt: Attempt) {
            let answer = attempt.target.options.answer
            let hasSucceeded: Bool
            switch verdict.ending {
            case .retried, .released: return
            case .succeeded: hasSucceeded = true
            case .failed: hasSucceeded = false
            }
            guard hasSucceeded || answer.occasion == .always else { return }
            let message = attempt.delivery.message
            let isOwnTopic = self.ports.isOwnTopic
            let asked =
                answer.destination == .responseTopic
                ? AskedAnswer(message) { isOwnTopic($0, message.thing, message.group) } : nil
            self.ports.responses?.respond(
                ThingResponse(
                    thing: message.thing, in: message.group, subtopic: message.subtopic, webhook: attempt.target.id,
                    delivery: attempt.delivery.id, status: verdict.status.map(Int.init), error: verdict.error,
                    body: verdict.response ?? [], fault: attempt.bodyFault, hasSucceeded: hasSucceeded, as: answer,
                    asked: asked, largest: self.configuration.largestResponse))
        }

        /// Gives up what no request can be made of.
        func giveUp(_ delivery: Delivery, _ reason: String, wallNow: Instant) {
            self.add(
                DeliveryResult(
                    delivery: delivery, ending: .failed(reason: reason),
                    attempt: AttemptRecord(
                        at: wallNow, latencyMicroseconds: 0, status: nil, error: reason, response: nil,
                        peculiarities: AttemptRecord.Peculiarities(wasSent: false))))
        }

        /// Whether the webhook is still what it was when it was called: what an earlier version met says nothing about this one.
        ///
        /// A lane hears of a change a moment after its caller was answered. So where something has failed the routes are asked.
        ///
        /// - Parameter target: the webhook as the lane knows it.
        private func isCurrent(_ attempt: Attempt, _ target: WebhookTarget, _ verdict: Verdict) -> Bool {
            guard attempt.target.version == target.version else { return false }
            if case .succeeded = verdict.ending { return true }
            return self.ports.target(target.key).map { $0.version == attempt.target.version } ?? true
        }

        /// - Parameter inFlight: how many requests were under way, this one included.
        func teach(
            _ gate: inout Gate, _ verdict: Verdict, of attempt: Attempt, _ outcome: Outcome, inFlight: Int,
            now: NIODeadline
        ) {
            let sample = ConcurrencyLimit.Sample(
                startedAt: attempt.startedAt.nanoseconds,
                latency: ((attempt.answeredAt ?? now) - attempt.sentAt).nanoseconds,
                level: attempt.level, inFlight: inFlight)
            gate.learn(
                verdict.health, isTooMuch: outcome.isTooMuch, isResent: attempt.delivery.resent != nil, of: sample,
                pause: verdict.pause, now: now.nanoseconds,
                using: &self.generator)
        }

        /// Takes a result, to be written with others.
        func add(_ result: DeliveryResult) {
            if case .failed = result.ending { self.metrics.givenUp.add() }
            self.results.append(result)
            self.resultBytes += result.delivery.message.size
            self.flushSoon(isUrgent: !result.hasSucceeded)
        }

        /// Takes what goes back to the database at the same time, however much that is: what was in one row is to be in one again.
        func addReleased(_ deliveries: [Delivery]) {
            guard !deliveries.isEmpty else { return }
            for delivery in deliveries {
                self.results.append(DeliveryResult(delivery: delivery, ending: .released, attempt: nil))
                self.resultBytes += delivery.message.size
            }
            self.flushSoon(isUrgent: true)
        }

        private func flushSoon(isUrgent: Bool) {
            guard
                self.results.count < self.configuration.completionBatch,
                self.resultBytes < self.configuration.completionBytes
            else { return self.flush() }
            let isUrgent = isUrgent || self.isMemoryShort
            guard let due = self.pace.note(isUrgent: isUrgent, now: NIODeadline.now().nanoseconds) else { return }
            self.flushing?.cancel()
            self.flushing = self.eventLoop.assumeIsolated().scheduleTask(
                deadline: .uptimeNanoseconds(UInt64(due))
            ) { self.flush() }
        }

        // MARK: Who has something to do

        func noteBusy(_ lane: Lane) { self.busyLanes.append(lane) }
        func note(_ lane: Lane, at second: Int64) { self.calendar.add(lane, at: second) }

        /// Those that have something to do, or may have by now. They are not noted any more.
        func takeBusyLanes(second: Int64) -> [Lane] {
            for lane in self.calendar.take(until: second) { lane.alarmRang(second: second) }
            defer { self.busyLanes = [] }
            return self.busyLanes
        }

        func flush() {
            self.flushing?.cancel()
            self.flushing = nil
            self.pace.wrote(now: NIODeadline.now().nanoseconds)
            // Once for all that come until the next time: it is asked of what all loops share.
            self.isMemoryShort = self.ledger.isShort
            self.ledger.completed(self.results)
            self.ports.tally.note(self.results)
            self.completer.submit(self.results)
            self.results.removeAll(keepingCapacity: true)
            self.resultBytes = 0
        }
    }
}

extension Outcome {
    /// Whether it is what a receiver does that is asked for too much at a time.
    fileprivate var isTooMuch: Bool {
        switch self {
        case .response(let status, _, _): status == 429 || status == 503
        case .failure(.connect), .failure(.timeout), .failure(.closed): true
        case .failure: false
        }
    }
}

extension Delivery {
    /// The same delivery, to the webhook as it was when it was called.
    func with(_ target: WebhookTarget) -> Delivery {
        var delivery = Delivery(
            message: self.message, webhook: target, attempts: self.attempts, replayedAt: self.replayedAt,
            isLeased: self.isLeased)
        delivery.batch = self.batch
        delivery.bundle = self.bundle
        delivery.resent = self.resent
        return delivery
    }
}
