import Domain
import NIOCore
import NIOEmbedded
import NIOPosix
import Testing

@testable import WebhookClient

/// A long one.
private final class LongRequest: PendingRequest {
    private(set) var outcome: Outcome?
    func encode(into buffer: inout ByteBuffer) { buffer.writeRepeatingByte(0x78, count: 100_000) }
    func ended(_ outcome: Outcome) { self.outcome = outcome }
}

@Suite("A long request that is answered")
struct UnsentRequestTests {
    @Test("leaves a connection for the next only if all of it has gone out", arguments: [false, true])
    func kept(hasRest: Bool) throws {
        let channel = EmbeddedChannel()
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        let pool = ConnectionPool(
            url: try WebhookURL("http://127.0.0.1:1/"), eventLoop: channel.eventLoop,
            configuration: ClientConfiguration(resolver: Resolver(threads: .singleton)))
        let request = LongRequest()
        let connection = HTTPConnection(pool: pool, request: request, now: .now(), deadline: .now() + .seconds(60))
        pool.shared.begins(pool)
        pool.shared.opened(connection)
        pool.start(connection, on: channel)
        if hasRest { channel.write(ByteBuffer(string: "x"), promise: nil) }
        let answer = ByteBuffer(string: "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        channel.pipeline.syncOperations.fireChannelRead(NIOAny(answer))
        #expect(request.outcome?.status == 200)
        #expect(pool.shared.count == (hasRest ? 0 : 1))
        #expect(pool.shared.idleCount == pool.shared.count)
        _ = try channel.finish(acceptAlreadyClosed: true)
    }
}
