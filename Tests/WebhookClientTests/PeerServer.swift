import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A receiver that answers each request with who it sees at the other end: the fingerprint of the client's certificate.
final class PeerServer: Sendable {
    private let channel: Mutex<(any Channel)?> = Mutex(nil)
    private let count = Mutex(0)

    var port: Int { self.channel.withLock { $0?.localAddress?.port ?? 0 } }
    var connections: Int { self.count.withLock { $0 } }

    static func start(_ tls: NIOSSLContext) async throws -> PeerServer {
        let server = PeerServer()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                server.count.withLock { $0 += 1 }
                return channel.eventLoop.makeCompletedFuture {
                    let handler = NIOSSLServerHandler(context: tls)
                    try channel.pipeline.syncOperations.addHandler(handler)
                    try channel.pipeline.syncOperations.addHandler(Answer(handler))
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
        private let tls: NIOSSLServerHandler
        init(_ tls: NIOSSLServerHandler) { self.tls = tls }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let serial = self.tls.peerCertificate.map { $0.serialNumber.map { "\($0)" }.joined(separator: ".") }
            let body = serial ?? "nobody"
            let text = "HTTP/1.1 200 OK\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        }
    }
}
