import Domain
import TestSupport
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
        Answer(
            bytes: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: x-trace, close\r\n\r\nyes", status: 200,
            body: "yes", canReuse: false),
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
            bytes: "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nretry-after: 9\r\n\r\n"
                + "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            status: 200),
        Answer(
            bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\n\r\n",
            status: 200, body: "Wikipedia"),
        Answer(
            bytes:
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0c\r\n0123456789ab\r\n0\r\n\r\n",
            status: 200, body: "01234567890123456789ab"),
        Answer(bytes: "HTTP/1.1 200 OK\r\nTRANSFER-ENCODING: Chunked\r\n\r\n0\r\nTrailer: x\r\n\r\n", status: 200),
        Answer(
            bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            status: 200, body: "ab", canReuse: false),
        Answer(bytes: "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", status: 302),
        Answer(
            bytes: "HTTP/1.1 200 OK\r\nserver: x\r\n\r\nuntil the end", status: 200, body: "until the end",
            canReuse: false, endsWithConnection: true),
    ]

    /// What receivers in use say, and clients in use take. Each is done with the status; none may be followed by another.
    static let odd: [Answer] = [
        ("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nServer: x\nContent-Length: 2\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\nok", "ok"),
        ("\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
        ("http/1.1  200\tfine\r\ncontent-length: 2\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nX-Policy: default-src 'self';\r\n img-src *\r\nContent-Length: 2\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\t2\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok"),
        ("HTTP/1.1 200 OK\r\n Content-Length: 9\r\nContent-Length: 2\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, x\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\n: odd\r\nContent-Length: 2\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nx: a\rb\u{0}c\r\nContent-Length: 2\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "ok"
        ),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "ok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n", "ok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n", "ok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\n0\r\n\r\n", "ok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 2\r\nok\r\n0\r\n\r\n", "ok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\rb\r\nok\r\n0\r\n\r\n", "ok"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nx: a\rb\r\n\r\n", ""),
        // Chunks that are none, or end too late: what came before is what there is.
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ""),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", "ab"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", ""),
        ("HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
        // Heads of more than is kept of one.
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Log: \(Self.long)\r\n\r\nok", "ok"),
        ("HTTP/1.1 200 OK\nContent-Length: 2\nX-Log: \(Self.long)\n\nok", "ok"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\(String(repeating: "x: y\r\n", count: 10_000))\r\n"
                + "2\r\nok\r\n0\r\n\r\n", "ok"
        ),
        ("HTTP/1.1 103 X\r\nx: \(Self.long)\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok"),
    ].map { Answer(bytes: $0.0, status: 200, body: $0.1, canReuse: false) }

    private static let long = String(repeating: "x", count: 40_000)

    /// Those that are well-formed, however rare, and after which the next request may go out.
    static let rare = [
        Answer(
            bytes:
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(String(repeating: "0", count: 999))2\r\nok\r\n"
                + "0;\(String(repeating: "x", count: 9_999))\r\n\r\n", status: 200, body: "ok"),
        Answer(bytes: "HTTP/1.1 200 \u{e4}\u{f6}\r\nx: \u{fc}\r\nContent-Length: 0\r\n\r\n", status: 200),
        Answer(bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: b\r\nc: d\r\n\r\n", status: 200),
        Answer(bytes: "HTTP/1.1 600 What\r\nContent-Length: 0\r\n\r\n", status: 600),
        Answer(bytes: "HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n", status: 999),
        Answer(bytes: "HTTP/1.1 200 OK\r\nContent-Length: 00000000000000000002\r\n\r\nok", status: 200, body: "ok"),
        Answer(
            bytes: String(repeating: "HTTP/1.1 102 Processing\r\n\r\n", count: 99)
                + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200),
    ]

    /// Those whose body is what comes until the connection ends.
    static let unframed = [
        "HTTP/1.1 200 OK\r\n\r\nok", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nConnection: close\r\n\r\nok",
        "HTTP/1.0 200 OK\n\nok", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nok",
        // Less came than was promised.
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffffffff\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
        // How long it is stands where nobody reads.
        "HTTP/1.1 200 OK\r\nX-Log: \(Self.long)\r\nContent-Length: 2\r\n\r\nok",
    ].map { Answer(bytes: $0, status: 200, body: "ok", canReuse: false, endsWithConnection: true) }

    private func feed(_ parser: inout ResponseParser, _ bytes: some Collection<UInt8>) throws -> ResponseParser.Progress
    {
        try Array(bytes).withUnsafeBytes { try parser.read($0) }
    }

    @Test("understands a response, however it is cut into pieces", arguments: answers + odd + rare + unframed)
    func understands(answer: Answer) throws {
        let bytes = Array(answer.bytes.utf8)
        for size in [bytes.count, 1, 2, 3, 7, 16] {
            var parser = ResponseParser()
            var progress = ResponseParser.Progress.needsMore
            var start = 0
            while start < bytes.count, progress == .needsMore {
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

    @Test(
        "keeps headers of what is no success, of the rest where somebody wants them, and of none what stood in another")
    func headers() throws {
        var parser = ResponseParser()
        for (status, wants, kept) in [
            (200, false, nil), (500, false, ["a"]), (204, false, nil), (200, true, ["a"]), (301, false, ["a"]),
            (200, false, nil),
        ] as [(Int, Bool, [String]?)] {
            parser.keep(4_096, headers: wants)
            let interim = "HTTP/1.1 103 Early\r\nX-Early: b\r\n\r\n"
            let answer = "\(interim)HTTP/1.1 \(status) X\r\nContent-Length: 0\r\nX-Trace : a\r\n\r\n"
            for size in [answer.utf8.count, 7] {
                let bytes = Array(answer.utf8)
                for start in stride(from: 0, to: bytes.count, by: size) {
                    _ = try self.feed(&parser, bytes[start..<min(start + size, bytes.count)])
                }
                #expect(parser.status == status)
                let values = parser.headers?.fields.filter { $0.name.hasPrefix("x-") }.map(\.value)
                #expect(values == kept, "\(status) in pieces of \(size)")
                parser.reset()
            }
        }
    }

    /// What came of bytes that were read in pieces, and then of the end of the connection.
    private struct Reading: Equatable {
        var status = 0
        var body: [UInt8] = []
        var retryAfter: String?
        var location: String?
        var isOver = false
        var isTooLarge = false
        var canReuse = false
        var error: ResponseParser.Malformed?
    }

    private func read(_ bytes: [UInt8], _ limits: ResponseParser.Limits, cutAt cuts: [Int]) -> Reading {
        var (parser, reading) = (ResponseParser(limits: limits), Reading())
        do throws(ResponseParser.Malformed) {
            var start = 0
            for end in cuts + [bytes.count] where !reading.isOver {
                var (progress, failure): (ResponseParser.Progress, ResponseParser.Malformed?) = (.needsMore, nil)
                bytes[start..<end].withUnsafeBytes { piece in
                    do throws(ResponseParser.Malformed) { progress = try parser.read(piece) } catch { failure = error }
                }
                if let failure { throw failure }
                start = end
                if case .complete(let canReuse) = progress {
                    // What is behind the answer ends the connection, at once or when it comes.
                    (reading.isOver, reading.canReuse) = (true, canReuse && start == bytes.count)
                }
                if progress == .bodyTooLarge { (reading.isOver, reading.isTooLarge) = (true, true) }
            }
            if !reading.isOver { reading.isOver = parser.finish() != nil }
        } catch { reading.error = error }
        (reading.status, reading.retryAfter, reading.location) = (parser.status, parser.retryAfter, parser.location)
        reading.body = parser.body
        return reading
    }

    @Test("comes to the same, whatever is said, wherever it is cut")
    func anySplit() {
        var generator = Seeded(19)
        let parts = [
            "HTTP/1.1 200 OK", "HTTP/1.0 503 No", "HTTP/1.1 100 Go on", "HTTP/1.1 204 X", "http/1.1 999", "SSH-2.0",
            "HTTP/1.1 2",
            "Content-Length: 2", "content-length : 2, 3", "Content-Length: x", "Content-Length: 40",
            "Transfer-Encoding: chunked",
            "transfer-encoding: gzip", "Connection: close", "Retry-After: 7", "Location: /x", ": y", "z", " folded",
            "\tfolded",
            "\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\n\r\n", "\r\n\r\n", "\n\n", "ok", "2", "0", "a;b=c",
            "ffffffffffffffffffff",
            "\u{0}", "\u{fc}", String(repeating: "y", count: 60),
        ]
        for _ in 0..<6_000 {
            var text = Bool.random(using: &generator) ? "HTTP/1.1 200 OK\r\n" : ""
            for _ in 0..<Int.random(in: 0..<14, using: &generator) {
                text += parts.randomElement(using: &generator) ?? ""
            }
            let bytes = Array(text.utf8)
            let limits = ResponseParser.Limits(head: 120, keptBody: 8, body: 30)
            let whole = self.read(bytes, limits, cutAt: [])
            let every = self.read(bytes, limits, cutAt: Array(bytes.indices.dropFirst()))
            let some = bytes.indices.dropFirst().filter { _ in Int.random(in: 0..<5, using: &generator) == 0 }
            #expect(every == whole, "\(text.debugDescription)")
            #expect(self.read(bytes, limits, cutAt: Array(some)) == whole, "\(text.debugDescription)")
            #expect(whole.body.count <= 8)
            // Nothing but the head can take an answer back.
            #expect(whole.error == nil || whole.status == 0)
        }
    }

    @Test("finds the end of a head wherever it is, at the last that is kept of one and around it")
    func ends() throws {
        for newline in ["\r\n", "\n"] {
            for length in 60...90 {
                let start = "HTTP/1.1 200 OK\(newline)Retry-After: 7\(newline)Content-Length: 2\(newline)x: "
                let text = start + String(repeating: "y", count: length - start.utf8.count) + newline + newline + "ok"
                let bytes = Array(text.utf8)
                let limits = ResponseParser.Limits(head: 80, keptBody: 8, body: 99)
                let whole = self.read(bytes, limits, cutAt: [])
                #expect(whole.status == 200 && whole.isOver && whole.body == Array("ok".utf8), "\(length)")
                #expect(whole.retryAfter == "7")
                #expect(whole.canReuse == (newline == "\r\n" && bytes.count - 2 <= 80), "\(length)")
                #expect(self.read(bytes, limits, cutAt: Array(bytes.indices.dropFirst())) == whole, "\(length)")
            }
        }
    }

    @Test("takes of a head that the connection's end has cut what stands in whole lines")
    func cutHead() throws {
        for (text, status, retryAfter) in [
            ("HTTP/1.1 503 No\r\nRetry-After: 7\r\n", 503, "7"), ("HTTP/1.1 503 No\r\nRetry-After: 7", 503, nil),
            ("HTTP/1.1 200 OK\n", 200, nil), ("HTTP/1.1 200 OK", nil, nil), ("HTTP/1.1 103 X\r\nx: y\r\n", nil, nil),
            ("HTTP/1.1 503 No\r\nRetry-After: 7\r\nx: \(Self.long)", 503, "7"), ("", nil, nil),
        ] as [(String, Int?, String?)] {
            var parser = ResponseParser()
            #expect(try self.feed(&parser, text.utf8) == .needsMore)
            let end = parser.finish()
            let expected: ResponseParser.Progress? = status == nil ? nil : .complete(canReuse: false)
            #expect(end == expected, "\(text.prefix(60))")
            #expect(parser.status == status ?? 0 && parser.retryAfter == retryAfter, "\(text.prefix(60))")
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

    @Test("remembers nothing of one response when it reads the next")
    func forgets() throws {
        let next = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        for answer in Self.answers + Self.odd + Self.rare {
            var parser = ResponseParser()
            for byte in answer.bytes.utf8 where try self.feed(&parser, [byte]) != .needsMore { break }
            parser.reset()
            #expect(try self.feed(&parser, next.utf8) == .complete(canReuse: true), "\(answer.bytes)")
            #expect(parser.status == 200 && parser.retryAfter == nil && parser.location == nil && parser.body == [])
        }
    }

    @Test("does not use a connection again on which more came than was asked for")
    func excess() throws {
        var parser = ResponseParser()
        let twice = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n"
        #expect(try self.feed(&parser, twice.utf8) == .complete(canReuse: false))
    }

    @Test(
        "refuses what has no status that can be read, and that at once",
        arguments: [
            "SSH-2.0-OpenSSH_9.2p1", "220 smtp.example.com ESMTP ready\r\n", "HTTP/2 200 OK\r\n\r\n", "\r\n\r\n",
            "<html>", "HTTP/1.1 20 OK\r\n\r\n..", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1200 OK\r\n\r\n", "HTTP/1.x 200 OK\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ])
    func refuses(bytes: String) {
        var parser = ResponseParser()
        #expect(throws: ResponseParser.Malformed.self) { try self.feed(&parser, bytes.utf8) }
        parser = ResponseParser()
        #expect(throws: ResponseParser.Malformed.self) {
            for byte in bytes.utf8 { _ = try self.feed(&parser, [byte]) }
        }
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
        for interim in [
            "HTTP/1.1 102 \r\n\r\n", "HTTP/1.1 103 X\r\nlink: \(String(repeating: "x", count: 100))\r\n\r\n",
        ] {
            for pieces in [interim.utf8.map { [$0] }, [Array(interim.utf8)]] {
                parser = ResponseParser(limits: limits)
                #expect(throws: ResponseParser.Malformed.headTooLarge) {
                    for piece in (1...9).flatMap({ _ in pieces }) { _ = try self.feed(&parser, piece) }
                }
            }
        }
        // The lines of chunks and what is behind the last of them count as well.
        for endless in ["1;\(String(repeating: "e", count: 30))", "0\r\n\(String(repeating: "t: r\r\n", count: 9))"] {
            parser = ResponseParser(limits: limits)
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
            #expect(try self.feed(&parser, (head + endless).utf8) == .bodyTooLarge)
        }
    }
}
