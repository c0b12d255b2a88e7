import Domain
import Gzip
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import WebhookClient

@Suite("A hostile receiver")
struct HostileReceiverTests {
    private func outcome(
        _ steps: [ScriptedServer.Step], _ configure: (inout ClientConfiguration) -> Void = { _ in }
    ) async throws -> Outcome {
        let server = try await ScriptedServer.start(steps)
        let client = try await Client("http://127.0.0.1:\(server.port)/", configure)
        let outcome = try await client.send()
        try await client.close()
        try await server.stop()
        return outcome
    }

    private func body(_ outcome: Outcome) -> [UInt8] {
        if case .response(_, let body, _) = outcome { body } else { [] }
    }

    @Test("that sends a body without end is cut off, its status taken and its first 4 KiB kept")
    func endless() async throws {
        let head = "HTTP/1.1 200 OK\r\n\r\n"
        let outcome = try await self.outcome([.flood(head, with: String(repeating: "x", count: 65_536))])
        #expect(outcome.status == 200)
        #expect(self.body(outcome).count == 4_096)
        let chunk = "10000\r\n" + String(repeating: "y", count: 65_536) + "\r\n"
        let chunked = try await self.outcome([
            .flood("HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n", with: chunk)
        ])
        #expect(chunked.status == 500)
        #expect(self.body(chunked).count == 4_096)
    }

    @Test("that sends headers without end is refused in bounded memory")
    func endlessHead() async throws {
        let outcome = try await self.outcome([
            .flood("HTTP/1.1 200 OK\r\n", with: String(repeating: "x-header: value\r\n", count: 1_000))
        ])
        #expect(outcome.failure?.kind == "response")
        let oneLine = try await self.outcome([
            .flood("HTTP/1.1 200 OK\r\nx: ", with: String(repeating: "v", count: 9_999))
        ])
        #expect(oneLine.failure?.kind == "response")
    }

    @Test("that promises to go on for ever is left at the deadline")
    func interim() async throws {
        let outcome = try await self.outcome([.flood("", with: "HTTP/1.1 100 Continue\r\n\r\n")]) {
            $0.totalTimeout = .milliseconds(300)
        }
        #expect(outcome.failure == .timeout(.whole))
    }

    @Test("that drips its head or its body byte by byte holds a connection no longer than the deadline")
    func drip() async throws {
        let head = try await self.outcome([.drip("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")]) {
            $0.totalTimeout = .milliseconds(300)
        }
        #expect(head.failure == .timeout(.whole))
        let body = try await self.outcome([
            .sendThenDrip("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", String(repeating: "z", count: 9_999))
        ]) { $0.totalTimeout = .seconds(2) }
        #expect(body.status == 200)
    }

    @Test("that sends a gzip bomb finds no more of it unpacked than is kept of any answer")
    func gzip() async throws {
        let bomb = try #require(Gzip.compress([UInt8](repeating: 0x61, count: 8 * 1024 * 1024)))
        let outcome = try await self.outcome([
            .sendBytes("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: \(bomb.count)\r\n\r\n", bomb)
        ])
        #expect(outcome.status == 200)
        #expect(self.body(outcome) == [UInt8](repeating: 0x61, count: 4_096))
    }

    @Test("that answers before it was asked, or twice, does not answer the next request")
    func early() async throws {
        let ok = ConnectionPoolTests.ok
        let server = try await ScriptedServer.start([
            .send(ok + "HTTP/1.1 500 Smuggled\r\ncontent-length: 0\r\n\r\n"), .send(ok),
        ])
        let client = try await Client("http://127.0.0.1:\(server.port)/")
        for _ in 0..<3 { #expect(try await client.send().status == 200) }
        #expect(server.connections == 2)
        try await client.close()
        try await server.stop()
    }

    @Test(
        "that sends what is not HTTP/1.1 is named so",
        arguments: [
            "\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
            // It says so at once, and does not wait for an end that does not come.
            "SSH-2.0-OpenSSH_9.2p1", "<!DOCTYPE html>",
        ])
    func invalid(_ answer: String) async throws {
        let outcome = try await self.outcome([.send(answer)])
        #expect(outcome.failure?.kind == "response", "\(outcome)")
    }

    @Test(
        "that answers in an odd way has answered, and is asked on another connection the next time",
        arguments: ResponseParserTests.odd + ResponseParserTests.unframed)
    func odd(_ answer: ResponseParserTests.Answer) async throws {
        let server = try await ScriptedServer.start([.send(answer.bytes)])
        let client = try await Client("http://127.0.0.1:\(server.port)/") { $0.bodyTimeout = .milliseconds(200) }
        for number in 1...2 {
            let outcome = try await client.send(needsBody: false)
            #expect(outcome.status == 200)
            #expect(server.requests == number && server.connections == number)
        }
        try await client.close()
        try await server.stop()
    }

    @Test("that answers before it has all of a request, and reads no more, is asked on another connection next")
    func hasty() async throws {
        let server = try await HastyServer.start()
        let client = try await Client("http://127.0.0.1:\(server.port)/")
        for number in 1...2 {
            // More than the kernels of both ends hold.
            #expect(try await client.send(length: 32 * 1_024 * 1_024).status == 413)
            #expect(server.connections == number)
        }
        try await client.close()
        try await server.stop()
    }

    @Test("that closes in the middle of the status line has not answered, anywhere behind it has")
    func closes() async throws {
        for start in ["HTTP/1.1 200", "HTTP/1.1 200 OK", "\r\n", "HTTP/1.1 100 Continue\r\n"] {
            #expect(try await self.outcome([.sendThenClose(start)]).failure == .closed, "\(start)")
        }
        for answer in [
            "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200\n", "HTTP/1.1 200 OK\r\nserver: x\r\n",
            "HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 200 OK\r\nx: \(String(repeating: "y", count: 40_000))",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
        ] {
            #expect(try await self.outcome([.sendThenClose(answer)]).status == 200, "\(answer.prefix(60))")
        }
    }

    @Test(
        "that ends an answer before its end is said to have done so, and who does not say where that is, is not",
        arguments: [
            (.sendThenClose("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"), true),
            (.sendThenClose("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc"), true),
            (.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"), true),
            (.sendThenClose("HTTP/1.1 200 OK\r\n\r\nabc"), false),
            (.sendThenClose("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"), false),
        ] as [(ScriptedServer.Step, Bool)])
    func brokenOff(_ step: ScriptedServer.Step, _ expected: Bool) async throws {
        let server = try await ScriptedServer.start([step])
        let client = try await Client("http://127.0.0.1:\(server.port)/") { $0.totalTimeout = .seconds(10) }
        let brokeOff = Mutex(false)
        let outcome = try await client.send(onStep: { step in
            if case .faulty(.brokeOff) = step { brokeOff.withLock { $0 = true } }
        })
        #expect(outcome.status == 200 && self.body(outcome) == Array("abc".utf8))
        #expect(brokeOff.withLock { $0 } == expected)
        try await client.close()
        try await server.stop()
    }
}
