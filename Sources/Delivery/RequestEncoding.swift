package import Domain
internal import Gzip
package import NIOCore
package import Values

extension ByteBuffer {
    /// Writes the whole request of a delivery, head and payload.
    ///
    /// - Parameters:
    ///   - requests: of the webhook as it is now.
    ///   - time: for the `webhook-timestamp`.
    ///   - authorization: where it is not always the same.
    ///   - traceparent: in place of the message's.
    package mutating func writeRequest(
        of delivery: Delivery, by requests: WebhookRequests, at time: Instant, authorization: String? = nil,
        traceparent: String? = nil
    ) {
        let message = delivery.message
        let coded = requests.compressed(message.payload)
        let body = coded ?? message.payload
        self.reserveCapacity(requests.head.count + 400 + body.count)
        self.writeBytes(requests.head)
        if !requests.setsContentType { self.writeHeader("content-type: ", message.contentType) }
        if let authorization { self.writeHeader("authorization: ", authorization) }
        if coded != nil { self.writeStaticString(Self.gzipHeader) }
        self.writeHead(
            of: message, id: delivery.sentID, resent: delivery.resent, body: body, by: requests, at: time,
            traceparent: traceparent ?? message.traceparent)
        self.writeBytes(body)
    }

    /// Writes a request that was made from templates.
    ///
    /// - Parameters:
    ///   - message: what it is about; of several the first.
    ///   - id: the `webhook-id`.
    ///   - resent: the resend that it is of, if it is of one.
    ///   - traceparent: in place of the message's.
    package mutating func writeRequest(
        _ request: RenderedRequest, about message: Message, id: String, by requests: WebhookRequests, at time: Instant,
        resent: Resent? = nil, authorization: String? = nil, traceparent: String? = nil
    ) {
        let coded = request.body.flatMap { requests.compressed($0) }
        let body = coded ?? request.body
        self.reserveCapacity(requests.commonHeaders.count + 600 + (body?.count ?? 0))
        self.writeString(request.method)
        self.writeStaticString(" ")
        self.writeBytes(request.target)
        self.writeStaticString(" HTTP/1.1\r\n")
        self.writeBytes(requests.commonHeaders)
        for (name, value) in request.headers {
            self.writeString(name)
            self.writeStaticString(": ")
            self.writeBytes(value)
            self.writeStaticString("\r\n")
        }
        if let type = request.contentType { self.writeHeader("content-type: ", type) }
        if let authorization { self.writeHeader("authorization: ", authorization) }
        if coded != nil { self.writeStaticString(Self.gzipHeader) }
        self.writeHead(
            of: message, id: id, resent: resent, body: body, by: requests, at: time,
            traceparent: traceparent ?? message.traceparent)
        if let body { self.writeBytes(body) }
    }

    private static let gzipHeader: StaticString = "content-encoding: gzip\r\n"

    /// What every request says of itself, up to the empty line.
    ///
    /// - Parameter body: as it is sent. That is what is signed, as Standard Webhooks has it: a receiver need not unpack what it
    ///   has not verified yet.
    private mutating func writeHead(
        of message: Message, id: String, resent: Resent?, body: [UInt8]?, by requests: WebhookRequests,
        at time: Instant,
        traceparent: String?
    ) {
        let timestamp = time.seconds
        if let signer = requests.signer {
            self.writeHeader("webhook-signature: ", signer.header(id: id, timestamp: timestamp, body: body ?? []))
        }
        self.writeStaticString("webhook-id: ")
        self.writeString(id)
        self.writeStaticString("\r\nwebhook-timestamp: ")
        self.writeDecimal(timestamp)
        if message.hasThing {
            self.writeStaticString("\r\nx-hookline-thing-id: ")
            self.writeWithUnsafeMutableBytes(minimumWritableBytes: EntityID.textLength) { bytes in
                message.thing.write(to: bytes)
                return EntityID.textLength
            }
        }
        if !message.subtopic.isEmpty {
            self.writeStaticString("\r\nx-hookline-subtopic: ")
            self.writeString(message.subtopic)
        }
        if let resent {
            self.writeStaticString("\r\nx-hookline-replay: ")
            self.writeDecimal(Int64(resent.number))
        }
        if let event = message.event {
            self.writeStaticString("\r\nx-hookline-trigger: ")
            self.writeString(event.rawValue)
        }
        if let commands = requests.commands, message.hasThing {
            if let url = commands.url(of: message.thing) {
                self.writeStaticString("\r\nx-hookline-command-url: ")
                self.writeString(url)
            }
            self.writeStaticString("\r\nx-hookline-command-key: ")
            self.writeString(commands.text(for: message, webhook: requests.target.id, now: time))
        }
        if let traceparent {
            self.writeStaticString("\r\ntraceparent: ")
            self.writeString(traceparent)
        }
        // A method without a body says nothing of its length (RFC 9110, section 8.6).
        if let body {
            self.writeStaticString("\r\ncontent-length: ")
            self.writeDecimal(Int64(body.count))
        }
        self.writeStaticString("\r\n\r\n")
    }

    private mutating func writeHeader(_ name: StaticString, _ value: String) {
        self.writeStaticString(name)
        self.writeString(value)
        self.writeStaticString("\r\n")
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

extension WebhookRequests {
    /// The body as it is sent instead; nil if it is sent as it is.
    fileprivate func compressed(_ body: [UInt8]) -> [UInt8]? {
        guard self.isCompressed else { return nil }
        return Gzip.compress(body)
    }
}
