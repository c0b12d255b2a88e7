import Domain
import LocalServices
import NIOCore
import NIOPosix
import Testing

@testable import WebhookClient

@Suite("A webhook's connections")
struct ConnectionPoolTests {
    static let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

    @Test("are kept and used again")
    func keepAlive() async throws {
        let server = try await ScriptedServer.start([.send(Self.ok)])
        let client = try await Client("http://127.0.0.1:\(server.port)/")
        for _ in 0..<5 { #expect(try await client.send().status == 200) }
        #expect(server.connections == 1)
        try await client.close()
        try await server.stop()
    }

    @Test("are used for so long and no longer, however busy they are, so that a host that has moved is found")
    func age() async throws {
        let server = try await ScriptedServer.start([.send(Self.ok)])
        for (age, connections) in [(TimeAmount.hours(1), 1), (.nanoseconds(1), 4)] {
            let client = try await Client("http://127.0.0.1:\(server.port)/") { $0.connectionAge = age }
            for _ in 0..<3 { #expect(try await client.send().status == 200) }
            #expect(server.connections == connections)
            try await client.close()
        }
        try await server.stop()
    }

    @Test("are closed behind a single request, however long the receiver would keep them")
    func single() async throws {
        let server = try await TellingServer.start()
        var client = ClientConfiguration(resolver: Resolver(threads: .singleton))
        client.addressGuard = AddressGuard(allowed: ["127.0.0.0/8"].compactMap { Network($0) })
        let (url, eventLoop) = (
            try WebhookURL("http://127.0.0.1:\(server.port)/"), MultiThreadedEventLoopGroup.singleton.next()
        )
        for _ in 0..<10 {
            let outcome = await SingleRequest.send(to: url, on: eventLoop, configuration: client) {
                $0.writeString("POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
            }
            #expect(outcome.text == "/a")
        }
        #expect(server.connections == 10)
        try await waitUntil("all to be closed") { server.open == 0 }
        try await server.stop()
    }

    @Test("are not used again when the receiver says close")
    func close() async throws {
        let server = try await ScriptedServer.start([
            .sendThenClose("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        ])
        let client = try await Client("http://127.0.0.1:\(server.port)/")
        for _ in 0..<3 { #expect(try await client.send().status == 200) }
        #expect(server.connections == 3)
        try await client.close()
        try await server.stop()
    }

    @Test("send a request once more when the receiver closes a kept one without an answer, and that is no failure")
    func stale() async throws {
        let server = try await ScriptedServer.start([.send(Self.ok), .close, .send(Self.ok)])
        let client = try await Client("http://127.0.0.1:\(server.port)/")
        #expect(try await client.send().status == 200)
        #expect(try await client.send().status == 200)
        #expect(server.connections == 2)
        #expect(server.requests == 3)
        try await client.close()
        try await server.stop()
    }

    @Test(
        "send it once more when the receiver says on a kept one that it has waited for too long, not on a fresh one",
        arguments: [
            "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.0 408 Request Time-out\r\n\r\n<html>",
        ])
    func tired(_ timeout: String) async throws {
        let server = try await ScriptedServer.start([
            .send(Self.ok), .sendThenClose(timeout), .send(Self.ok), .sendThenClose(timeout), .sendThenClose(timeout),
        ])
        let client = try await Client("http://127.0.0.1:\(server.port)/")
        #expect(try await client.send().status == 200)
        #expect(try await client.send().status == 200)
        #expect(server.connections == 2 && server.requests == 3)
        // It says so again when it is asked anew, so it is about the request.
        #expect(try await client.send().status == 408)
        #expect(server.connections == 3 && server.requests == 5)
        try await client.close()
        try await server.stop()
    }

    @Test(
        "do not send it once more when the receiver has had it for longer than what crosses is under way",
        arguments: [false, true])
    func begunWith(says: Bool) async throws {
        let timeout = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        let server = try await ScriptedServer.start([.send(Self.ok), says ? .sendThenClose(timeout) : .close])
        let client = try await Client("http://127.0.0.1:\(server.port)/") { $0.crossing = .zero }
        #expect(try await client.send().status == 200)
        let outcome = try await client.send()
        #expect(says ? outcome.status == 408 : outcome.failure == .closed)
        #expect(server.connections == 1 && server.requests == 2)
        try await client.close()
        try await server.stop()
    }

    @Test("do not send it once more on a fresh connection")
    func closedEarly() async throws {
        let server = try await ScriptedServer.start([.close])
        let client = try await Client("http://127.0.0.1:\(server.port)/")
        #expect(try await client.send().failure == .closed)
        #expect(server.requests == 1)
        try await client.close()
        try await server.stop()
    }

    @Test("do not follow redirects")
    func redirect() async throws {
        let server = try await ScriptedServer.start([
            .send("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")
        ])
        let client = try await Client("http://127.0.0.1:\(server.port)/")
        #expect(try await client.send().status == 302)
        #expect(server.requests == 1)
        try await client.close()
        try await server.stop()
    }

    @Test("tell what is no HTTP")
    func garbage() async throws {
        let server = try await ScriptedServer.start([.send("220 smtp.example.com ESMTP ready\r\n\r\n")])
        let client = try await Client("http://127.0.0.1:\(server.port)/")
        #expect(try await client.send().failure?.kind == "response")
        try await client.close()
        try await server.stop()
    }

    @Test("give up on a receiver that never answers, and on one that never ends its head")
    func timeouts() async throws {
        let server = try await ScriptedServer.start([.nothing, .send("HTTP/1.1 200 OK\r\nx: ")])
        let client = try await Client("http://127.0.0.1:\(server.port)/") {
            $0.firstByteTimeout = .seconds(1)
            $0.totalTimeout = .seconds(3)
        }
        #expect(try await client.send().failure == .timeout(.firstByte))
        #expect(try await client.send().failure == .timeout(.whole))
        try await client.close()
        try await server.stop()
    }

    @Test("are not used again where a receiver says that it is the wrong one to ask on")
    func misdirected() async throws {
        let server = try await ScriptedServer.start([
            .send("HTTP/1.1 421 Misdirected Request\r\ncontent-length: 0\r\n\r\n"), .send(ConnectionPoolTests.ok),
        ])
        let client = try await Client("http://127.0.0.1:\(server.port)/")
        for (status, connections) in [(421, 1), (200, 2), (200, 2)] {
            #expect(try await client.send().status == status)
            #expect(server.connections == connections)
        }
        try await client.close()
        try await server.stop()
    }

    @Test("say of a receiver that takes a connection and does not secure it that it has taken nothing else")
    func silentHandshake() async throws {
        let server = try await ScriptedServer.start([.nothing])
        for whole in [120, 1] {
            let client = try await Client("https://localhost:\(server.port)/") {
                $0.firstByteTimeout = whole == 1 ? .seconds(120) : .seconds(1)
                $0.totalTimeout = .seconds(Int64(whole))
            }
            #expect(try await client.send().failure == .timeout(.handshake))
            try await client.close()
        }
        try await server.stop()
    }

    @Test("take the status of a receiver whose body never ends, and do not wait for ever")
    func drip() async throws {
        let server = try await ScriptedServer.start([.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nx")])
        let client = try await Client("http://127.0.0.1:\(server.port)/") { $0.totalTimeout = .seconds(2) }
        #expect(try await client.send().status == 200)
        try await client.close()
        try await server.stop()
    }

    @Test("are refused to addresses that are not allowed, by number and by name")
    func guarded() async throws {
        let server = try await ScriptedServer.start([.send(Self.ok)])
        for host in ["127.0.0.1", "localhost", "[::1]"] {
            let client = try await Client("http://\(host):\(server.port)/", allowing: [])
            #expect(try await client.send().failure?.kind == "address", "\(host)")
            try await client.close()
        }
        #expect(server.connections == 0)
        try await server.stop()
    }

    @Test("name what went wrong: no such name, nobody there, no TLS")
    func named() async throws {
        let server = try await ScriptedServer.start([.send(Self.ok)])
        let dns = try await Client("http://does-not-exist.invalid/")
        // A machine without name servers cannot know.
        let kind = try await dns.send().failure?.kind
        #expect(kind == "dns" || kind == "nameserver")
        let refused = try await Client("http://127.0.0.1:1/")
        #expect(try await refused.send().failure?.kind == "connect")
        let tls = try await Client("https://127.0.0.1:\(server.port)/")
        #expect(try await tls.send().failure?.kind == "tls")
        for client in [dns, refused, tls] { try await client.close() }
        try await server.stop()
    }
}
