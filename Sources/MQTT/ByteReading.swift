internal import CMosquitto
internal import Threads

/// Reading packets ourselves, past libmosquitto (``Link/connectToReadBytes(for:)``), and how far that has come: what libmosquitto
/// could not read stands among the messages that the broker had sent ahead, or is the next.
struct ByteReading {
    var packets = PacketReader()
    /// What is to be written. Acknowledgements wait here, as they do in libmosquitto's queue.
    private(set) var outgoing: [UInt8]
    private var rest: Int
    private let patience: ContinuousClock.Instant
    /// Where messages never cease. What was sent ahead came at once, and what comes after that waits for no longer than this.
    private let end: ContinuousClock.Instant
    private static let longest: Duration = .seconds(20)
    /// Whether anything came.
    private(set) var hasTaken = false
    /// Whether what could not be read has come, as far as that can be known.
    private(set) var isOver = false

    /// - Parameter patience: until when the first message may come.
    init(_ configuration: Session.Configuration, until patience: ContinuousClock.Instant) {
        self.outgoing = OwnPackets.connect(configuration)
        self.rest = configuration.receiveMaximum
        self.patience = patience
        self.end = patience + Self.longest
    }

    /// - Parameter count: how many messages were taken; none if it was quiet.
    mutating func take(_ count: Int, now: ContinuousClock.Instant) {
        self.rest -= count
        if count > 0 { self.hasTaken = true }
        let isQuiet = count == 0 && (self.hasTaken || self.patience <= now)
        if self.rest < 0 || isQuiet || self.end <= now { self.isOver = true }
    }

    mutating func acknowledge(_ id: UInt16) { self.outgoing += OwnPackets.acknowledgement(of: id) }

    /// - Parameter forgetting: whether the broker is to forget the session at once.
    mutating func sayGoodbye(forgetting: Bool) { self.outgoing += OwnPackets.goodbye(forgetting: forgetting) }

    mutating func wrote(_ count: Int) { self.outgoing.removeFirst(count) }
}

extension Link {
    /// Whether packets are read past libmosquitto.
    var readsBytes: Bool { self.inbox.bytes != nil }
    /// Whether the session is still there for another connection, and this one has not tried that yet.
    var mayReadBytes: Bool { !self.readsBytes && !self.configuration.isTransient }

    /// What libmosquitto ends the connection with at a message that it does not take.
    static let codesOfMessages = [
        MOSQ_ERR_MALFORMED_UTF8.rawValue, MOSQ_ERR_DUPLICATE_PROPERTY.rawValue, MOSQ_ERR_PROTOCOL.rawValue,
        MOSQ_ERR_MALFORMED_PACKET.rawValue,
    ]

    /// What is wrong with such a message, in words.
    static let unreadable =
        "holds what is no text to MQTT (control characters, or no UTF-8), or twice what may stand there once"

    /// Connects to read what comes without libmosquitto, on a connection that it makes.
    ///
    /// A topic or a property may hold what libmosquitto takes for no text: control characters, which MQTT 5 only advises against
    /// (section 1.5.4), or bytes that are none, which not every broker refuses. Or it names several subscriptions, which brokers may do
    /// (section 3.3.2.3.8). libmosquitto ends the connection then and does not say what came. So that cannot be acknowledged, would
    /// come again, and keep everything behind it for ever. Nothing is subscribed to or left meanwhile.
    ///
    /// - Parameter reason: what could not be read.
    func connectToReadBytes(for reason: MQTTError) throws(MQTTError) {
        try self.connect(self.order.indices[0], toReadBytesFor: reason)
    }

    /// - Parameter reason: what could not be read, which is told as well if this does not succeed.
    func connect(_ index: Int, toReadBytesFor reason: MQTTError) throws(MQTTError) {
        do throws(MQTTError) { try self.connect(index, toReadBytes: true) } catch {
            guard error.kind != .interrupted else { throw error }
            var failure = MQTTError(
                kind: .connectionLost, message: "\(reason.message); past libmosquitto: \(error.message)")
            failure.isUnreadable = true
            throw failure
        }
    }

    /// Ends such a connection when it has brought what could not be read. What it brought is to be acknowledged.
    func endReadingBytes() throws(MQTTError) {
        guard let bytes = self.inbox.bytes, bytes.isOver else { return }
        try self.flushTogether()
        self.sayGoodbye(isAwaited: true)
        let end =
            bytes.hasTaken
            ? "it was taken without that, or refused if that was its topic"
            : "past libmosquitto nothing came: it was no message, or the broker has forgotten it"
        throw MQTTError(kind: .connectionLost, message: "a message \(Self.unreadable); \(end)")
    }

    /// Reads one packet, if one is there.
    func readBytes() throws(MQTTError) {
        if try self.takePacket() { return }
        switch self.client?.receive() {
        case .done(let bytes)?:
            self.inbox.bytes?.packets.append(bytes)
            _ = try self.takePacket()
        case .waits?: return
        case .ended(let why)?: throw self.lost(why)
        case nil: throw self.lost("not connected")
        }
    }

    /// - Returns: whether there was one.
    private func takePacket() throws(MQTTError) -> Bool {
        do throws(MalformedPacket) {
            guard let packet = try self.inbox.bytes?.packets.next() else { return false }
            try self.inbox.take(packet)
            return true
        } catch {
            throw self.lost("what the broker sends is no MQTT")
        }
    }

    /// - Returns: what to wait for before more can be written.
    func writeBytes() throws(MQTTError) -> Readiness {
        guard let outgoing = self.inbox.bytes?.outgoing else { return .writable }
        switch self.client?.send(outgoing) {
        case .done(let count)?:
            self.inbox.bytes?.wrote(count)
            return .writable
        case .waits(let readiness)?: return readiness
        case .ended(let why)?: throw self.lost(why)
        case nil: throw self.lost("not connected")
        }
    }
}

extension Inbox {
    /// Takes a packet as the callbacks take what libmosquitto has read.
    func take(_ packet: Packet) throws(MalformedPacket) {
        var body = PacketCursor(packet.body)
        switch packet.kind {
        case .connectAnswer?:
            guard let flags = body.byte(), let code = body.byte() else { throw MalformedPacket() }
            self.connectCode = Int32(code)
            self.isResumed = flags & 1 == 1
        case .publish?:
            let publish = try ReadPublish(packet)
            if let id = publish.id { self.bytes?.acknowledge(id) }
            guard let message = publish.message else { return self.batch.note(unreadable: publish.topic) }
            if message.subscriptions.count > 1 { self.mayNumber = false }
            self.batch.append(message)
        case .goodbye?:
            if let code = body.byte(), code != 0 { self.disconnectCode = Int32(code) }
        case nil: return
        }
    }
}
