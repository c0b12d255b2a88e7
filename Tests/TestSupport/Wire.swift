internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// A TCP proxy on loopback of which one direction, or both, can be cut.
package final class Wire: Sendable {
    private let isCut = Atomic(false)
    private let isSilent = Atomic(false)
    private let count = Atomic(0)
    private let bytes = Atomic(0)
    private let channel: Mutex<(any Channel)?> = Mutex(nil)

    package var port: Int { self.channel.withLock { $0?.localAddress?.port ?? 0 } }

    /// How often it was connected to.
    package var connections: Int { self.count.load(ordering: .relaxed) }

    /// How much the server has sent.
    package var bytesFromServer: Int { self.bytes.load(ordering: .relaxed) }

    package static func start(to port: Int) async throws -> Wire {
        let wire = Wire()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { near in
                wire.count.add(1, ordering: .relaxed)
                return ClientBootstrap(group: near.eventLoop).connect(host: "127.0.0.1", port: port).flatMap { far in
                    near.eventLoop.makeCompletedFuture {
                        try near.pipeline.syncOperations.addHandler(
                            Forwarder(to: far) { _ in !wire.isCut.load(ordering: .relaxed) })
                        try far.pipeline.syncOperations.addHandler(
                            Forwarder(to: near) { count in
                                wire.bytes.add(count, ordering: .relaxed)
                                return !wire.isSilent.load(ordering: .relaxed)
                            })
                    }
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        wire.channel.withLock { $0 = channel }
        return wire
    }

    /// From now on nothing that the client sends arrives; what the server sends still does.
    package func cutTowardsServer() {
        self.isCut.store(true, ordering: .relaxed)
    }

    /// From now on nothing arrives at either end, and both stay open: the other machine is gone.
    package func goSilent() {
        self.cutTowardsServer()
        self.isSilent.store(true, ordering: .relaxed)
    }

    package func stop() async {
        try? await self.channel.withLock { $0 }?.close()
    }

    private final class Forwarder: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let target: any Channel
        private let passes: (Int) -> Bool

        /// - Parameter passes: asked with the number of bytes that have come; of none, whether the end of the connection goes on.
        init(to target: any Channel, _ passes: @escaping (Int) -> Bool) {
            self.target = target
            self.passes = passes
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = self.unwrapInboundIn(data)
            if self.passes(bytes.readableBytes) { self.target.writeAndFlush(bytes, promise: nil) }
        }

        func channelInactive(context: ChannelHandlerContext) {
            if self.passes(0) { self.target.close(promise: nil) }
        }
    }
}
