import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPTypes
import Testing

@testable import API

@Suite("A request that is no HTTP")
struct UnreadableRequestTests {
    private static let bare = HTTPResponse(
        status: .badRequest, headerFields: [.connection: "close", .contentLength: "0"])

    /// A connection on which these have come, and then the fault.
    private static func connection(
        _ parts: [HTTPRequestPart] = [], _ fault: any Error = HTTPParserError.invalidMethod
    ) throws -> EmbeddedChannel {
        let channel = EmbeddedChannel(handler: UnreadableRequests())
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        for part in parts { try channel.writeInbound(part) }
        channel.pipeline.fireErrorCaught(fault)
        #expect(throws: (any Error).self, "the server hears of it") { try channel.throwIfErrorCaught() }
        return channel
    }

    private static func answers(_ channel: EmbeddedChannel, _ head: HTTPResponse, _ body: String? = nil) throws
        -> [String]
    {
        try channel.writeOutbound(HTTPResponsePart.head(head))
        if let body { try channel.writeOutbound(HTTPResponsePart.body(ByteBuffer(string: body))) }
        try channel.writeOutbound(HTTPResponsePart.end(nil))
        var found: [String] = []
        while let part = try channel.readOutbound(as: HTTPResponsePart.self) {
            switch part {
            case .head(let head): found.append("\(head.status.code) \(head.headerFields[.contentLength] ?? "-")")
            case .body(let bytes): found.append(String(buffer: bytes))
            case .end: found.append("end")
            }
        }
        return found
    }

    private static let head = HTTPRequestPart.head(HTTPRequest(method: .get, scheme: "http", authority: "x", path: "/"))

    @Test(
        "is told what is wrong with it, with a status that says whose fault it is",
        arguments: [
            (HTTPParserError.invalidMethod, 400), (.invalidHeaderToken, 400), (.invalidContentLength, 400),
            (.invalidChunkSize, 400), (.invalidURL, 400), (.unknown, 400), (.headerOverflow, 431),
            (.invalidVersion, 505),
        ])
    func told(fault: HTTPParserError, status: Int) throws {
        let channel = try Self.connection([], fault)
        let answer = try Self.answers(channel, Self.bare)
        try #require(answer.count == 3)
        #expect(answer[0] == "\(status) \(answer[1].utf8.count)")
        #expect(answer[1].hasPrefix(#"{"error":"the request"#) && answer[2] == "end")
        _ = try channel.finish()
    }

    @Test("comes behind others that are answered as they are")
    func behind() throws {
        let channel = try Self.connection([Self.head, .end(nil)])
        #expect(try Self.answers(channel, HTTPResponse(status: .ok), "{}") == ["200 -", "{}", "end"])
        #expect(try Self.answers(channel, Self.bare).first?.hasPrefix("400 ") == true)
        _ = try channel.finish()
    }

    @Test("but had a head that can be read has the answer to that alone")
    func half() throws {
        let channel = try Self.connection(
            [Self.head, .body(ByteBuffer(string: "x"))], HTTPParserError.invalidChunkSize)
        #expect(try Self.answers(channel, HTTPResponse(status: .unauthorized), "{}") == ["401 -", "{}", "end"])
        #expect(try Self.answers(channel, Self.bare).isEmpty)
        _ = try channel.finish()
    }

    @Test("is not what else goes wrong")
    func otherErrors() throws {
        let channel = try Self.connection([], ChannelError.inputClosed)
        #expect(try Self.answers(channel, Self.bare) == ["400 0", "end"])
        _ = try channel.finish()
    }
}
