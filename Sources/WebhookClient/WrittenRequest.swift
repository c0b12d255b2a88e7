package import Domain
package import NIOCore

extension ByteBuffer {
    /// Writes a request of the service's own, such as for a token, a notice or to a collector. What webhooks send is written once and kept.
    ///
    /// - Parameters:
    ///   - headers: lines of the head beside `host`, `user-agent` and `content-length`, each with its end.
    ///   - body: nil sends none, and says of none how long it is.
    package mutating func writeRequest(
        _ method: String, to url: WebhookURL, agent: String = WebhookTarget.userAgent, _ headers: String = "",
        body: [UInt8]? = nil
    ) {
        self.writeString(
            """
            \(method) \(url.requestTarget) HTTP/1.1\r
            host: \(url.authority)\r
            user-agent: \(agent)\r
            \(headers)
            """)
        if let body { self.writeString("content-length: \(body.count)\r\n") }
        self.writeString("\r\n")
        if let body { self.writeBytes(body) }
    }
}
