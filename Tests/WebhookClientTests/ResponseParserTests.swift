import Testing

@testable import WebhookClient

@Suite("The response parser")
struct ResponseParserTests {
    struct Answer: Sendable, CustomTestStringConvertible {
        let bytes: String
        let status: Int
        var body = ""
        var canReuse = true
        var retryAfter: String?
        /// Whether the end of the connection is the end of the body.
        var endsWithConnection = false
        var testDescription: String { String(self.bytes.prefix(60)) }
    }

    static let answers = [
        Answer(bytes: "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", status: 200, body: "ok"),
        Answer(bytes: "HTTP/1.1 204 No Content\r\n\r\n", status: 204),
        Answer(bytes: "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", status: 204),
        // The body that it announces may come all the same.
        Answer(bytes: "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", status: 204, canReuse: false),
        Answer(bytes: "HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n", status: 204, canReuse: false),
        Answer(bytes: "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", status: 304, canReuse: false),
        Answer(bytes: "HTTP/1.1 200\r\nContent-Length:0\r\n\r\n", status: 200),
        Answer(
            bytes: "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!",
            status: 500, body: "no!", canReuse: false),
        Answer(bytes: "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", status: 200, body: "ok", canReuse: false),
        Answer(
            bytes: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\ncontent-length: 2\r\n\r\nok", status: 200, body: "ok"),
        Answer(
            bytes: "HTTP/1.1 429 Slow\r\nRetry-After:  120 \r\nContent-Length: 0\r\n\r\n", status: 429,
            retryAfter: "120"),
        Answer(
            bytes: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\nx", status: 201,
            body: "x"),
        Answer(
            bytes: "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            status: 200),
        Answer(
            bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\n\r\n",
            status: 200, body: "Wikipedia"),
        Answer(bytes: "HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n", status: 200),
        Answer(
            bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            status: 200, body: "ab", canReuse: false),
        Answer(bytes: "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", status: 302),
        Answer(
            bytes: "HTTP/1.1 200 OK\r\nserver: x\r\n\r\nuntil the end", status: 200, body: "until the end",
            canReuse: false, endsWithConnection: true),
    ]

    private func feed(_ parser: inout ResponseParser, _ bytes: some Collection<UInt8>) throws -> ResponseParser.Progress
    {
        try Array(bytes).withUnsafeBytes { try parser.read($0) }
    }

    @Test("understands a response, however it is cut into pieces", arguments: answers)
    func understands(answer: Answer) throws {
        let bytes = Array(answer.bytes.utf8)
        for size in [bytes.count, 1, 2, 3, 7, 16] {
            var parser = ResponseParser()
            var progress = ResponseParser.Progress.needsMore
            var start = 0
            while start < bytes.count {
                progress = try self.feed(&parser, bytes[start..<min(start + size, bytes.count)])
                start += size
            }
            if answer.endsWithConnection {
                #expect(progress == .needsMore)
                let end = parser.finish()
                progress = try #require(end)
            }
            #expect(progress == .complete(canReuse: answer.canReuse), "in pieces of \(size)")
            #expect(parser.status == answer.status)
            #expect(String(decoding: parser.body, as: UTF8.self) == answer.body)
            #expect(parser.retryAfter == answer.retryAfter)
        }
    }

    @Test("reads one response after the other on the same connection")
    func again() throws {
        var parser = ResponseParser()
        for status in [200, 404, 500] {
            let bytes = "HTTP/1.1 \(status) X\r\ncontent-length: 2\r\n\r\nok"
            #expect(try self.feed(&parser, bytes.utf8) == .complete(canReuse: true))
            #expect(parser.status == status)
            parser.reset()
        }
    }

    @Test("does not use a connection again on which more came than was asked for")
    func excess() throws {
        var parser = ResponseParser()
        let twice = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n"
        #expect(try self.feed(&parser, twice.utf8) == .complete(canReuse: false))
    }

    @Test(
        "refuses what is not HTTP/1.1",
        arguments: [
            "SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n", "HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n..",
            "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 999 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: x\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP/1.1 200 OK\nserver: x\r\n\r\n",
        ])
    func refuses(bytes: String) {
        var parser = ResponseParser()
        #expect(throws: ResponseParser.Malformed.self) { try self.feed(&parser, bytes.utf8) }
    }

    @Test("keeps the first of a body, reads no more than it must, and bounds the head")
    func limits() throws {
        let limits = ResponseParser.Limits(head: 100, keptBody: 4, body: 20)
        var parser = ResponseParser(limits: limits)
        #expect(
            try self.feed(&parser, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123456789".utf8)
                == .complete(canReuse: true))
        #expect(String(decoding: parser.body, as: UTF8.self) == "0123")

        parser = ResponseParser(limits: limits)
        #expect(
            try self.feed(&parser, "HTTP/1.1 200 OK\r\n\r\n\(String(repeating: "x", count: 30))".utf8) == .bodyTooLarge)
        #expect(parser.status == 200)
        #expect(parser.body.count == 4)

        parser = ResponseParser(limits: limits)
        #expect(throws: ResponseParser.Malformed.headTooLarge) {
            while true { _ = try self.feed(&parser, "HTTP/1.1 200 OK\r\nx-endless: aaaaaaaa".utf8) }
        }
    }
}
