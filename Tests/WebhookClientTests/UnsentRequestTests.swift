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
    private let channel = EmbeddedChannel()
    private let request = LongRequest()
    private let pool: ConnectionPool
    private let connection: HTTPConnection

    init() throws {
        try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        self.pool = ConnectionPool(
            url: try WebhookURL("http://127.0.0.1:1/"), eventLoop: self.channel.eventLoop,
            configuration: ClientConfiguration(resolver: Resolver(threads: .singleton)))
        self.connection = HTTPConnection(
            pool: self.pool, request: self.request, now: .now(), deadline: .now() + .seconds(60))
        self.pool.shared.begins(self.pool)
        self.pool.shared.opened(self.connection)
        self.pool.start(self.connection, on: self.channel)
    }

    @Test("is waited for from when the last of it has gone out", arguments: [false, true])
    func late(hasRest: Bool) throws {
        if hasRest { self.channel.write(ByteBuffer(string: "x"), promise: nil) }
        let patience = ClientConfiguration(resolver: Resolver(threads: .singleton)).firstByteTimeout + .seconds(1)
        let early = NIODeadline.now() + .seconds(10)
        self.connection.checkDeadlines(now: early)
        self.channel.flush()
        let late = NIODeadline.now() + patience
        self.connection.checkDeadlines(now: late)
        #expect((self.request.outcome == nil) == hasRest)
        self.connection.checkDeadlines(now: late + .seconds(1))
        #expect((self.request.outcome == nil) == hasRest, "as long as for any other")
        self.connection.checkDeadlines(now: early + patience)
        guard case .failure(.timeout(.firstByte)) = self.request.outcome else {
            Issue.record("\(String(describing: self.request.outcome))")
            return
        }
        _ = try self.channel.finish(acceptAlreadyClosed: true)
    }

    @Test("leaves a connection for the next only if all of it has gone out", arguments: [false, true])
    func kept(hasRest: Bool) throws {
        if hasRest { self.channel.write(ByteBuffer(string: "x"), promise: nil) }
        let answer = ByteBuffer(string: "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        channel.pipeline.syncOperations.fireChannelRead(NIOAny(answer))
        #expect(request.outcome?.status == 200)
        #expect(pool.shared.count == (hasRest ? 0 : 1))
        #expect(pool.shared.idleCount == pool.shared.count)
        _ = try channel.finish(acceptAlreadyClosed: true)
    }
}
