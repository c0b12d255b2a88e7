internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1

/// HTTP/1.1 as Hummingbird serves it, and for those who speak HTTP/1.0 as they can read it.
struct HTTPConnections: ServerChildChannel {
    private let base: HTTP1Channel

    /// Each connection has a ``ConnectionGuard`` and ``OldCallers``, and is closed when nothing was said for 75 s.
    static var server: HTTPServerBuilder { HTTPServerBuilder { HTTPConnections(responder: $0) } }

    private init(responder: @escaping HTTPChannelHandler.Responder) {
        self.base = HTTP1Channel(
            responder: responder,
            configuration: .init(additionalChannelHandlers: [ConnectionGuard()], idleTimeout: .seconds(75)))
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        self.base.setup(channel: channel, logger: logger).flatMapThrowing { value in
            // Where requests still have their version, and answers can have one.
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(OldCallers(), position: .after(decoder))
            return value
        }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        await self.base.handle(value: value, logger: logger)
    }
}

/// Answers who speaks HTTP/1.0 without chunks, which they do not know (RFC 9112, section 6.1): the answer ends with the
/// connection. It stays only for who asked for that (appendix C.2.2) and is answered with a length.
final class OldCallers: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum Caller { case current, old(asksToStay: Bool) }

    /// Who made the requests whose answers have not ended, in their order. A connection has few.
    private var open: [Caller] = []
    /// Whether the answer that is being written is the last.
    private var isLast = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard case .head(var head) = self.unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        guard head.version.major == 1, head.version.minor == 0 else {
            self.open.append(.current)
            return context.fireChannelRead(data)
        }
        let words = head.headers[canonicalForm: "connection"].map { $0.lowercased() }
        // What says its length by chunks there is not to be trusted with another request behind it (section 6.1).
        let asksToStay =
            words.contains("keep-alive") && !words.contains("close")
            && !head.headers.contains(name: "transfer-encoding")
        self.open.append(.old(asksToStay: asksToStay))
        // The server ends what has this word, and keeps all else.
        head.headers.replaceOrAdd(name: "connection", value: asksToStay ? "keep-alive" : "close")
        // Nobody of them waits to be told to go on, and none could read it (RFC 9110, section 10.1.1).
        head.headers.remove(name: "expect")
        context.fireChannelRead(self.wrapInboundOut(.head(head)))
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch self.unwrapOutboundIn(data) {
        case .head(var head):
            guard case .old(let asksToStay)? = self.open.first else { break }
            self.isLast = !asksToStay || !head.headers.contains(name: "content-length")
            // The encoder writes no chunks then.
            head.version = .http1_0
            head.headers.remove(name: "transfer-encoding")
            head.headers.replaceOrAdd(name: "connection", value: self.isLast ? "close" : "keep-alive")
            return context.write(self.wrapOutboundOut(.head(head)), promise: promise)
        case .body: break
        case .end:
            if !self.open.isEmpty { self.open.removeFirst() }
            guard self.isLast else { break }
            self.isLast = false
            // Those who asked to stay are not ended by the server, which has not seen that there is no length.
            let written = promise ?? context.eventLoop.makePromise()
            written.futureResult.assumeIsolated().whenComplete { _ in context.close(mode: .output, promise: nil) }
            return context.write(data, promise: written)
        }
        context.write(data, promise: promise)
    }
}
