internal import Domain
internal import NIOCore
internal import WebhookClient

/// One delivery being tried: the request on the wire, and what comes of it.
///
/// It lives on its lane's event loop, and only while the attempt is under way.
final class Attempt: PendingRequest {
    let delivery: Delivery
    let startedAt: NIODeadline
    /// Microseconds since 1970, for the log and the `webhook-timestamp`.
    let startedAtWall: Int64
    /// The webhook as it is now, which may be newer than when the message came in.
    let target: WebhookTarget
    private let lane: Lane

    init(_ delivery: Delivery, target: WebhookTarget, lane: Lane, now: NIODeadline, wallNow: Int64) {
        self.delivery = delivery
        self.target = target
        self.lane = lane
        self.startedAt = now
        self.startedAtWall = wallNow
    }

    func encode(into buffer: inout ByteBuffer) {
        let message = self.delivery.message
        buffer.reserveCapacity(self.target.requestHead.count + 400 + message.payload.count)
        buffer.writeBytes(self.target.requestHead)
        if !self.target.setsContentType {
            buffer.writeStaticString("content-type: ")
            buffer.writeString(message.contentType)
            buffer.writeStaticString("\r\n")
        }
        let (id, timestamp) = (self.delivery.id.text, self.startedAtWall / 1_000_000)
        if let keys = self.target.signingKeys {
            buffer.writeStaticString("webhook-signature: ")
            buffer.writeString(keys.header(id: id, timestamp: timestamp, body: message.payload))
            buffer.writeStaticString("\r\n")
        }
        buffer.writeStaticString("webhook-id: ")
        buffer.writeString(id)
        buffer.writeStaticString("\r\nwebhook-timestamp: ")
        buffer.writeDecimal(timestamp)
        buffer.writeStaticString("\r\nx-hookline-thing-id: ")
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: EntityID.textLength) { bytes in
            message.thing.write(to: bytes)
            return EntityID.textLength
        }
        if !message.subtopic.isEmpty {
            buffer.writeStaticString("\r\nx-hookline-subtopic: ")
            buffer.writeString(message.subtopic)
        }
        if let traceparent = message.traceparent {
            buffer.writeStaticString("\r\ntraceparent: ")
            buffer.writeString(traceparent)
        }
        buffer.writeStaticString("\r\ncontent-length: ")
        buffer.writeDecimal(Int64(message.payload.count))
        buffer.writeStaticString("\r\n\r\n")
        buffer.writeBytes(message.payload)
    }

    func ended(_ outcome: Outcome) {
        self.lane.ended(self, outcome)
    }
}

extension ByteBuffer {
    /// A non-negative number in decimal, without a string in between.
    mutating func writeDecimal(_ value: Int64) {
        var digits: (UInt64, UInt64, UInt32) = (0, 0, 0)
        withUnsafeMutableBytes(of: &digits) { scratch in
            var rest = UInt64(max(0, value))
            var start = scratch.count
            repeat {
                start -= 1
                scratch[start] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            } while rest > 0
            self.writeBytes(UnsafeRawBufferPointer(scratch)[start...])
        }
    }
}
