internal import CMosquitto
internal import Threads

/// One connection to the broker and the loop that serves it, for the actors of this room. It lives on its owner's
/// thread.
final class Link {
    private let executor: ThreadExecutor
    private let configuration: Session.Configuration
    let inbox: Inbox
    private var client: Client?
    /// Whether a wait was ended from outside.
    var isInterrupted = false

    init(_ configuration: Session.Configuration, executor: ThreadExecutor, inbox: Inbox) {
        self.configuration = configuration
        self.executor = executor
        self.inbox = inbox
    }

    /// Connects, and subscribes. A connection that exists is dropped first, with its unacknowledged messages, which
    /// the broker then sends again.
    func connect() throws(MQTTError) {
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
        try self.checkSubscription()
    }

    func checkSubscription() throws(MQTTError) {
        guard let refusal = self.inbox.subscribeRefusal else { return }
        self.drop()
        throw MQTTError(kind: .refused, message: refusal)
    }

    func drop() {
        self.client = nil
    }

    func unsubscribe(from filter: String) throws(MQTTError) {
        try self.check(self.client?.unsubscribe(from: filter))
    }

    /// Sends DISCONNECT behind what is queued, and waits until the broker has closed the connection.
    ///
    /// Closing a socket that holds unread data resets the connection, and with it goes what the broker has not read yet
    /// (RFC 1122, section 4.2.2.13): the acknowledgements. libmosquitto closes as soon as it has written DISCONNECT. So
    /// the connection is kept open by a second descriptor, and what still comes is read and thrown away.
    func sayGoodbye(forgetting: Bool = false) {
        let spare = self.client?.duplicateDescriptor()
        defer { if let spare { spare.close() } }
        self.client?.sayGoodbye(forgetting: forgetting)
        guard (try? self.flush()) != nil, let spare else { return }
        let deadline = ContinuousClock.now + min(self.configuration.connectTimeout, .seconds(3))
        while true {
            switch self.executor.wait(for: spare.descriptor, events: .readable, until: deadline) {
            case .ready: guard spare.discardInput() else { return }
            case .woken: continue
            case .timedOut: return
            }
        }
    }

    /// - Returns: the packet's id, under which its acknowledgement comes.
    func publish(_ payload: [UInt8], to topic: String) throws(MQTTError) -> Int32 {
        var id: Int32 = 0
        try self.check(self.client?.publish(payload, to: topic, id: &id))
        return id
    }

    /// Reads one packet if one comes in time.
    func readOnce(until deadline: ContinuousClock.Instant) throws(MQTTError) {
        if case .ready = try self.wait(.readable, until: deadline) { try self.read() }
    }

    func wait(
        _ events: Readiness, until deadline: ContinuousClock.Instant
    ) throws(MQTTError) -> WaitResult {
        guard let descriptor = self.client?.descriptor, descriptor >= 0 else { throw self.lost("not connected") }
        let result = self.executor.wait(for: descriptor, events: events, until: deadline)
        if result == .woken { self.isInterrupted = true }
        return result
    }

    func read() throws(MQTTError) {
        // One packet: libmosquitto 2.0 ignores the count given here.
        try self.check(self.client?.loopRead())
    }

    /// As ``flush()``, for many packets: libmosquitto writes each by itself, and each would go out, and wake the
    /// broker, by itself.
    func flushTogether() throws(MQTTError) {
        guard self.client?.wantsToWrite == true else { return }
        self.client?.cork(true)
        defer { self.client?.cork(false) }
        try self.flush()
    }

    /// Writes all that libmosquitto has queued. Only to be called while nothing read is unacknowledged.
    func flush() throws(MQTTError) {
        let deadline = ContinuousClock.now + self.configuration.connectTimeout
        while self.client?.wantsToWrite == true {
            try self.check(self.client?.loopWrite())
            guard self.client?.wantsToWrite == true else { return }
            if case .timedOut = try self.wait(.writable, until: deadline) {
                throw self.lost("the broker does not read")
            }
        }
    }

    func keepAlive() throws(MQTTError) {
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
