import Domain
import NIOCore
import NIOEmbedded
import NIOPosix
import Testing

@testable import WebhookClient

/// A long one.
private final class LongRequest: PendingRequest {
    private(set) var outcome: Outcome?
    var needsBody = true
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

    private static let taken = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

    /// A line that takes nothing for now.
    private func holdRest() throws -> Dam {
        let dam = Dam()
        try self.channel.pipeline.syncOperations.addHandler(dam, position: .first)
        self.channel.write(ByteBuffer(string: "x"), promise: nil)
        return dam
    }

    private func answer(_ text: String) {
        self.channel.pipeline.syncOperations.fireChannelRead(NIOAny(ByteBuffer(string: text)))
    }

    @Test(
        "leaves the connection for the next once all of it has gone out, and is answered then",
        arguments: [false, true])
    func kept(hasRest: Bool) throws {
        let dam = hasRest ? try self.holdRest() : nil
        self.answer(Self.taken)
        #expect(self.request.outcome?.status == (hasRest ? nil : 200))
        #expect(self.pool.shared.count == 1)
        try dam?.open(self.channel)
        #expect(self.request.outcome?.status == 200)
        #expect(self.pool.shared.count == 1 && self.pool.shared.idleCount == 1)
        _ = try self.channel.finish(acceptAlreadyClosed: true)
    }

    @Test("leaves it for nobody where more than the answer came meanwhile")
    func more() throws {
        let dam = try self.holdRest()
        self.answer(Self.taken)
        self.answer(Self.taken)
        #expect(self.request.outcome == nil)
        try dam.open(self.channel)
        #expect(self.request.outcome?.status == 200 && self.pool.shared.count == 0)
        _ = try self.channel.finish(acceptAlreadyClosed: true)
    }

    @Test("is sent no further to who does not take it")
    func refused() throws {
        _ = try self.holdRest()
        self.answer("HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n")
        #expect(self.request.outcome?.status == 413 && self.pool.shared.count == 0)
        _ = try self.channel.finish(acceptAlreadyClosed: true)
    }

    @Test("goes on going out for as long as some of it does")
    func goesOn() throws {
        let dam = try self.holdRest()
        self.answer(Self.taken)
        let timeout = ClientConfiguration(resolver: Resolver(threads: .singleton)).bodyTimeout
        let start = NIODeadline.now()
        self.connection.checkDeadlines(now: start)
        self.connection.checkDeadlines(now: start + timeout - .seconds(1))
        #expect(self.request.outcome == nil)
        self.connection.checkDeadlines(now: start + timeout)
        #expect(self.request.outcome?.status == 200 && self.pool.shared.count == 0)
        try dam.open(self.channel)
        _ = try self.channel.finish(acceptAlreadyClosed: true)
    }

    @Test("goes on going out where the answer has begun as well, and its status is enough")
    func begun() throws {
        self.request.needsBody = false
        _ = try self.holdRest()
        self.answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
        let timeout = ClientConfiguration(resolver: Resolver(threads: .singleton)).bodyTimeout
        let start = NIODeadline.now() + timeout - .seconds(1)
        self.connection.checkDeadlines(now: start)
        self.connection.checkDeadlines(now: start + timeout - .seconds(1))
        #expect(self.request.outcome == nil)
        self.connection.checkDeadlines(now: start + timeout)
        #expect(self.request.outcome?.status == 200)
        _ = try self.channel.finish(acceptAlreadyClosed: true)
    }

    @Test("has been taken by who closes behind the answer, or reads no further", arguments: [false, true])
    func closed(waits: Bool) throws {
        _ = try self.holdRest()
        self.answer(Self.taken)
        if waits {
            self.connection.checkDeadlines(now: .now() + .seconds(30))
            #expect(self.request.outcome == nil)
            self.connection.checkDeadlines(now: .now() + .seconds(61))
        } else {
            self.channel.close(promise: nil)
        }
        #expect(self.request.outcome?.status == 200 && self.pool.shared.count == 0)
        _ = try self.channel.finish(acceptAlreadyClosed: true)
    }
}

/// Holds what is written.
private final class Dam: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    private var isOpen = false

    func flush(context: ChannelHandlerContext) {
        if self.isOpen { context.flush() }
    }

    func open(_ channel: EmbeddedChannel) throws {
        self.isOpen = true
        channel.flush()
    }
}
