package import Logging
internal import Threads

/// A persistent MQTT 5 session that acknowledges a message only when told to.
///
/// libmosquitto queues the PUBACK *before* it calls back, and writes it at once unless it believes that another
/// thread does the writing (`mosquitto_threaded_set`). So it is told just that, we poll the socket ourselves, and
/// `mosquitto_loop_write` is called only while nothing is unacknowledged: the acknowledgements of a batch wait in
/// libmosquitto's queue until its messages are safe. The subscription is QoS 1, never 2: with QoS 2 libmosquitto keeps
/// the message in memory alone once it has answered PUBREC, and a crash loses it.
package actor Session {
    package struct Configuration: Sendable {
        package var host: String
        package var port: Int
        /// Stable over restarts: the broker keeps the session under this name.
        package var clientID: String
        package var username: String?
        package var password: String?
        package var tlsCAFile: String?
        /// What to subscribe to, `$share/…` included.
        package var topicFilters: [String]
        /// How many messages the broker may send ahead of our acknowledgements; at least two batches.
        package var receiveMaximum = 4_000
        package var keepalive: Duration = .seconds(60)
        /// How long the broker keeps the session, and what is queued in it, while nobody is connected.
        package var sessionExpiry: Duration = .seconds(7 * 86_400)
        package var connectTimeout: Duration = .seconds(10)
        /// Whether the broker forgets the session when the connection ends.
        package var isTransient = false
        /// Whether the session is to be brought to its end: it is left by ``topicFilters``, so that nothing new comes,
        /// and what the broker still has for it is handed out. See ``Session/hasLeft``.
        package var isEnding = false

        package init(host: String, port: Int, clientID: String, topicFilters: [String]) {
            self.host = host
            self.port = port
            self.clientID = clientID
            self.topicFilters = topicFilters
        }
    }

    private let executor: ThreadExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe self.executor.asUnownedSerialExecutor()
    }

    private let link: Link
    private let filtersToLeave: [String]

    package init(_ configuration: Configuration, logger: Logger) {
        self.executor = ThreadExecutor(name: "mqtt")
        var configuration = configuration
        self.filtersToLeave = configuration.isEnding ? configuration.topicFilters : []
        if configuration.isEnding { configuration.topicFilters = [] }
        self.link = Link(configuration, executor: self.executor, inbox: Inbox(logger: logger))
    }

    deinit {
        self.executor.stop()
    }

    // MARK: Connecting

    /// Connects, and subscribes. A connection that exists is dropped first, with its unacknowledged messages, which
    /// the broker then sends again.
    ///
    /// Messages may come from here on, before the broker has confirmed the subscription.
    package func connect() throws(MQTTError) {
        try self.link.connect()
        for filter in self.filtersToLeave { try self.link.unsubscribe(from: filter) }
    }

    /// Whether the broker has confirmed that nothing new comes to a session that is to end.
    package var hasLeft: Bool { self.link.inbox.unsubscriptionsConfirmed >= self.filtersToLeave.count }

    /// Says goodbye for good: the broker forgets the session. Only to be called when everything is acknowledged.
    package func end() {
        self.link.sayGoodbye(forgetting: true)
        self.link.drop()
    }

    /// Says goodbye and closes. The broker keeps the session, and everything unacknowledged in it.
    ///
    /// - Parameter acknowledging: whether the messages received last are safe, so that their acknowledgements may
    ///   leave first.
    package func disconnect(acknowledging: Bool) {
        if acknowledging {
            self.link.inbox.batch = Batch()
            // Best effort: an acknowledgement that does not get out costs a second delivery of the message, no more.
            try? self.link.flush()
            self.link.sayGoodbye()
        }
        self.link.drop()
    }

    /// Ends an ``acknowledgeAndReceive(upTo:bytes:within:)`` that is waiting for messages.
    package nonisolated func interrupt() {
        self.executor.wake()
    }

    // MARK: Receiving

    /// Acknowledges what the previous call returned, then waits for messages and takes what has arrived.
    ///
    /// - Parameters:
    ///   - count: the most messages to take.
    ///   - bytes: taking stops once the payloads add up to this.
    ///   - patience: how long to wait for the first one.
    /// - Returns: an empty batch if none came, or if ``interrupt()`` was called.
    /// - Throws: ``MQTTError`` when the connection is gone. Nothing returned before it was acknowledged is lost.
    package func acknowledgeAndReceive(
        upTo count: Int, bytes: Int, within patience: Duration
    ) throws(MQTTError) -> Batch {
        var batch = self.link.inbox.take()
        guard batch.messages.isEmpty else { return batch }  // came while connecting
        let deadline = ContinuousClock.now + patience
        self.link.isInterrupted = false
        while true {
            try self.link.flushTogether()
            try self.link.keepAlive()
            try self.link.checkSubscription()
            // Keepalive needs a look at least every second.
            try self.link.readOnce(until: self.link.isInterrupted ? .now : min(deadline, .now + .seconds(1)))
            while self.link.inbox.batch.messages.count < count, self.link.inbox.batch.payloadBytes < bytes {
                let before = self.link.inbox.batch.messages.count
                try self.link.read()
                if self.link.inbox.batch.messages.count > before { continue }
                // There was nothing, or not a message. `poll` says whether there is more; libmosquitto's own EAGAIN
                // does not (it leaks from a socket pair that nobody empties in this mode).
                guard case .ready = try self.link.wait(.readable, until: .now) else { break }
            }
            batch = self.link.inbox.take()
            if !batch.messages.isEmpty || self.link.isInterrupted || ContinuousClock.now >= deadline { return batch }
        }
    }
}
