internal import CMosquitto
internal import Glibc
internal import Threads

/// One connection to the broker and the loop that serves it, for the actors of this room. It lives on its owner's
/// thread.
///
/// Every wait in it ends: by a deadline, or because whoever asked was told to stop.
final class Link {
    private let executor: ThreadExecutor
    let configuration: Session.Configuration
    let inbox: Inbox
    var client: Client?
    private(set) var order: BrokerOrder
    /// What is still under way for each of the brokers, because nobody waited for its end.
    private var dials: [Int: Dial] = [:]
    /// Of the call that is being served.
    var interruption = Interruption()
    private var liveness = Liveness()
    /// While it says goodbye: until when, whoever wants it to stop.
    private var farewell: ContinuousClock.Instant?

    init(_ configuration: Session.Configuration, executor: ThreadExecutor) {
        self.configuration = configuration
        self.executor = executor
        self.inbox = Inbox()
        self.order = BrokerOrder(configuration.brokers)
    }

    // MARK: Connecting

    /// Connects to the first broker that lets us in, subscribes, and leaves what is named. A connection that exists is
    /// dropped first, with its unacknowledged messages, which the broker then sends again.
    func connect(
        leaving formerFilters: [String] = [], following numbered: [NumberedFilter] = []
    ) throws(MQTTError) {
        self.inbox.formerFilters = formerFilters
        self.inbox.numberedFilters = numbered
        self.inbox.topicFilters = self.configuration.topicFilters
        var failures: [(BrokerAddress, MQTTError)] = []
        for index in self.order.indices {
            do throws(MQTTError) {
                try self.connect(index)
                self.order.worked(index)
                self.dials = [:]
                return
            } catch {
                self.drop()
                guard error.kind != .interrupted, error.kind != .configuration else { throw error }
                failures.append((self.order.addresses[index], error))
            }
        }
        guard let last = failures.last?.1 else {
            throw MQTTError(kind: .configuration, message: "there is no broker to connect to")
        }
        guard failures.count > 1 else { throw last }
        let texts = failures.map { "\($0.0): \($0.1.message)" }
        throw MQTTError(kind: last.kind, message: texts.joined(separator: "; "))
    }

    private func connect(_ index: Int) throws(MQTTError) {
        do throws(MQTTError) { try self.connect(index, toReadBytes: false) } catch {
            guard error.isUnreadable, self.mayReadBytes else { throw error }
            try self.connect(index, toReadBytesFor: error)
        }
    }

    func connect(_ index: Int, toReadBytes readsBytes: Bool) throws(MQTTError) {
        self.drop()
        let deadline = ContinuousClock.now + self.configuration.connectTimeout
        self.inbox.bytes = readsBytes ? ByteReading(self.configuration, until: deadline) : nil
        self.client = try self.dial(index, until: deadline)
        do throws(MQTTError) { try self.awaitAnswers(until: deadline) } catch {
            guard self.inbox.connectCode == nil else { throw error }
            throw error.beforeAnswer(withTLS: self.configuration.tlsCAFile != nil)
        }
        try self.checkSubscription()
    }

    /// How long the answers to what is subscribed to are waited for, and over how much, where messages come before them.
    private static let patienceBehindMessages: Duration = .seconds(5)
    private static let mostBeforeAnswers = 4 * 1024 * 1024

    private func awaitAnswers(until deadline: ContinuousClock.Instant) throws(MQTTError) {
        var deadline = deadline
        var isHolding = false
        while self.inbox.connectCode == nil || !self.inbox.isSubscribed || !self.inbox.hasLeft {
            // Nothing may be written behind an uncommitted message, and nothing has to be: what is asked for was written before
            // the first one was read. The answers tell copies of a message apart, so they are waited for, as long as what comes
            // before them is no more than a batch.
            if self.inbox.batch.messages.isEmpty {
                try self.flush(until: deadline)
            } else {
                // Nothing was held before, so this may be as long as what comes after it.
                let patience = min(Self.patienceBehindMessages, self.inbox.limits.longestHold ?? .seconds(60))
                if !isHolding { deadline = min(deadline, .now + patience) }
                isHolding = true
                guard !self.inbox.isSubscribed, ContinuousClock.now < deadline,
                    self.inbox.batch.payloadBytes < Self.mostBeforeAnswers
                else { break }
            }
            if let code = self.inbox.connectCode, code != 0 { throw .refused(code, self.inbox.remark) }
            guard ContinuousClock.now < deadline else {
                let asked = self.inbox.connectCode == nil ? "" : " to what was subscribed to"
                throw MQTTError(kind: .connect, message: "no answer\(asked) in time")
            }
            if case .woken = try self.readOnce(until: deadline) { throw .interrupted }
        }
    }

