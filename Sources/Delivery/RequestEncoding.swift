package import Domain
package import NIOCore

extension ByteBuffer {
    /// Writes the whole request of a delivery, head and payload.
    ///
    /// - Parameters:
    ///   - target: the webhook as it is now.
    ///   - time: microseconds since 1970, for the `webhook-timestamp`.
    package mutating func writeRequest(of delivery: Delivery, to target: WebhookTarget, at time: Int64) {
        let message = delivery.message
        self.reserveCapacity(target.requestHead.count + 400 + message.payload.count)
        self.writeBytes(target.requestHead)
        if !target.setsContentType {
            self.writeStaticString("content-type: ")
            self.writeString(message.contentType)
            self.writeStaticString("\r\n")
        }
        let (id, timestamp) = (delivery.id.text, time / 1_000_000)
        if let keys = target.signingKeys {
            self.writeStaticString("webhook-signature: ")
            self.writeString(keys.header(id: id, timestamp: timestamp, body: message.payload))
            self.writeStaticString("\r\n")
        }
        self.writeStaticString("webhook-id: ")
        self.writeString(id)
        self.writeStaticString("\r\nwebhook-timestamp: ")
        self.writeDecimal(timestamp)
        self.writeStaticString("\r\nx-hookline-thing-id: ")
        self.writeWithUnsafeMutableBytes(minimumWritableBytes: EntityID.textLength) { bytes in
            message.thing.write(to: bytes)
            return EntityID.textLength
        }
        if !message.subtopic.isEmpty {
            self.writeStaticString("\r\nx-hookline-subtopic: ")
            self.writeString(message.subtopic)
        }
        if let traceparent = message.traceparent {
            self.writeStaticString("\r\ntraceparent: ")
            self.writeString(traceparent)
        }
        self.writeStaticString("\r\ncontent-length: ")
        self.writeDecimal(Int64(message.payload.count))
        self.writeStaticString("\r\n\r\n")
        self.writeBytes(message.payload)
    }

    /// A non-negative number in decimal, without a string in between.
    private mutating func writeDecimal(_ value: Int64) {
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
