import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import API

@Suite("Who speaks HTTP/1.0")
struct OldCallerTests {
    /// A connection with the server's reader and writer of HTTP, so that bytes are what is compared.
    private struct Connection {
        let channel: EmbeddedChannel

        init() throws {
            self.channel = EmbeddedChannel()
            let pipeline = self.channel.pipeline.syncOperations
            try pipeline.addHandler(HTTPResponseEncoder())
            try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder()))
            try pipeline.addHandler(OldCallers())
            try self.channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }

        /// The head as it is handed on.
        func ask(_ text: String) throws -> HTTPRequestHead? {
            try self.channel.writeInbound(ByteBuffer(string: text))
            var head: HTTPRequestHead?
            while let part = try self.channel.readInbound(as: HTTPServerRequestPart.self) {
                if case .head(let found) = part { head = found }
            }
            return head
        }

        /// The bytes of an answer that was written in two pieces.
        func answer(
            _ status: HTTPResponseStatus = .ok, _ headers: HTTPHeaders = [:], _ pieces: [String] = ["ab", "c"]
        ) throws -> String {
            self.channel.write(
                HTTPServerResponsePart.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers)),
                promise: nil)
            for piece in pieces {
                self.channel.write(HTTPServerResponsePart.body(.byteBuffer(ByteBuffer(string: piece))), promise: nil)
            }
            self.channel.writeAndFlush(HTTPServerResponsePart.end(nil), promise: nil)
            self.channel.embeddedEventLoop.run()
            var text = ""
            while let bytes = try self.channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
            return text
        }
    }

    @Test("has the connection for one answer, unless they ask to keep it and the answer says where it ends")
    func staying() throws {
        for (asked, length, stays) in [
            ("", "3", false), ("", nil, false), ("connection: close\r\n", "3", false),
            ("connection: keep-alive\r\n", "3", true), ("Connection: TE, Keep-Alive\r\n", "3", true),
            ("connection: keep-alive\r\n", nil, false), ("connection: keep-alive, close\r\n", "3", false),
        ] as [(String, String?, Bool)] {
            let connection = try Connection()
            let head = try connection.ask("GET / HTTP/1.0\r\n\(asked)\r\n")
            let asksToStay = asked.lowercased().contains("keep-alive") && !asked.contains("close")
            #expect(head?.headers["connection"] == [asksToStay ? "keep-alive" : "close"], "\(asked)")
            let answer = try connection.answer(.ok, length.map { ["content-length": $0] } ?? [:])
            #expect(answer.hasPrefix("HTTP/1.0 200 OK\r\n"))
            #expect(answer.hasSuffix("\r\n\r\nabc"), "no chunks: \(answer)")
            #expect(!answer.contains("transfer-encoding"))
            #expect(answer.contains("connection: \(stays ? "keep-alive" : "close")\r\n"), "\(asked) \(answer)")
            #expect(connection.channel.isActive == stays, "\(asked) \(length ?? "")")
            _ = try connection.channel.finish(acceptAlreadyClosed: true)
        }
    }

    @Test("need not name the host, and others do: it is the address that was called then")
    func host() throws {
        for (asked, called, host) in [
            ("GET / HTTP/1.0\r\n\r\n", "127.0.0.1", ["127.0.0.1:9021"]),
            ("GET / HTTP/1.0\r\n\r\n", "::1", ["[::1]:9021"]),
            ("GET / HTTP/1.0\r\n\r\n", nil, ["localhost"]), ("GET / HTTP/1.0\r\nhost: x\r\n\r\n", "127.0.0.1", ["x"]),
            ("GET / HTTP/1.0\r\nhost: x\r\nhost: y\r\n\r\n", "127.0.0.1", ["x", "y"]),
            ("GET / HTTP/1.1\r\n\r\n", "127.0.0.1", []),
        ] as [(String, String?, [String])] {
            let connection = try Connection()
            connection.channel.localAddress = try called.map { try SocketAddress(ipAddress: $0, port: 9_021) }
            #expect(try connection.ask(asked)?.headers["host"] == host, "\(asked)")
            _ = try connection.channel.finish(acceptAlreadyClosed: true)
        }
    }

    @Test("is told of errors in the same way")
    func errors() throws {
        let connection = try Connection()
        _ = try connection.ask("GET /nothing HTTP/1.0\r\n\r\n")
        let answer = try connection.answer(.notFound)
        #expect(answer == "HTTP/1.0 404 Not Found\r\nconnection: close\r\n\r\nabc")
        #expect(!connection.channel.isActive)
        _ = try connection.channel.finish(acceptAlreadyClosed: true)
    }

    @Test("is not told to go on, which they could not read")
    func expectation() throws {
        let connection = try Connection()
        let head = try connection.ask("POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\nx")
        #expect(head?.headers.contains(name: "expect") == false)
        _ = try connection.channel.finish()
    }

    @Test("and sends chunks all the same has the connection for that alone")
    func chunks() throws {
        let connection = try Connection()
        let head = try connection.ask(
            "POST / HTTP/1.0\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
        #expect(head?.headers["connection"] == ["close"])
        _ = try connection.channel.finish()
    }

    @Test("is not those who speak HTTP/1.1: they get chunks, and stay")
    func current() throws {
        let connection = try Connection()
        for asked in ["", "expect: 100-continue\r\n", "connection: keep-alive\r\n"] {
            let head = try connection.ask("GET / HTTP/1.1\r\nhost: x\r\n\(asked)\r\n")
            #expect(head?.headers.contains(name: "expect") == asked.hasPrefix("expect"))
            let answer = try connection.answer()
            #expect(
                answer == "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
            #expect(connection.channel.isActive)
        }
        _ = try connection.channel.finish()
    }

    @Test("keeps their answers apart where they ask twice before the first answer")
    func pipelined() throws {
        let connection = try Connection()
        let request = "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"
        _ = try connection.ask(request + request)
        #expect(try connection.answer(.ok, ["content-length": "3"]).hasPrefix("HTTP/1.0 200 OK\r\n"))
        #expect(connection.channel.isActive)
        #expect(try connection.answer().hasPrefix("HTTP/1.0 200 OK\r\n"))
        #expect(!connection.channel.isActive)
        _ = try connection.channel.finish(acceptAlreadyClosed: true)
    }

    @Test("has nothing carried out that is behind the last answer, however it came, and the rest in turn")
    func behindTheLast() throws {
        let request = "POST / HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx"
        for comesLater in [false, true] {
            let connection = try Connection()
            #expect(try connection.ask(comesLater ? request : request + request) != nil)
            if comesLater { #expect(try connection.ask(request) == nil, "before the first is answered") }
            #expect(try connection.channel.readInbound(as: HTTPServerRequestPart.self) == nil)
            // Without a length it is the last.
            _ = try connection.answer()
            #expect(!connection.channel.isActive)
            #expect(try connection.channel.readInbound(as: HTTPServerRequestPart.self) == nil)
            _ = try connection.channel.finish(acceptAlreadyClosed: true)
        }
        let connection = try Connection()
        #expect(try connection.ask(request + request + request) != nil)
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        for isThere in [true, true, false] {
            _ = try connection.answer(.ok, ["content-length": "3"])
            var heads = 0
            while let part = try connection.channel.readInbound(as: HTTPServerRequestPart.self) {
                if case .head = part { heads += 1 }
            }
            #expect(heads == (isThere ? 1 : 0))
        }
        #expect(connection.channel.isActive)
        _ = try connection.channel.finish(acceptAlreadyClosed: true)
    }

    @Test(
        "is told nothing behind the head where HEAD asks for what has no length, as are others",
        arguments: ["1.0", "1.1"])
    func headAlone(version: String) throws {
        let connection = try Connection()
        _ = try connection.ask("HEAD / HTTP/\(version)\r\nhost: x\r\n\r\n")
        let answer = try connection.answer(.ok, [:], [])
        #expect(answer.hasPrefix("HTTP/\(version) 200 OK\r\n") && answer.hasSuffix("\r\n\r\n"))
        #expect(answer.ranges(of: "\r\n\r\n").count == 1 && !answer.contains("content-length"), "\(answer)")
        #expect(connection.channel.isActive == (version == "1.1"))
        _ = try connection.channel.finish(acceptAlreadyClosed: true)
    }
}