    private func dial(_ index: Int, until deadline: ContinuousClock.Instant) throws(MQTTError) -> Client {
        let dial: Dial
        if let earlier = self.dials[index], !earlier.hasFailed {
            dial = earlier
        } else {
            dial = try Dial.start(
                self.configuration, to: self.order.addresses[index], inbox: self.inbox, waking: self.executor)
            self.dials[index] = dial
        }
        while true {
            if self.interruption.isSet { throw .interrupted }
            do throws(MQTTError) {
                if let client = try dial.take(self.inbox) {
                    self.dials[index] = nil
                    return client
                }
            } catch {
                self.dials[index] = nil
                throw error
            }
            guard ContinuousClock.now < deadline else {
                throw MQTTError(kind: .connect, message: "no connection in time")
            }
            _ = self.executor.wait(for: -1, events: .readable, until: deadline)
        }
    }

    // MARK: Subscribing and leaving

    func checkSubscription() throws(MQTTError) {
        guard let refusal = self.inbox.subscribeRefusal else { return }
        self.drop()
        throw MQTTError(kind: .refused, message: refusal)
    }

    /// Queues what is to be subscribed to and left. It goes out with the acknowledgements.
    func change(subscribing: [NumberedFilter], leaving: [String]) {
        // Who is told that the connection has ended asks for all of it.
        guard !self.readsBytes else { return }
        // Else another subscribes anew as well, if it has to connect again.
        for filter in subscribing { self.client?.subscribe(to: filter, self.inbox) }
        for filter in leaving { self.client?.leave(filter, self.inbox) }
    }

    /// Closes the connection, if there is one. What was received and not taken is forgotten; the broker sends it again.
    func drop() {
        self.client = nil
        self.inbox.reset()
        self.liveness = Liveness()
    }

    /// Writes what is queued and DISCONNECT behind it, and closes.
    ///
    /// Closing a socket that holds unread data resets the connection, and with it goes what the broker has not read yet
    /// (RFC 1122, section 4.2.2.13): the acknowledgements. libmosquitto closes as soon as it has written DISCONNECT. So
    /// the connection is kept open by a second descriptor, and what still comes is read and thrown away.
    ///
    /// - Parameters:
    ///   - forgetting: whether the broker is to forget the session at once.
    ///   - isAwaited: whether to wait until the broker has closed the connection, and so has read everything.
    func sayGoodbye(forgetting: Bool = false, isAwaited: Bool) {
        let deadline = ContinuousClock.now + self.configuration.farewell
        self.farewell = deadline
        let spare = self.client?.duplicateDescriptor()
        defer {
            if let spare { spare.close() }
            self.farewell = nil
            self.drop()
        }
        if self.readsBytes {
            self.inbox.bytes?.sayGoodbye(forgetting: forgetting)
        } else {
            self.client?.sayGoodbye(forgetting: forgetting)
        }
        // Best effort: an acknowledgement that does not get out costs a second delivery of the message, no more.
        guard (try? self.flush()) != nil, isAwaited, let spare else { return }
        while true {
            switch self.executor.wait(for: spare.descriptor, events: .readable, until: deadline) {
            case .ready: guard spare.discardInput() else { return }
            case .woken: continue
            case .timedOut: return
            }
        }
    }

    // MARK: The loop

