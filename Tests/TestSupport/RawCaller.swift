internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// Sends bytes over a connection of its own, and keeps what comes back.
package final class RawCaller: Sendable {
    private let bytes = Mutex(ByteBuffer())
    private let ended = Atomic(false)
    private let channel: Mutex<(any Channel)?> = Mutex(nil)

    package static func connect(to port: Int) async throws -> RawCaller {
        let caller = RawCaller()
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Listener(caller))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        caller.channel.withLock { $0 = channel }
        return caller
    }

    package var heard: String { self.bytes.withLock { String(buffer: $0) } }
    package var isClosed: Bool { self.ended.load(ordering: .acquiring) }

    package func send(_ text: String) async throws {
        try await self.channel.withLock { $0 }?.writeAndFlush(ByteBuffer(string: text))
    }

    package func close() async {
        try? await self.channel.withLock { $0 }?.close()
    }

    private final class Listener: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let caller: RawCaller

        init(_ caller: RawCaller) { self.caller = caller }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var read = self.unwrapInboundIn(data)
            self.caller.bytes.withLock { _ = $0.writeBuffer(&read) }
        }

        func channelInactive(context: ChannelHandlerContext) {
            self.caller.ended.store(true, ordering: .releasing)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }
}
