import NIOCore
import NIOPosix
import Synchronization

/// A forward proxy that knows CONNECT: it looks hosts up itself, and passes on bytes.
final class ConnectProxy: Sendable {
    private let heads = Mutex<[String]>([])
    private let channel: Mutex<(any Channel)?> = Mutex(nil)
    private let credentials: String?

    private init(_ credentials: String?) { self.credentials = credentials }

    var port: Int { self.channel.withLock { $0?.localAddress?.port ?? 0 } }
    /// What it was asked for.
    var targets: [String] {
        self.heads.withLock { $0.map { String($0.split(separator: " ").dropFirst().first ?? "") } }
    }

    /// - Parameter credentials: what `proxy-authorization` has to be.
    static func start(wanting credentials: String? = nil) async throws -> ConnectProxy {
        let proxy = ConnectProxy(credentials)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Door(proxy))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        proxy.channel.withLock { $0 = channel }
        return proxy
    }

    func stop() async throws {
        try await self.channel.withLock { $0 }?.close()
    }

    /// Reads the head, and passes everything on once there is somebody to pass it on to.
    private final class Door: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let proxy: ConnectProxy
        private var head = ""
        private var other: (any Channel)?
        init(_ proxy: ConnectProxy) { self.proxy = proxy }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = self.unwrapInboundIn(data)
            if let other { return other.writeAndFlush(bytes, promise: nil) }
            self.head += String(buffer: bytes)
            guard self.head.hasSuffix("\r\n\r\n") else { return }
            self.proxy.heads.withLock { $0.append(self.head) }
            if let wanted = self.proxy.credentials,
                !self.head.contains("\r\nproxy-authorization: \(wanted)\r\n")
            {
                return self.say("407 Proxy Authentication Required\r\nproxy-authenticate: Basic", context)
            }
            let target = self.head.split(separator: " ").dropFirst().first?.split(separator: ":") ?? []
            guard self.head.hasPrefix("CONNECT "), target.count == 2, let port = Int(target[1]) else {
                return self.say("405 Method Not Allowed", context)
            }
            let this = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            ClientBootstrap(group: context.eventLoop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let back = Back(this.value.1.channel)
                        try channel.pipeline.syncOperations.addHandler(back)
                    }
                }
                .connect(host: String(target[0]), port: port)
                .whenComplete { result in
                    let (door, context) = this.value
                    switch result {
                    case .success(let channel):
                        door.other = channel
                        door.say("200 Connection established", context)
                    case .failure: door.say("502 Bad Gateway", context)
                    }
                }
        }

        private func say(_ status: String, _ context: ChannelHandlerContext) {
            context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 \(status)\r\n\r\n")), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            self.other?.close(promise: nil)
        }
    }

    private final class Back: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let other: any Channel
        init(_ other: any Channel) { self.other = other }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            self.other.writeAndFlush(self.unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) {
            self.other.close(promise: nil)
        }
    }
}