    /// - Returns: the packet's id, under which its acknowledgement comes; or why this message is not for the broker,
    ///   which says nothing about the connection.
    func publish(_ publication: Publication) throws(MQTTError) -> Result<Int32, PublishRefusal> {
        let topic = publication.topic
        // libmosquitto's own look at the size is two bytes short.
        if let most = self.inbox.limits.largestPayload(on: topic), publication.size > most {
            return .failure(.tooLarge(most))
        }
        // At QoS 2 it would come once; who takes 1 at most gets it at least once.
        let qos = min(publication.qos, max(1, self.inbox.largestQoS))
        guard qos <= self.inbox.largestQoS else {
            return .failure(
                PublishRefusal(reason: "the broker takes QoS 0 alone, at which it acknowledges nothing", isFinal: false)
            )
        }
        var id: Int32 = 0
        let code = self.client?.publish(publication, qos: qos, id: &id)
        switch code.map({ mosq_err_t($0) }) {
        case MOSQ_ERR_OVERSIZE_PACKET, MOSQ_ERR_PAYLOAD_SIZE: return .failure(.tooLarge(nil))
        case MOSQ_ERR_INVAL, MOSQ_ERR_MALFORMED_UTF8:
            return .failure(
                PublishRefusal(
                    reason: "its topic, or what it says of itself, is no text that MQTT takes", isFinal: true))
        default: try self.check(code)
        }
        return .success(id)
    }

    /// Reads one packet if one comes in time.
    @discardableResult
    func readOnce(until deadline: ContinuousClock.Instant) throws(MQTTError) -> WaitResult {
        let limit = self.liveness.asked.map { $0 + self.configuration.answerPatience }
        let result = try self.wait(.readable, until: min(deadline, limit ?? deadline))
        if case .ready = result { try self.read() }
        if result == .timedOut, let limit, limit <= .now {
            throw self.lost(Self.silence)
        }
        return result
    }

    /// Does nothing for this time, which is short: it does not end when whoever asked is to stop.
    func pause(for duration: Duration) {
        guard !self.interruption.isSet else { return }
        // A broker with Nagle's algorithm on, as mosquitto is unless told otherwise, sends nothing more before that is
        // acknowledged, for which the kernel would wait until we write something.
        self.client?.acknowledgeSegments()
        // The milliseconds of poll(2) would make a short wait several times as long.
        let (seconds, attoseconds) = duration.components
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        unsafe nanosleep(&time, nil)
    }

    /// Waits until the connection is ready, the deadline has passed, or whoever asked is to stop (`woken`).
    func wait(_ events: Readiness, until deadline: ContinuousClock.Instant) throws(MQTTError) -> WaitResult {
        guard let descriptor = self.client?.descriptor, descriptor >= 0 else { throw self.lost("not connected") }
        // What has come already shows nowhere else.
        if events.contains(.readable), self.inbox.bytes?.packets.hasNext == true { return .ready(.readable) }
        while true {
            let isStopping = self.farewell == nil && self.interruption.isSet
            let deadline = isStopping ? .now : min(deadline, self.farewell ?? deadline)
            let result = self.executor.wait(for: descriptor, events: events, until: deadline)
            switch result {
            case .ready: return result
            // Woken for a job that waits behind this one, or for a dial that is over.
            case .woken: continue
            case .timedOut: return isStopping ? .woken : .timedOut
            }
        }
    }

    func read() throws(MQTTError) {
        self.liveness.heard()
        guard !self.readsBytes else { return try self.readBytes() }
        // One packet: libmosquitto 2.0 ignores the count given here.
        let code = self.client?.loopRead()
        do throws(MQTTError) { try self.check(code) } catch {
            guard let code, Self.codesOfMessages.contains(code), self.inbox.connectCode == 0 else { throw error }
            var unreadable = MQTTError(
                kind: .connectionLost, message: "a message \(Self.unreadable), and the broker sends it again")
            unreadable.isUnreadable = true
            throw unreadable
        }
    }

    private var wantsToWrite: Bool {
        self.inbox.bytes.map { !$0.outgoing.isEmpty } ?? (self.client?.wantsToWrite == true)
    }

