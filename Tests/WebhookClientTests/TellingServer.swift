import NIOCore
import NIOPosix
import Synchronization

/// A server whose answers say what was asked for: `/late/x` is answered a little later, `/twice/x` with one answer too many, of
/// `/cut/x` half an answer comes, `/close/x` is closed behind, and `/hang/x` is not answered.
final class TellingServer: Sendable {
    private struct Counts {
        var connections = 0
        var open = 0
        var mostOpen = 0
        var requests = 0
    }

    private let counts = Mutex(Counts())
    private let channel: Mutex<(any Channel)?> = Mutex(nil)

    var connections: Int { self.counts.withLock { $0.connections } }
    var open: Int { self.counts.withLock { $0.open } }
    var mostOpen: Int { self.counts.withLock { $0.mostOpen } }
    var requests: Int { self.counts.withLock { $0.requests } }
    var port: Int { self.channel.withLock { $0?.localAddress?.port ?? 0 } }

    static func start() async throws -> TellingServer {
        let server = TellingServer()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Handler(server))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        server.channel.withLock { $0 = channel }
        return server
    }

    func stop() async throws {
        try await self.channel.withLock { $0 }?.close()
    }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let server: TellingServer
        init(_ server: TellingServer) { self.server = server }

        func channelActive(context: ChannelHandlerContext) {
            self.server.counts.withLock { counts in
                counts.connections += 1
                counts.open += 1
                counts.mostOpen = max(counts.mostOpen, counts.open)
            }
        }

        func channelInactive(context: ChannelHandlerContext) {
            self.server.counts.withLock { $0.open -= 1 }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let text = String(buffer: self.unwrapInboundIn(data))
            let path = String(text.split(separator: " ").dropFirst().first ?? "")
            self.server.counts.withLock { $0.requests += 1 }
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: \(path.utf8.count)\r\n\r\n\(path)"
            func send(_ text: String) {
                context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
            }
            switch path.split(separator: "/").first {
            case "hang": return
            case "late":
                let this = NIOLoopBound((self, context), eventLoop: context.eventLoop)
                context.eventLoop.scheduleTask(in: .milliseconds(3)) {
                    let (handler, context) = this.value
                    context.writeAndFlush(handler.wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
                }
            case "twice":
                send(answer + "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\ncrossed")
            case "cut":
                send(String(answer.dropLast(3)))
                context.close(promise: nil)
            case "close":
                send(answer)
                context.close(promise: nil)
            default: send(answer)
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }
}
