internal import Synchronization

/// What the broker says it takes, as of the latest connection.
package final class BrokerLimits: Sendable {
    private let largestPacket = Atomic(0)
    private let keepalive = Atomic(0)

    init() {}

    /// nil if the broker names no limit, or has not been asked yet.
    func setLargestPacket(_ bytes: Int?) {
        self.largestPacket.store(bytes ?? 0, ordering: .relaxed)
    }

    /// In seconds; nil if the broker names none, 0 if it never ends a connection for its silence.
    func setKeepalive(_ seconds: Int?) {
        self.keepalive.store(seconds ?? 0, ordering: .relaxed)
    }

    /// How long messages may be held unacknowledged by the keepalive that the broker wants (MQTT 5, section 3.2.2.3.14), as
    /// ``Session/Configuration/longestHold``; nil if it wants none.
    package var longestHold: Duration? {
        let seconds = self.keepalive.load(ordering: .relaxed)
        return seconds == 0 ? nil : max(Session.Configuration.longestHold(at: .seconds(seconds)), .milliseconds(500))
    }

    /// How many bytes a message on this topic may hold; nil if the broker names no limit, or was not reached yet.
    package func largestPayload(on topic: String) -> Int? {
        let packet = self.largestPacket.load(ordering: .relaxed)
        return packet == 0 ? nil : PublishSize.largestPayload(topicBytes: topic.utf8.count, packet: packet)
    }
}

/// The size of a PUBLISH at QoS 1 without properties (MQTT 5, section 3.3).
enum PublishSize {
    /// Topic with its length, packet id, and the properties' length, which is 0.
    private static func remaining(_ topicBytes: Int, _ payloadBytes: Int) -> Int {
        2 + topicBytes + 2 + 1 + payloadBytes
    }

    /// How many bytes a length takes: seven bits of it in each.
    private static func lengthBytes(_ length: Int) -> Int {
        switch length {
        case ..<128: 1
        case ..<16_384: 2
        case ..<2_097_152: 3
        default: 4
        }
    }

    static func packet(topicBytes: Int, payloadBytes: Int) -> Int {
        let remaining = Self.remaining(topicBytes, payloadBytes)
        return 1 + Self.lengthBytes(remaining) + remaining
    }

    /// The largest payload whose packet is no larger than that; 0 if there is none.
    static func largestPayload(topicBytes: Int, packet: Int) -> Int {
        // The length's own length hangs on the result, and one byte too few is never wrong by more.
        let most = packet - Self.packet(topicBytes: topicBytes, payloadBytes: 0) + 1
        return stride(from: max(0, most), through: max(0, most - 4), by: -1).first {
            Self.packet(topicBytes: topicBytes, payloadBytes: $0) <= packet
        } ?? 0
    }
}
