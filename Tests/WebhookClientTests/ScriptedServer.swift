import NIOCore
import NIOPosix
import Synchronization

/// A TCP server that answers each request on each connection with bytes from a script.
final class ScriptedServer: Sendable {
    enum Step: Sendable {
        case send(String)
        case sendThenClose(String)
        case close
        case nothing
    }

    private let script: Mutex<[Step]>
    private let counts = Mutex((connections: 0, requests: 0))
    private let channel: Mutex<(any Channel)?> = Mutex(nil)

    var connections: Int { self.counts.withLock { $0.connections } }
    var requests: Int { self.counts.withLock { $0.requests } }
    var port: Int { self.channel.withLock { $0?.localAddress?.port ?? 0 } }

    /// - Parameter steps: one for each request; the last one stands for all that follow.
    static func start(_ steps: [Step]) async throws -> ScriptedServer {
        let server = ScriptedServer(steps)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                server.counts.withLock { $0.connections += 1 }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
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
            case .sendThenClose(let text):
                context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
                context.close(promise: nil)
            case .close: context.close(promise: nil)
            case .nothing: break
            }
        }
    }
}
