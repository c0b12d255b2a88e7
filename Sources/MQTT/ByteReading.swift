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
            guard body.byte() != nil, let code = body.byte() else { throw MalformedPacket() }
            self.connectCode = Int32(code)
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
