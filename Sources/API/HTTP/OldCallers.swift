internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1

/// HTTP/1.1 as Hummingbird serves it, and for those who speak HTTP/1.0 as they can read it.
struct HTTPConnections: ServerChildChannel {
    private let base: HTTP1Channel

    /// Each connection has a ``ConnectionGuard``, ``UnreadableRequests`` and ``OldCallers``, and is closed when nothing was said for
    /// 75 s.
    static var server: HTTPServerBuilder { HTTPServerBuilder { HTTPConnections(responder: $0) } }

    private init(responder: @escaping HTTPChannelHandler.Responder) {
        self.base = HTTP1Channel(
            responder: responder,
            configuration: .init(
                additionalChannelHandlers: [ConnectionGuard(), UnreadableRequests()], idleTimeout: .seconds(75)))
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
/// connection. It stays only for who asked for that (appendix C.2.2) and is answered with a length. Whether it does is known when
/// that answer comes, so what they ask behind it waits until then: what is never answered is not carried out either.
///
/// And it writes no end of chunks behind the head of an answer to HEAD that has no length.
final class OldCallers: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private struct Caller {
        var isOld = false
        var asksToStay = true
        let isHead: Bool
    }

    /// Who made the requests whose answers have not ended, in their order. A connection has few.
    private var open: [Caller] = []
    /// Whether the answer that is being written is the last.
    private var isLast = false
    /// Whether it is a head alone, though it says no length.
    private var isBare = false
    /// Whether the last has been written.
    private var isOver = false
    /// What has come behind a request of who speaks HTTP/1.0: of what was read together, because nothing more is read meanwhile.
    private var held: [HTTPServerRequestPart] = []
    private var wantsMore = false
    private var isInputClosed = false

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !self.isOver else { return }
        self.take(self.unwrapInboundIn(data), context)
    }

    private func take(_ part: HTTPServerRequestPart, _ context: ChannelHandlerContext) {
        guard self.held.isEmpty else { return self.held.append(part) }
        guard case .head(let head) = part else { return context.fireChannelRead(self.wrapInboundOut(part)) }
        guard self.open.last?.isOld != true else { return self.held.append(part) }
        self.begin(head, context)
    }

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        var (head, caller) = (head, Caller(isHead: head.method == .HEAD))
        if head.version.major == 1, head.version.minor == 0 {
            let words = head.headers[canonicalForm: "connection"].map { $0.lowercased() }
            caller.isOld = true
            // What says its length by chunks there is not to be trusted with another request behind it (section 6.1).
            caller.asksToStay =
                words.contains("keep-alive") && !words.contains("close")
                && !head.headers.contains(name: "transfer-encoding")
            // The server ends what has this word, and keeps all else.
            head.headers.replaceOrAdd(name: "connection", value: caller.asksToStay ? "keep-alive" : "close")
            // Nobody of them waits to be told to go on, and none could read it (RFC 9110, section 10.1.1).
            head.headers.remove(name: "expect")
            // They need not name the host (RFC 9112, section 3.2); what looks after a load balancer's servers does not.
            if !head.headers.contains(name: "host") { head.headers.add(name: "host", value: Self.host(context)) }
        }
        self.open.append(caller)
        context.fireChannelRead(self.wrapInboundOut(.head(head)))
    }

    /// The address that was called, which is what is left to go by (RFC 9112, section 3.3).
    private static func host(_ context: ChannelHandlerContext) -> String {
        guard let address = context.localAddress, let ip = address.ipAddress, let port = address.port else {
            return "localhost"
        }
        return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
    }

    func read(context: ChannelHandlerContext) {
        if self.held.isEmpty { context.read() } else { self.wantsMore = true }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // It is behind what has come before it.
        if !self.held.isEmpty, case ChannelEvent.inputClosed? = event as? ChannelEvent {
            self.isInputClosed = true
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.held = []
        context.fireChannelInactive()
    }

    /// Goes on with what was held, up to what waits for another answer.
    private func release(_ context: ChannelHandlerContext) {
        let parts = self.held
        self.held = []
        for part in parts { self.take(part, context) }
        if !parts.isEmpty { context.fireChannelReadComplete() }
        self.goOn(context)
    }

    private func goOn(_ context: ChannelHandlerContext) {
        guard self.held.isEmpty else { return }
        if self.isInputClosed {
            self.isInputClosed = false
            context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        }
        if self.wantsMore {
            self.wantsMore = false
            context.read()
        }
    }

    // MARK: Answers

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch self.unwrapOutboundIn(data) {
        case .head(var head):
            guard let caller = self.open.first, head.status.code >= 200 else { break }
            let hasLength = head.headers.contains(name: "content-length")
            self.isBare = caller.isHead && !hasLength
            guard caller.isOld else { break }
            self.isLast = !caller.asksToStay || !hasLength
            // The encoder writes no chunks then.
            head.version = .http1_0
            head.headers.remove(name: "transfer-encoding")
            head.headers.replaceOrAdd(name: "connection", value: self.isLast ? "close" : "keep-alive")
            return context.write(self.wrapOutboundOut(.head(head)), promise: promise)
        case .body: break
        case .end:
            if !self.open.isEmpty { self.open.removeFirst() }
            // Nothing, instead of the chunk that ends others.
            let end = self.isBare ? self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer()))) : data
            self.isBare = false
            guard self.isLast else {
                context.write(end, promise: promise)
                return self.releaseSoon(context)
            }
            self.isLast = false
            self.isOver = true
            self.held = []
            // Those who asked to stay are not ended by the server, which has not seen that there is no length.
            let written = promise ?? context.eventLoop.makePromise()
            written.futureResult.assumeIsolated().whenComplete { _ in context.close(mode: .output, promise: nil) }
            context.write(end, promise: written)
            return self.goOn(context)
        }
        context.write(data, promise: promise)
    }

    /// When the answer has gone by everybody, some of whom count what is under way.
    private func releaseSoon(_ context: ChannelHandlerContext) {
        guard !self.held.isEmpty else { return }
        context.eventLoop.assumeIsolated().execute { self.release(context) }
    }
}
