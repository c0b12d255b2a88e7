internal import Domain
internal import NIOCore

/// Asks a proxy for the way to a receiver, and steps aside when it is open.
final class ProxyHandshake: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let request: String
    private let onEnd: (ProxyAnswer?) -> Void
    private var head: [UInt8] = []
    private var hasEnded = false

    /// - Parameters:
    ///   - target: the receiver, with its port.
    ///   - onEnd: called once; with nil if the proxy closed the connection instead of answering.
    init(target: String, authorization: String?, onEnd: @escaping (ProxyAnswer?) -> Void) {
        let credentials = authorization.map { "proxy-authorization: \($0)\r\n" } ?? ""
        self.request =
            "CONNECT \(target) HTTP/1.1\r\nhost: \(target)\r\nuser-agent: \(WebhookTarget.userAgent)\r\n\(credentials)\r\n"
        self.onEnd = onEnd
    }

    func handlerAdded(context: ChannelHandlerContext) {
        context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: self.request)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.hasEnded else { return }
        self.head += Array(self.unwrapInboundIn(data).readableBytesView)
        guard let answer = ProxyAnswer(self.head) else { return }
        guard answer.isOpen else { return self.end(answer, context) }
        self.hasEnded = true
        // Nobody is behind it yet, so nothing of what comes is missed.
        context.pipeline.syncOperations.removeHandler(self).assumeIsolated().whenComplete { _ in self.onEnd(answer) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.end(nil, context)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        self.end(nil, context)
    }

    private func end(_ answer: ProxyAnswer?, _ context: ChannelHandlerContext) {
        guard !self.hasEnded else { return }
        self.hasEnded = true
        context.close(promise: nil)
        self.onEnd(answer)
    }
}

/// What a proxy has said to CONNECT.
struct ProxyAnswer: Equatable {
    /// The status and its words: `407 Proxy Authentication Required`. nil if it is not HTTP.
    let status: String?
    /// Whether the way to the receiver is open.
    let isOpen: Bool
    /// Whether it is the receiver that cannot be reached, as the proxy says.
    let isOfReceiver: Bool

    private static let longest = 16 * 1024

    /// nil until all of its head is there. Only a head may come: who has asked speaks first.
    init?(_ bytes: [UInt8]) {
        var rest = bytes[...]
        while let end = Self.end(of: rest) {
            let lines = String(decoding: rest[..<end], as: UTF8.self).split(omittingEmptySubsequences: true) {
                $0.isNewline
            }
            let line = lines.first ?? ""
            let version = line.prefix { $0 != " " }
            let words = line.dropFirst(version.count).drop { $0 == " " }
            guard version.lowercased().hasPrefix("http/1."), let code = Int(words.prefix(3)),
                (100...999).contains(code)
            else {
                self.init(status: nil, isOpen: false, isOfReceiver: false)
                return
            }
            // That it is at it says nothing yet (RFC 9110, section 15.2).
            if code < 200, code != 101 {
                rest = rest[end...]
                continue
            }
            guard !(200..<300).contains(code) else {
                // What stands behind it the receiver has not said.
                let isOpen = end == rest.endIndex
                self.init(status: isOpen ? "\(code)" : nil, isOpen: isOpen, isOfReceiver: false)
                return
            }
            self.init(
                status: Certificate.printable(words.utf8), isOpen: false,
                isOfReceiver: Self.isOfReceiver(code, lines.dropFirst()))
            return
        }
        guard bytes.count > Self.longest else { return nil }
        self.init(status: nil, isOpen: false, isOfReceiver: false)
    }

    private init(status: String?, isOpen: Bool, isOfReceiver: Bool) {
        self.status = status
        self.isOpen = isOpen
        self.isOfReceiver = isOfReceiver
    }

    /// Behind the empty line.
    private static func end(of bytes: ArraySlice<UInt8>) -> Int? {
        var lineStart = bytes.startIndex
        for index in bytes.indices where bytes[index] == UInt8(ascii: "\n") {
            let line = bytes[lineStart..<index]
            if lineStart > bytes.startIndex, line.isEmpty || line.elementsEqual([UInt8(ascii: "\r")]) {
                return index + 1
            }
            lineStart = index + 1
        }
        return nil
    }

    /// A gateway says by its status that who is behind it does not answer (RFC 9110, sections 15.6.3 and 15.6.5). With 503 it
    /// may be the proxy that is busy, unless it says more: Squid in a header of its own, others by RFC 9209.
    private static func isOfReceiver(_ code: Int, _ headers: ArraySlice<Substring>) -> Bool {
        if code == 502 || code == 504 { return true }
        guard code == 503 else { return false }
        return headers.contains { line in
            let text = line.lowercased()
            return (text.hasPrefix("x-squid-error:") && (text.contains("err_connect_fail") || text.contains("err_dns")))
                || (text.hasPrefix("proxy-status:")
                    && ["error=connection_", "error=destination_", "error=dns_"].contains { text.contains($0) })
        }
    }
}
