import NIOCore
import NIOPosix
import Synchronization

/// A receiver that answers 413 as soon as a request has begun and reads nothing more of it, and keeps the connection.
final class HastyServer: Sendable {
    private let channel: Mutex<(any Channel)?> = Mutex(nil)
    private let count = Mutex(0)

    var port: Int { self.channel.withLock { $0?.localAddress?.port ?? 0 } }
    var connections: Int { self.count.withLock { $0 } }

    static func start() async throws -> HastyServer {
        let server = HastyServer()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            // So that what is not read stays with who sends it.
            .serverChannelOption(.socketOption(.so_rcvbuf), value: 4_096)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                server.count.withLock { $0 += 1 }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Answer())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        server.channel.withLock { $0 = channel }
        return server
    }

    func stop() async throws {
        try await self.channel.withLock { $0 }?.close()
    }

    private final class Answer: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        func channelActive(context: ChannelHandlerContext) { context.read() }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let text = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n"
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        }
    }
}
