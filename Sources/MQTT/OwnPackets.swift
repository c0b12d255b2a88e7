internal import Values

/// The few packets that we write ourselves (MQTT 5, sections 3.1, 3.4 and 3.14).
enum OwnPackets {
    /// Asks for the session as libmosquitto does.
    static func connect(_ configuration: Session.Configuration) -> [UInt8] {
        let user = configuration.username.map { Array($0.utf8) }
        let password = user == nil ? nil : (configuration.password?.reveal()).map { Array($0.utf8) }
        var flags: UInt8 = configuration.isTransient ? 0x02 : 0
        if user != nil { flags |= 0x80 }
        if password != nil { flags |= 0x40 }
        let keepalive = UInt16(clamping: configuration.keepalive.components.seconds)
        let expiry = UInt32(clamping: configuration.sessionExpiry.components.seconds)
        let receiveMaximum = UInt16(clamping: configuration.receiveMaximum)
        var body = Self.text(Array("MQTT".utf8))
        body += [5, flags] + Self.bytes(of: keepalive)
        // A byte for the length of the properties, which are session expiry and receive maximum.
        body += [8, 0x11] + Self.bytes(of: expiry)
        body += [0x21] + Self.bytes(of: receiveMaximum)
        for text in [Array(configuration.clientID.utf8), user, password] {
            if let text { body += Self.text(text) }
        }
        return [0x10] + Self.length(body.count) + body
    }

    static func acknowledgement(of id: UInt16) -> [UInt8] { [0x40, 2] + Self.bytes(of: id) }

    static func goodbye(forgetting: Bool) -> [UInt8] {
        // Reason 0, and a session expiry of 0.
        forgetting ? [0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0] : [0xE0, 0]
    }

    private static func text(_ text: [UInt8]) -> [UInt8] { Self.bytes(of: UInt16(clamping: text.count)) + text }

    private static func bytes(of number: some FixedWidthInteger) -> [UInt8] {
        stride(from: number.bitWidth - 8, through: 0, by: -8).map { UInt8(truncatingIfNeeded: number >> $0) }
    }

    /// Seven bits of it in each byte (section 1.5.5).
    private static func length(_ count: Int) -> [UInt8] {
        var (rest, bytes): (Int, [UInt8]) = (count, [])
        repeat {
            bytes.append(UInt8(rest & 0x7F) | (rest > 0x7F ? 0x80 : 0))
            rest >>= 7
        } while rest > 0
        return bytes
    }
}
