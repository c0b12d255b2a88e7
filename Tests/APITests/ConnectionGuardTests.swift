import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Testing

@testable import API

@Suite("A connection of the API")
struct ConnectionGuardTests {
    private static func open() throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handler: ConnectionGuard())
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        return channel
    }

    private static func head(expecting expectation: String? = nil) -> HTTPRequestPart {
        var fields = HTTPFields()
        fields[.expect] = expectation
        return .head(HTTPRequest(method: .post, scheme: "http", authority: "x", path: "/", headerFields: fields))
    }

    @Test("ends if a request does not, however often a little more of it comes")
    func endless() throws {
        let channel = try Self.open()
        try channel.writeInbound(Self.head())
        for _ in 0..<60 {
            #expect(channel.isActive)
            try channel.writeInbound(HTTPRequestPart.body(ByteBuffer(string: "x")))
            channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        }
        #expect(!channel.isActive)
    }

    @Test("goes on if it does, for as long as it is answered")
    func answered() throws {
        let channel = try Self.open()
        try channel.writeInbound(Self.head())
        try channel.writeInbound(HTTPRequestPart.end(nil))
        channel.embeddedEventLoop.advanceTime(by: .hours(1))
        #expect(channel.isActive)
        _ = try channel.finish()
    }

    @Test("ends if nothing of an answer is read, and not if it is read slowly")
    func unread() throws {
        let channel = try Self.open()
        for isReading in [true, false] {
            channel.isWritable = false
            channel.pipeline.fireChannelWritabilityChanged()
            channel.embeddedEventLoop.advanceTime(by: .seconds(59))
            #expect(channel.isActive)
            guard isReading else { break }
            channel.isWritable = true
            channel.pipeline.fireChannelWritabilityChanged()
            channel.embeddedEventLoop.advanceTime(by: .hours(1))
        }
        channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!channel.isActive)
    }

    @Test("goes on as long as some of a long answer is read, though never all of it")
    func steady() throws {
        let channel = EmbeddedChannel(handlers: [AnswerBytes(), ConnectionGuard()])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        // As many as are left to be read: what was written before is taken with the flush.
        func leave(_ bytes: Int) {
            channel.flush()
            channel.write(HTTPResponsePart.body(ByteBuffer(repeating: 0, count: bytes)), promise: nil)
        }
        leave(1_000)
        channel.isWritable = false
        channel.pipeline.fireChannelWritabilityChanged()
        for left in [900, 800, 700] {
            leave(left)
            channel.embeddedEventLoop.advanceTime(by: .seconds(60))
            #expect(channel.isActive, "\(left)")
        }
        channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        #expect(!channel.isActive, "nothing more was read")
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    @Test("is told to go on if it waits for that, and nothing else is being said")
    func expectation() throws {
        let channel = try Self.open()
        func told() throws -> HTTPResponse? {
            if case .head(let response) = try channel.readOutbound(as: HTTPResponsePart.self) { response } else { nil }
        }
        try channel.writeInbound(Self.head(expecting: "100-Continue"))
        #expect(try told()?.status == .continue)
        // The next one came before the first was answered.
        try channel.writeInbound(HTTPRequestPart.end(nil))
        try channel.writeInbound(Self.head(expecting: "100-continue"))
        #expect(try told() == nil)
        try channel.writeInbound(HTTPRequestPart.end(nil))
        for _ in 0..<2 {
            try channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .ok)))
            try channel.writeOutbound(HTTPResponsePart.end(nil))
            #expect(try told()?.status == .ok)
            _ = try channel.readOutbound(as: HTTPResponsePart.self)
        }
        try channel.writeInbound(Self.head(expecting: "100-continue"))
        #expect(try told()?.status == .continue)
        _ = try channel.finish(acceptAlreadyClosed: true)
    }

    @Test("hears no body in answer to HEAD, which would be taken for the next answer, and the bodies of others")
    func headOnly() throws {
        let channel = try Self.open()
        let methods: [HTTPRequest.Method] = [.get, .head, .head, .get]
        // All of them before the first is answered.
        for method in methods {
            try channel.writeInbound(
                HTTPRequestPart.head(HTTPRequest(method: method, scheme: "http", authority: "x", path: "/")))
            try channel.writeInbound(HTTPRequestPart.end(nil))
        }
        for method in methods {
            try channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .notFound)))
            try channel.writeOutbound(HTTPResponsePart.body(ByteBuffer(string: "{}")))
            try channel.writeOutbound(HTTPResponsePart.end(nil))
            var parts: [HTTPResponsePart] = []
            while let part = try channel.readOutbound(as: HTTPResponsePart.self) { parts.append(part) }
            #expect(parts.count == (method == .head ? 2 : 3), "\(method): \(parts)")
        }
        _ = try channel.finish()
    }

    @Test(
        "ends after an answer if that is asked for, in any case and beside others",
        arguments: [
            ("close", "close"), ("Close", "close"), ("TE, close", "close"), ("keep-alive ,\tCLOSE", "close"),
            ("keep-alive", "keep-alive"), ("closed", "closed"), ("", ""),
        ])
    func end(_ asked: String, _ passedOn: String) throws {
        let channel = try Self.open()
        try channel.writeInbound(
            HTTPRequestPart.head(
                HTTPRequest(
                    method: .get, scheme: "http", authority: "x", path: "/", headerFields: [.connection: asked])))
        guard case .head(let head) = try channel.readInbound(as: HTTPRequestPart.self) else {
            Issue.record("no head")
            return
        }
        #expect(head.headerFields[.connection] == passedOn)
        try channel.writeInbound(HTTPRequestPart.end(nil))
        _ = try channel.finish()
    }
}

/// Puts a body's bytes on the channel as they are, which counts those that are not flushed.
private final class AnswerBytes: ChannelOutboundHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = ByteBuffer

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .body(let bytes) = self.unwrapOutboundIn(data) else { return }
        context.write(self.wrapOutboundOut(bytes), promise: promise)
    }
}
