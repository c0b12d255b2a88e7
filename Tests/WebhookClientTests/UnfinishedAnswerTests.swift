import Domain
import NIOCore
import NIOEmbedded
import NIOPosix
import Testing

@testable import WebhookClient

private final class Request: PendingRequest {
    private(set) var outcome: Outcome?
    let needsBody: Bool

    init(needsBody: Bool) {
        self.needsBody = needsBody
    }

    func encode(into buffer: inout ByteBuffer) { buffer.writeString("POST / HTTP/1.1\r\n\r\n") }
    func ended(_ outcome: Outcome) { self.outcome = outcome }
}

@Suite("An answer that does not go on")
struct UnfinishedAnswerTests {
    private let channel = EmbeddedChannel()
    private let request: Request
    private let pool: ConnectionPool
    private let connection: HTTPConnection

    private init(needsBody: Bool, roomFor bytes: Int) throws {
        let channel = self.channel
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        var limits = ConnectionLimits()
        limits.unfinished = bytes
        self.pool = ConnectionPool(
            url: try WebhookURL("http://127.0.0.1:1/"), keptBody: 4_096, owner: .random(),
            of: SharedConnections(
                eventLoop: channel.eventLoop,
                configuration: ClientConfiguration(resolver: Resolver(threads: .singleton)), limits: limits))
        self.request = Request(needsBody: needsBody)
        self.connection = HTTPConnection(
            pool: self.pool, request: self.request, now: .now(), deadline: .now() + .seconds(60))
        self.pool.shared.begins(self.pool)
        self.pool.shared.opened(self.connection)
        self.pool.start(self.connection, on: channel)
    }

    private func look(after seconds: Int64) { self.connection.checkDeadlines(now: .now() + .seconds(seconds)) }

    private func hear(_ text: String) {
        self.channel.pipeline.syncOperations.fireChannelRead(NIOAny(ByteBuffer(string: text)))
    }

    init() throws {
        try self.init(needsBody: false, roomFor: 1_000)
    }

    @Test("is a failed attempt where its head finds no room, and takes none after that")
    func head() throws {
        self.hear("HTTP/1.1 200 OK\r\nx-a: \(String(repeating: "a", count: 300))")
        self.look(after: 2)
        #expect(self.request.outcome == nil && self.pool.shared.unfinished.held > 300)
        self.hear(String(repeating: "a", count: 300))
        self.look(after: 0)
        #expect(self.request.outcome == nil, "it may go on at once")
        self.look(after: 2)
        #expect(self.request.outcome?.failure == .invalidResponse(FailureWords.noRoomForAnswer))
        #expect(self.pool.shared.unfinished.held == 0 && self.pool.shared.count == 0)
        _ = try self.channel.finish(acceptAlreadyClosed: true)
    }

    @Test("is one where its body is needed, and else what its status says", arguments: [false, true])
    func body(isNeeded: Bool) throws {
        let other = try UnfinishedAnswerTests(needsBody: isNeeded, roomFor: 1_000)
        other.hear("HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n\(String(repeating: "a", count: 400))")
        #expect(other.request.outcome == nil && other.pool.shared.unfinished.held == 400)
        other.hear(String(repeating: "a", count: 400))
        other.look(after: 2)
        #expect(other.request.outcome?.status == (isNeeded ? nil : 200))
        #expect(
            other.request.outcome?.failure == (isNeeded ? .invalidResponse(FailureWords.noRoomForAnswer) : nil))
        #expect(other.pool.shared.unfinished.held == 0 && other.pool.shared.count == 0)
        _ = try other.channel.finish(acceptAlreadyClosed: true)
        _ = try self.channel.finish(acceptAlreadyClosed: true)
    }

    @Test("takes no room once it has come to its end, however many pieces it came in")
    func whole() throws {
        self.hear("HTTP/1.1 200 OK\r\ncontent-le")
        self.hear("ngth: 4\r\n\r\nab")
        #expect(self.pool.shared.unfinished.held > 0)
        self.hear("cd")
        #expect(self.request.outcome?.status == 200 && self.pool.shared.unfinished.held == 0)
        #expect(self.pool.shared.idleCount == 1)
        _ = try self.channel.finish(acceptAlreadyClosed: true)
    }
}
