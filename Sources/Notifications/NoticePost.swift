internal import Domain
internal import NIOCore
internal import WebhookClient

/// One notice by POST.
struct NoticePost {
    let url: WebhookURL
    let body: [UInt8]
    /// Lines of the head, each with its end.
    var head = ""

    func send(_ client: ClientConfiguration, on eventLoop: any EventLoop) async -> Outcome {
        await SingleRequest.send(to: self.url, on: eventLoop, configuration: client) { buffer in
            buffer.writeRequest(
                "POST", to: self.url, "content-type: application/json\r\n" + self.head, body: self.body)
        }
    }

    /// The headers by which a receiver knows who calls, as those of a delivery (Standard Webhooks).
    static func signature(id: String, timestamp: Int64, by keys: SigningKeys, of body: [UInt8]) -> String {
        """
        webhook-id: \(id)\r
        webhook-timestamp: \(timestamp)\r
        webhook-signature: \(keys.header(id: id, timestamp: timestamp, body: body))\r

        """
    }
}
