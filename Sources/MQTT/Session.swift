package import Logging
package import Threads
package import Values

/// A persistent MQTT 5 session that acknowledges a message only when told to.
///
/// libmosquitto queues the PUBACK *before* it calls back, and writes it at once unless it believes that another
/// thread does the writing (`mosquitto_threaded_set`). So it is told just that, we poll the socket ourselves, and
/// `mosquitto_loop_write` is called only while nothing is unacknowledged: the acknowledgements of a batch wait in
/// libmosquitto's queue until its messages are safe. The subscription is QoS 1, never 2: with QoS 2 libmosquitto keeps
/// the message in memory alone once it has answered PUBREC, and a crash loses it.
package actor Session {
    private let thread: DedicatedThread
    private nonisolated var executor: ThreadExecutor { self.thread.executor }
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe self.executor.asUnownedSerialExecutor()
    }

    private let configuration: Configuration
    private let link: Link
    private let interruption = Interruption()
    /// What the broker takes, known once it was connected to.
    package nonisolated let limits: BrokerLimits

    /// - Parameter thread: where it works and waits; nil is one of its own.
    /// - Throws: ``MQTTError`` if there is none to be had.
    package init(_ configuration: Configuration, on thread: DedicatedThread? = nil, logger: Logger) throws(MQTTError) {
        if let thread {
            self.thread = thread
        } else {
            do throws(ThreadError) { self.thread = try DedicatedThread(name: "mqtt") } catch { throw MQTTError(error) }
        }
        self.configuration = configuration
        self.link = Link(configuration, executor: self.thread.executor)
        self.link.interruption = self.interruption
        self.limits = self.link.inbox.limits
    }

    /// Runs `body` on the session's thread, so that going to and fro between them costs nothing. While it waits for messages
    /// nothing else runs there.
    package nonisolated func onItsThread<Value: Sendable>(
        _ body: @Sendable () async throws -> Value
    ) async throws -> Value {
        try await withTaskExecutorPreference(self.executor, operation: body)
    }

    // MARK: Connecting

    /// Connects to the first of the brokers that lets us in, subscribes, and leaves other filters that the broker may
    /// have from before. A connection that exists is dropped first, with its unacknowledged messages, which the broker
    /// then sends again.
    ///
    /// Messages may come from here on, before the broker has confirmed the subscription.
    ///
    /// - Parameters:
    ///   - formerFilters: what to leave; see ``hasLeft``.
    ///   - numbered: what to subscribe to beside the configuration's filters. That the broker refuses one is no failure; see
    ///     ``refusedFilters``.
    /// - Throws: ``MQTTError``, of the kind `interrupted` after ``interrupt()`` or when the task is cancelled.
    package nonisolated func connect(
        leaving formerFilters: [String] = [], following numbered: [NumberedFilter] = []
    ) async throws(MQTTError) {
        try await self.interruptible { link throws(MQTTError) in
            try link.connect(leaving: formerFilters, following: numbered)
        }
    }

    /// Subscribes to more, and leaves what is not wanted any more, while the connection lasts: it is written with the next
    /// acknowledgements. One that exists is replaced, with its number.
    package func change(subscribing: [NumberedFilter], leaving: [String]) {
        self.link.change(subscribing: subscribing, leaving: leaving)
    }

    /// What the broker says of itself, once it was connected to.
    package var capabilities: BrokerCapabilities { self.link.inbox.capabilities }

    /// What the broker says of itself that is too little for this session, in words for people: its messages would be lost, or not come.
    package var shortcomings: [String] {
        BrokerCheck.shortcomings(of: self.link.inbox.capabilities, for: self.configuration)
    }

    /// Whether the broker had the session still when it was connected to. If not, it has nothing that was published before.
    package var isResumed: Bool { self.link.inbox.isResumed }

    /// Whether ``change(subscribing:leaving:)`` does anything now: for a moment, while what cannot be read is taken, it does not.
    package var mayChange: Bool { !self.link.readsBytes }

    /// Whether the broker has confirmed that it has forgotten all filters that were to be left.
    package var hasLeft: Bool { self.link.inbox.hasLeft && !self.link.readsBytes }

    /// Whether it has confirmed, or refused, all that it was to be subscribed to.
    package var isSubscribed: Bool { self.link.inbox.isSubscribed && !self.link.readsBytes }

    /// What it does not let us subscribe to, with its reason code (MQTT 5, section 3.9.3).
    package var refusedFilters: [ExactText: Int32] { self.link.inbox.refusedFilters }

    /// What it sends with QoS 0 alone, though 1 was asked for: nothing of it can be acknowledged, and what comes while nobody
    /// is connected is lost.
    package var unacknowledgedFilters: Set<ExactText> { self.link.inbox.unacknowledgedFilters }

    /// Says goodbye for good: the broker forgets the session. Only to be called when everything is acknowledged.
    package func end() {
        self.link.sayGoodbye(forgetting: true, isAwaited: true)
    }

    /// Says goodbye and closes. The broker keeps the session, and everything unacknowledged in it.
    ///
    /// - Parameter acknowledging: whether the messages received last are safe, so that their acknowledgements may
    ///   leave first.
    package func disconnect(acknowledging: Bool) {
        // What came and was not handed out is nowhere but here.
        guard acknowledging, self.link.inbox.batch.messages.isEmpty else { return self.link.drop() }
        self.link.sayGoodbye(isAwaited: true)
    }

    /// Ends a wait that is under way, and every later one; what is left to do is to disconnect.
    package nonisolated func interrupt() {
        self.interruption.set()
        self.executor.wake()
    }

    private nonisolated func interruptible<Value: Sendable>(
        _ body: @Sendable (Link) throws(MQTTError) -> Value
    ) async throws(MQTTError) -> Value {
        let result = await withTaskCancellationHandler {
            await self.perform(body)
        } onCancel: {
            self.interrupt()
        }
        // What a cancelled caller got would look like silence.
        if Task.isCancelled { throw .interrupted }
        return try result.get()
    }

    private func perform<Value: Sendable>(
        _ body: @Sendable (Link) throws(MQTTError) -> Value
    ) -> Result<Value, MQTTError> {
        do throws(MQTTError) { return .success(try body(self.link)) } catch { return .failure(error) }
    }

    // MARK: Receiving

    /// Acknowledges what the previous call returned, then waits for messages and takes what has arrived.
    ///
    /// - Parameters:
    ///   - count: the most messages to take.
    ///   - bytes: taking stops once the payloads add up to this.
    ///   - patience: how long to wait for the first one.
    ///   - linger: how long to wait for more once something has come.
    ///   - longer: how much longer to wait for the next one if none has come by then.
    /// - Returns: an empty batch if none came, or if ``interrupt()`` was called.
    /// - Throws: ``MQTTError`` when the connection is gone, or the task is cancelled. Nothing returned before it was
    ///   acknowledged is lost.
    package nonisolated func acknowledgeAndReceive(
        upTo count: Int, bytes: Int, within patience: Duration, linger: Duration = .zero, longer: Duration = .zero
    ) async throws(MQTTError) -> Batch {
        try await self.interruptible { link throws(MQTTError) in
            do throws(MQTTError) {
                return try Self.receiveAll(
                    on: link, upTo: count, bytes: bytes, within: patience, linger: (linger, longer))
            } catch {
                guard error.kind == .interrupted else { throw error }
                return Batch()
            }
        }
    }

    /// Goes past libmosquitto for what that cannot read.
    private static func receiveAll(
        on link: Link, upTo count: Int, bytes: Int, within patience: Duration,
        linger: (pause: Duration, longer: Duration)
    ) throws(MQTTError) -> Batch {
        try link.endReadingBytes()
        let batch: Batch
        do throws(MQTTError) {
            batch = try Self.receive(on: link, upTo: count, bytes: bytes, until: .now + patience, linger: linger)
        } catch {
            guard error.isUnreadable, link.mayReadBytes else { throw error }
            // With it went what was read and not handed out, which comes again.
            try link.connectToReadBytes(for: error)
            batch = try Self.receive(on: link, upTo: count, bytes: bytes, until: .now + patience, linger: linger)
        }
        link.inbox.bytes?.take(batch.count, now: .now)
        return batch
    }

    private static func receive(
        on link: Link, upTo count: Int, bytes: Int, until deadline: ContinuousClock.Instant,
        linger: (pause: Duration, longer: Duration)
    ) throws(MQTTError) -> Batch {
        guard link.inbox.batch.messages.isEmpty else { return link.inbox.take() }  // came while connecting
        while true {
            try link.flushTogether()
            try link.checkSubscription()
            // Keepalive needs a look at least every second.
            var result = try link.readOnce(until: min(deadline, .now + .seconds(1)))
            try Self.readAll(on: link, upTo: count, bytes: bytes, &result)
            if linger.pause > .zero, !link.inbox.batch.messages.isEmpty {
                // Without looking at what comes meanwhile: each look would cost what is to be saved.
                link.pause(for: linger.pause)
                // If nothing has come it was for nothing so far, and the next is about to.
                result = try link.wait(.readable, until: .now + linger.longer)
                try Self.readAll(on: link, upTo: count, bytes: bytes, &result)
            }
            // After reading, so that an answer that waited here while a batch was committed is not missed; what it
            // queues goes out with the acknowledgements.
            try link.keepAlive()
            if link.inbox.batch.count > 0 || result == .woken || ContinuousClock.now >= deadline {
                return link.inbox.take()
            }
        }
    }

    /// Reads what is there, within the limits.
    private static func readAll(
        on link: Link, upTo count: Int, bytes: Int, _ result: inout WaitResult
    ) throws(MQTTError) {
        while case .ready = result, link.inbox.batch.count < count, link.inbox.batch.payloadBytes < bytes {
            let before = link.inbox.batch.count
            try link.read()
            if link.inbox.batch.count > before { continue }
            // There was nothing, or not a message. `poll` says whether there is more; libmosquitto's own EAGAIN
            // does not (it leaks from a socket pair that nobody empties in this mode).
            result = try link.wait(.readable, until: .now)
        }
    }
}