    /// - Returns: what to wait for before more can be written.
    @discardableResult
    private func write() throws(MQTTError) -> Readiness {
        guard !self.readsBytes else { return try self.writeBytes() }
        try self.check(self.client?.loopWrite())
        if self.client?.wantsToWrite == false { self.liveness.wrote() }
        return .writable
    }

    /// As ``flush(until:)``, for many packets: libmosquitto writes each by itself, and each would go out, and wake the
    /// broker, by itself.
    func flushTogether() throws(MQTTError) {
        guard self.wantsToWrite else { return }
        self.client?.cork(true)
        defer { self.client?.cork(false) }
        try self.flush()
    }

    /// Writes all that is queued. Only to be called while nothing read is unacknowledged.
    func flush(until deadline: ContinuousClock.Instant? = nil) throws(MQTTError) {
        let deadline = deadline ?? .now + self.configuration.connectTimeout
        while self.wantsToWrite {
            let awaited = try self.write()
            guard self.wantsToWrite else { return }
            switch try self.wait(awaited, until: deadline) {
            case .ready: continue
            case .woken: throw .interrupted
            case .timedOut: throw self.lost("the broker does not read")
            }
        }
    }

    private static let silence = "the broker heard a ping and was silent"

    /// Queues a ping if it is time for one.
    func keepAlive() throws(MQTTError) {
        // For so short a time as bytes are read nobody has to be kept alive.
        guard !self.readsBytes else { return }
        let wasQuiet = self.client?.wantsToWrite == false
        let code = self.client?.loopMisc()
        // Who is kept from looking in time is told by libmosquitto, when the next ping is due.
        if let code, code != MOSQ_ERR_SUCCESS.rawValue, self.liveness.asked != nil { throw self.lost(Self.silence) }
        try self.check(code)
        if wasQuiet, self.client?.wantsToWrite == true { self.liveness.queuedPing() }
        self.askIfPingsAreRare()
    }

    /// A broker may name a keepalive of its own, or none at all (MQTT 5, section 3.2.2.3.14), and libmosquitto pings by that. The
    /// kernel's probes find a machine that is gone, but behind a proxy there is always one that is there. So what is as quiet
    /// as it may be is asked for something that has to be answered and changes nothing: to end a subscription that there is not.
    private func askIfPingsAreRare() {
        guard let theirs = self.inbox.capabilities.keepalive,
            theirs == 0 || .seconds(theirs) > self.configuration.keepalive, self.inbox.isSubscribed,
            self.liveness.isQuiet(for: self.configuration.keepalive), self.client?.ask() == true
        else { return }
        self.liveness.queuedPing()
    }

    /// Reads a packet or writes what is queued, whatever can be first; reading goes before, for the broker may say why
    /// it does not want to read on. Only for those who hold nothing back.
    func exchange(until deadline: ContinuousClock.Instant) throws(MQTTError) {
        try self.keepAlive()
        guard self.client?.wantsToWrite == true else {
            if case .woken = try self.readOnce(until: deadline) { throw .interrupted }
            return
        }
        switch try self.wait([.readable, .writable], until: deadline) {
        case .ready(let found) where found.isDisjoint(with: [.readable, .failed]): try self.write()
        case .ready: try self.read()
        case .woken: throw .interrupted
        case .timedOut: return
        }
    }

    private func check(_ code: Int32?) throws(MQTTError) {
        guard let code else { throw self.lost("not connected") }
        guard code == MOSQ_ERR_SUCCESS.rawValue else { throw self.lost(errorText(code)) }
    }

    func lost(_ why: String) -> MQTTError {
        let (connectCode, disconnectCode) = (self.inbox.connectCode, self.inbox.disconnectCode)
        self.client = nil
        if let code = connectCode, code != 0 { return .refused(code, self.inbox.remark) }
        let said = disconnectCode.map { disconnectReason($0) + self.inbox.remark.text }
        var error = MQTTError(kind: .connectionLost, message: said ?? why)
        error.isPacketTooLarge = disconnectCode == 149
        return error
    }
}
