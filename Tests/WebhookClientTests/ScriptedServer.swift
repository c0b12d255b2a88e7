import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A TCP server that answers each request on each connection with bytes from a script.
final class ScriptedServer: Sendable {
    enum Step: Sendable {
        case send(String)
        /// A head, and a body that may be no text.
        case sendBytes(String, [UInt8])
        case sendThenClose(String)
        case close
        case nothing
        /// Sends the first, then the second again and again until nobody listens.
        case flood(String, with: String)
        /// One byte every few milliseconds.
        case drip(String)
        case sendThenDrip(String, String)
        /// Each in a packet of its own, as soon as the kernel lets it out.
        case sendInPieces([String])
        /// Ends the connection without the farewell that TCP has.
        case reset
    }

    private let script: Mutex<[Step]>
    private let counts = Mutex((connections: 0, requests: 0))
    private let channel: Mutex<(any Channel)?> = Mutex(nil)

    var connections: Int { self.counts.withLock { $0.connections } }
    var requests: Int { self.counts.withLock { $0.requests } }
    var port: Int { self.channel.withLock { $0?.localAddress?.port ?? 0 } }

    /// - Parameters:
    ///   - steps: one for each request; the last one stands for all that follow.
    ///   - isPatient: whether a small packet waits until the one before is acknowledged (Nagle).
    ///   - port: a free one if it is 0.
    static func start(
        _ steps: [Step], tls: NIOSSLContext? = nil, isPatient: Bool = false, host: String = "127.0.0.1", port: Int = 0
    ) async throws -> ScriptedServer {
        let server = ScriptedServer(steps)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: isPatient ? 0 : 1)
            .childChannelInitializer { channel in
                server.counts.withLock { $0.connections += 1 }
                return channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.addHandler(Handler(server))
                }
            }
            .bind(host: host, port: port).get()
        server.channel.withLock { $0 = channel }
        return server
    }

    private init(_ steps: [Step]) { self.script = Mutex(steps) }

    func stop() async throws {
        try await self.channel.withLock { $0 }?.close()
    }

    private func next() -> Step {
        self.counts.withLock { $0.requests += 1 }
        return self.script.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let server: ScriptedServer
        init(_ server: ScriptedServer) { self.server = server }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch self.server.next() {
            case .send(let text):
                context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
            case .sendBytes(let head, let body):
                var bytes = ByteBuffer(string: head)
                bytes.writeBytes(body)
                context.writeAndFlush(self.wrapOutboundOut(bytes), promise: nil)
            case .sendThenClose(let text):
                context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
                context.close(promise: nil)
            case .close: context.close(promise: nil)
            case .nothing: break
            case .flood(let start, let more):
                context.write(self.wrapOutboundOut(ByteBuffer(string: start)), promise: nil)
                self.flood(ByteBuffer(string: more), context)
            case .drip(let text): self.drip(ByteBuffer(string: text), context)
            case .sendThenDrip(let start, let text):
                context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: start)), promise: nil)
                self.drip(ByteBuffer(string: text), context)
            case .sendInPieces(let pieces):
                for piece in pieces {
                    context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: piece)), promise: nil)
                }
            case .reset:
                let channel = context.channel
                (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
                    .whenComplete { _ in channel.close(promise: nil) }
            }
        }

        private func flood(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
            guard context.channel.isActive else { return }
            let this = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            let loop = context.eventLoop
            context.writeAndFlush(self.wrapOutboundOut(bytes)).whenSuccess {
                // The next piece when this one is through, so that the server's memory stays small; and by way of the
                // loop, so that its stack does.
                loop.execute { this.value.0.flood(bytes, this.value.1) }
            }
        }

        private func drip(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
            var rest = bytes
            guard context.channel.isActive, let byte = rest.readSlice(length: 1) else { return }
            context.writeAndFlush(self.wrapOutboundOut(byte), promise: nil)
            let (this, left) = (NIOLoopBound((self, context), eventLoop: context.eventLoop), rest)
            context.eventLoop.scheduleTask(in: .milliseconds(20)) { this.value.0.drip(left, this.value.1) }
        }
    }
}
