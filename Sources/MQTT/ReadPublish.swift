internal import CMosquitto

/// A message as it stands in its packet (MQTT 5, section 3.3), of which libmosquitto may have refused a part.
struct ReadPublish {
    /// By which it is acknowledged; nil at QoS 0, at which nothing is.
    let id: UInt16?
    let topic: ArraySlice<UInt8>
    /// nil if its topic is no text to MQTT. Of its properties those are left out that are none.
    let message: ReceivedMessage?

    init(_ packet: Packet) throws(MalformedPacket) {
        var body = PacketCursor(packet.body)
        let qos = packet.flags >> 1 & 3
        // 1 is the most that is asked for.
        guard qos < 2, let topic = body.string() else { throw MalformedPacket() }
        self.topic = topic
        if qos == 0 {
            self.id = nil
        } else {
            guard let id = body.number(2) else { throw MalformedPacket() }
            self.id = UInt16(truncatingIfNeeded: id)
        }
        guard case .found(let length) = body.variableNumber(), let properties = body.take(length) else {
            throw MalformedPacket()
        }
        guard !topic.isEmpty, isText(topic) else {
            self.message = nil
            return
        }
        var found = PropertyReading()
        let subscriptions = found.read(properties)
        self.message = ReceivedMessage(
            topic: String(decoding: topic, as: UTF8.self), payload: Array(body.rest), traceparent: found.traceparent,
            subscriptions: subscriptions, isRetained: packet.flags & 1 == 1, qos: qos, properties: found.properties)
    }
}

extension PropertyReading {
    /// Reads properties as they stand in a PUBLISH. What libmosquitto would refuse is left out, and counted.
    ///
    /// - Returns: the numbers of the subscriptions that it is sent for.
    mutating func read(_ bytes: ArraySlice<UInt8>) -> [Int32] {
        var (cursor, numbers): (PacketCursor, [Int32]) = (PacketCursor(bytes), [])
        while let identifier = cursor.byte() {
            // How long it is only those know who know what it is.
            guard self.readOne(Int32(identifier), &cursor, &numbers) else { break }
        }
        return numbers
    }

    /// - Returns: whether what stands behind it can be read.
    private mutating func readOne(
        _ identifier: Int32, _ cursor: inout PacketCursor, _ numbers: inout [Int32]
    ) -> Bool {
        switch identifier {
        case Self.payloadFormat: return cursor.byte() != nil
        case Self.topicAlias: return cursor.number(2) != nil
        case Self.expiry:
            guard let seconds = cursor.number(4) else { return false }
            self.expiry = seconds
        case Self.subscription:
            guard case .found(let number) = cursor.variableNumber() else { return false }
            numbers.append(Int32(clamping: number))
        case Self.contentType:
            guard let bytes = cursor.string() else { return false }
            self.keep(bytes, upTo: ReceivedProperties.longestType, in: \.contentType)
        case Self.responseTopic:
            guard let bytes = cursor.string() else { return false }
            self.keep(bytes, upTo: ReceivedProperties.longestTopic, in: \.responseTopic)
        case Self.correlationData:
            guard let bytes = cursor.string() else { return false }
            let isKept = self.correlationData == nil && bytes.count <= ReceivedProperties.longestCorrelation
            if isKept { self.correlationData = Array(bytes) } else { self.leftOut += 1 }
        case Self.user:
            guard let name = cursor.string(), let value = cursor.string() else { return false }
            guard isText(name), isText(value) else {
                self.leftOut += 1
                return true
            }
            self.take(String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
        default: return false
        }
        return true
    }

    /// The first of those that may stand there once.
    private mutating func keep(
        _ bytes: ArraySlice<UInt8>, upTo most: Int, in place: WritableKeyPath<PropertyReading, String?>
    ) {
        guard self[keyPath: place] == nil, bytes.count <= most, isText(bytes) else {
            self.leftOut += 1
            return
        }
        self[keyPath: place] = String(decoding: bytes, as: UTF8.self)
    }
}

/// Whether libmosquitto takes it for a text (MQTT 5, section 1.5.4).
private func isText(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard !bytes.isEmpty else { return true }
    return unsafe bytes.withUnsafeBytes { bytes in
        let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
        return unsafe mosquitto_validate_utf8(start, Int32(bytes.count)) == MOSQ_ERR_SUCCESS.rawValue
    }
}
