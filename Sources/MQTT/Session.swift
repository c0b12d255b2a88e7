internal import CMosquitto
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

    private let configuration: Configuration
    private let logger: Logger
    private let inbox: Inbox
    private var client: Client?
    /// Whether ``interrupt()`` ended one of the waits of the call that is under way.
    private var isInterrupted = false

    package init(_ configuration: Configuration, logger: Logger) {
        self.executor = ThreadExecutor(name: "mqtt")
        self.configuration = configuration
        self.logger = logger
        self.inbox = Inbox(logger: logger)
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
        self.drop()
        self.inbox.reset()
        let client = try Client.create(self.configuration, inbox: self.inbox)
        try client.connect(self.configuration)
        self.client = consume client
        let deadline = ContinuousClock.now + self.configuration.connectTimeout
        while self.inbox.connectCode == nil || !self.inbox.isSubscribed {
            // Nothing may be read past an uncommitted message, but writing here is safe: a message that arrives
            // between CONNACK and SUBACK ends this loop's reading at once and stays unacknowledged.
            if self.inbox.batch.messages.isEmpty { try self.flush() } else { break }
            if let code = self.inbox.connectCode, code != 0 {
                self.drop()
                throw MQTTError(kind: .refused, message: connectReason(code))
            }
            guard ContinuousClock.now < deadline else {
                self.drop()
                throw MQTTError(kind: .connect, message: "the broker did not answer in time")
            }
            try self.readOnce(until: min(deadline, .now + .milliseconds(500)))
        }
        if let refusal = self.inbox.subscribeRefusal {
            self.drop()
            throw MQTTError(kind: .refused, message: refusal)
        }
    }

    /// Says goodbye and closes. The broker keeps the session, and everything unacknowledged in it.
    ///
    /// - Parameter acknowledging: whether the messages received last are safe, so that their acknowledgements may
    ///   leave first.
    package func disconnect(acknowledging: Bool) {
        if acknowledging {
            self.inbox.batch = Batch()
            // Best effort: an acknowledgement that does not get out costs a second delivery of the message, no more.
            try? self.flush()
            self.client?.sayGoodbye()
            try? self.flush()
        }
        self.drop()
    }

    /// Ends an ``acknowledgeAndReceive(upTo:bytes:within:)`` that is waiting for messages.
    package nonisolated func interrupt() {
        self.executor.wake()
    }

    private func drop() {
        self.client = nil
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
        var batch = self.inbox.take()
        guard batch.messages.isEmpty else { return batch }  // came while connecting
        let deadline = ContinuousClock.now + patience
        self.isInterrupted = false
        while true {
            try self.flush()
            try self.keepAlive()
            if let refusal = self.inbox.subscribeRefusal {
                self.drop()
                throw MQTTError(kind: .refused, message: refusal)
            }
            // Keepalive needs a look at least every second.
            try self.readOnce(until: self.isInterrupted ? .now : min(deadline, .now + .seconds(1)))
            while self.inbox.batch.messages.count < count, self.inbox.batch.payloadBytes < bytes {
                // `poll` says whether there is more; libmosquitto's own EAGAIN does not (it leaks from a socket
                // pair that nobody empties in this mode).
                guard case .ready = try self.wait(.readable, until: .now) else { break }
                try self.read()
            }
            batch = self.inbox.take()
            if !batch.messages.isEmpty || self.isInterrupted || ContinuousClock.now >= deadline { return batch }
        }
    }

    /// Reads one packet if one comes in time.
    private func readOnce(until deadline: ContinuousClock.Instant) throws(MQTTError) {
        if case .ready = try self.wait(.readable, until: deadline) { try self.read() }
    }

    private func wait(
        _ events: Readiness, until deadline: ContinuousClock.Instant
    ) throws(MQTTError) -> WaitResult {
        guard let descriptor = self.client?.descriptor, descriptor >= 0 else { throw self.lost("not connected") }
        let result = self.executor.wait(for: descriptor, events: events, until: deadline)
        if result == .woken { self.isInterrupted = true }
        return result
    }

    private func read() throws(MQTTError) {
        // One packet: libmosquitto 2.0 ignores the count given here.
        try self.check(self.client?.loopRead())
    }

    /// Writes all that libmosquitto has queued. Only to be called while nothing read is unacknowledged.
    private func flush() throws(MQTTError) {
        let deadline = ContinuousClock.now + self.configuration.connectTimeout
        while self.client?.wantsToWrite == true {
            try self.check(self.client?.loopWrite())
            guard self.client?.wantsToWrite == true else { return }
            if case .timedOut = try self.wait(.writable, until: deadline) {
                throw self.lost("the broker does not read")
            }
        }
    }

    private func keepAlive() throws(MQTTError) {
        try self.check(self.client?.loopMisc())
        try self.flush()
    }

    private func check(_ code: Int32?) throws(MQTTError) {
        guard let code else { throw self.lost("not connected") }
        guard code == MOSQ_ERR_SUCCESS.rawValue else { throw self.lost(errorText(code)) }
    }

    private func lost(_ why: String) -> MQTTError {
        self.drop()
        if let code = self.inbox.connectCode, code != 0 {
            return MQTTError(kind: .refused, message: connectReason(code))
        }
        return MQTTError(kind: .connectionLost, message: self.inbox.disconnectReason ?? why)
    }
}

/// The reason codes of MQTT 5 (section 3.2.2.2) and 3.1.1 that a broker gives when it refuses a connection.
private func connectReason(_ code: Int32) -> String {
    switch code {
    case 4, 134: "the broker refused username or password"
    case 5, 135: "the broker does not let this client in"
    case 133: "the broker refused the client id"
    case 136, 137: "the broker is not available"
    default: "the broker refused the connection with code \(code)"
    }
}
