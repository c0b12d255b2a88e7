/// What came is no MQTT.
struct MalformedPacket: Error {}

/// A control packet as it stands in the stream (MQTT 5, section 2.1).
struct Packet {
    enum Kind: UInt8 { case connectAnswer = 2, publish = 3, goodbye = 14 }

    /// nil for what is of no use to who only reads messages.
    let kind: Kind?
    let flags: UInt8
    let body: ArraySlice<UInt8>
}

/// The packets in a stream of bytes. Without I/O.
struct PacketReader {
    private var bytes: [UInt8] = []
    /// Where the next packet begins.
    private var start = 0

    /// Not to be called while a packet of its is held: its bytes would be copied.
    mutating func append(_ more: [UInt8]) {
        self.bytes.removeFirst(self.start)
        self.start = 0
        self.bytes += more
    }

    /// Whether ``next()`` has something to say.
    var hasNext: Bool {
        do throws(MalformedPacket) { return try self.nextBody() != nil } catch { return true }
    }

    /// The next packet, if all of it is there.
    mutating func next() throws(MalformedPacket) -> Packet? {
        guard let body = try self.nextBody() else { return nil }
        let first = self.bytes[self.start]
        self.start = body.upperBound
        return Packet(kind: Packet.Kind(rawValue: first >> 4), flags: first & 0x0F, body: self.bytes[body])
    }

    private func nextBody() throws(MalformedPacket) -> Range<Int>? {
        guard self.start < self.bytes.count else { return nil }
        var cursor = PacketCursor(self.bytes[(self.start + 1)...])
        let length: Int
        switch cursor.variableNumber() {
        case .found(let number): length = number
        case .cutOff: return nil
        case .malformed: throw MalformedPacket()
        }
        let begin = cursor.rest.startIndex
        return self.bytes.count - begin >= length ? begin..<begin + length : nil
    }
}

/// Reads what stands in a packet one after the other; nil is what is not there.
struct PacketCursor {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { self.rest = bytes }

    mutating func byte() -> UInt8? { self.rest.popFirst() }

    /// - Parameter bytes: of how many it is.
    mutating func number(_ bytes: Int) -> UInt32? {
        self.take(bytes)?.reduce(0) { $0 << 8 | UInt32($1) }
    }

    mutating func take(_ count: Int) -> ArraySlice<UInt8>? {
        guard self.rest.count >= count else { return nil }
        defer { self.rest = self.rest.dropFirst(count) }
        return self.rest.prefix(count)
    }

    /// Two bytes of length and so many others: a text, or any bytes.
    mutating func string() -> ArraySlice<UInt8>? {
        self.number(2).flatMap { self.take(Int($0)) }
    }

    enum VariableNumber {
        case found(Int)
        /// More is to come.
        case cutOff
        case malformed
    }

    /// Seven bits in each byte, four bytes at the most (section 1.5.5).
    mutating func variableNumber() -> VariableNumber {
        var number = 0
        for place in 0..<4 {
            guard let byte = self.byte() else { return .cutOff }
            number |= Int(byte & 0x7F) << (7 * place)
            if byte < 0x80 { return .found(number) }
        }
        return .malformed
    }
}
