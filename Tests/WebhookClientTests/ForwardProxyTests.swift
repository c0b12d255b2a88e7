import Domain
import LocalServices
import NIOCore
import NIOPosix
import NIOSSL
import TestSupport
import Testing
import Values

@testable import WebhookClient

@Suite("A proxy to receivers")
struct ForwardProxyTests {
    private static func proxy(
        _ port: Int, _ credentials: String = "", but exceptions: String = "", _ target: ForwardProxy.Target = .address
    ) throws -> ForwardProxy {
        try ForwardProxy(Secret("http://\(credentials)127.0.0.1:\(port)"), exceptions: exceptions, target: target)
    }

    @Test("leads to http and https alike, asked once for each connection, by the address that was checked or by name")
    func ways() async throws {
        let folder = try Files.makeTemporaryFolder()
        let authority = try await Certificates.authority(in: folder)
        let (certificate, key) = try await Certificates.issue(for: "localhost", days: 2, in: folder)
        let roots = try NIOSSLCertificate.fromPEMFile(authority)
        for (scheme, target) in [
            ("http", .address), ("https", .address), ("http", .name), ("https", .name),
        ] as [(String, ForwardProxy.Target)] {
            let proxy = try await ConnectProxy.start(wanting: "Basic bWU6cDp3LyU=")
            let server = try await ScriptedServer.start(
                [.send(ConnectionPoolTests.ok)],
                tls: scheme == "https" ? try Certificates.serverContext(certificate, key) : nil)
            let way = try Self.proxy(proxy.port, "me:p:w%2F%25@", target)
            let client = try await Client("\(scheme)://localhost:\(server.port)/", allowing: ["127.0.0.0/8"]) {
                $0.tls = try? ClientConfiguration.makeTLSContext(additionalRoots: roots)
                $0.proxy = way
                // Of several addresses those that the server does not listen at are not of interest here.
                $0.resolver = Resolver(
                    threads: .singleton,
                    lookUp: { _ in
                        .success([(try? SocketAddress(ipAddress: "127.0.0.1", port: 0))].compactMap(\.self))
                    })
            }
            for _ in 0..<3 { #expect(try await client.send().status == 200, "\(scheme) \(target)") }
            let host = target == .name ? "localhost" : "127.0.0.1"
            #expect(proxy.targets == ["\(host):\(server.port)"] && server.connections == 1)
            try await client.close()
            try await server.stop()
            try await proxy.stop()
        }
    }

    @Test("is asked for nothing that may not be reached, and not for what is reached without it")
    func guarded() async throws {
        let proxy = try await ConnectProxy.start()
        let server = try await ScriptedServer.start([.send(ConnectionPoolTests.ok)])
        for (exceptions, networks, isSent) in [
            ("", [], false), ("example.com,127.0.0.0/8", ["127.0.0.0/8"], true), ("*", ["127.0.0.0/8"], true),
        ] as [(String, [String], Bool)] {
            let way = try Self.proxy(proxy.port, but: exceptions)
            let client = try await Client("http://127.0.0.1:\(server.port)/", allowing: networks) { $0.proxy = way }
            let outcome = try await client.send()
            #expect(isSent ? outcome.status == 200 : outcome.failure?.kind == "address", "\(outcome)")
            try await client.close()
        }
        #expect(proxy.targets == [])
        try await server.stop()
        try await proxy.stop()
    }

    private static func outcome(_ step: ScriptedServer.Step, within limit: TimeAmount) async throws -> Outcome {
        let proxy = try await ScriptedServer.start([step])
        let way = try Self.proxy(proxy.port)
        let client = try await Client("http://127.0.0.1:1/") {
            $0.proxy = way
            $0.connectTimeout = limit
        }
        let outcome = try await client.send()
        try await client.close()
        try await proxy.stop()
        return outcome
    }

    @Test(
        "that does not do its part is told in words, and it is nobody's fault; who is behind it and cannot be reached is",
        arguments: [
            (.send("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), "the proxy refused: 407 Proxy", true),
            (.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 1\r\n\r\nx"), "403 Forbidden: its rules forbid", true),
            (.send("HTTP/1.0 503 Service Unavailable\r\n\r\n"), "the proxy refused: 503", true),
            (
                .send("HTTP/1.1 503 x\r\nX-Squid-Error: ERR_CONNECT_FAIL 111\r\n\r\n"), "does not get to 127.0.0.1:1",
                false
            ),
            (.send("HTTP/1.1 503 x\r\nproxy-status: p; error=connection_refused\r\n\r\n"), "does not get to", false),
            (.send("HTTP/1.1 502 Bad Gateway\r\n\r\n"), "does not get to 127.0.0.1:1: 502 Bad Gateway", false),
            (.sendThenClose("HTTP/1.1 504 Gateway Timeout\r\n\r\n"), "does not get to", false),
            (.send("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "is no HTTP proxy", true),
            // Nobody but the proxy can have said what stands behind it.
            (.send("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), "is no HTTP proxy", true),
            (.flood("HTTP/1.1 200 OK\r\n", with: String(repeating: "a: b\r\n", count: 500)), "is no HTTP proxy", true),
            (.close, "closed the connection without an answer", true), (.nothing, "does not answer in time", true),
            (.drip("HTTP/1.1 200 OK\r\nx: " + String(repeating: "y", count: 5_000)), "does not answer in time", true),
        ] as [(ScriptedServer.Step, String, Bool)])
    func faults(step: ScriptedServer.Step, words: String, isFault: Bool) async throws {
        // Whoever answers has all the time that a machine at work takes.
        let limit = words.hasSuffix("in time") ? TimeAmount.milliseconds(200) : .seconds(120)
        let failure = try await Self.outcome(step, within: limit).failure
        #expect(failure?.description.contains(words) == true, "\(failure as Any)")
        #expect(failure?.isFault == isFault && failure?.kind == (isFault ? "proxy" : "connect"))
    }

    @Test(
        "may part its status from what stands around it as it likes",
        arguments: [
            ("HTTP/1.1  200 Connection established", "200"), ("HTTP/1.0 200", "200"), ("http/1.1 200 ", "200"),
            ("HTTP/1.1   403  Forbidden", nil), ("HTTP/1.1", nil), ("HTTP/1.1 OK", nil),
        ] as [(String, String?)])
    func spaces(_ line: String, _ status: String?) {
        let answer = ProxyAnswer(Array("\(line)\r\n\r\n".utf8))
        #expect(answer?.isOpen == (status != nil))
        if let status { #expect(answer?.status == status) }
    }

    @Test("may say first that it is at it, which is no answer, and within bounds")
    func interim() {
        let first = "HTTP/1.1 100 Continue\r\n\r\n"
        let others = first + "http/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
        #expect(ProxyAnswer(Array(first.utf8)) == nil && ProxyAnswer(Array("\(others)HTTP/1.1 200".utf8)) == nil)
        #expect(ProxyAnswer(Array("\(others)HTTP/1.1 200 OK\r\n\r\n".utf8))?.isOpen == true)
        #expect(ProxyAnswer(Array("\(others)HTTP/1.1 200 OK\r\n\r\nx".utf8))?.isOpen == false)
        let refused = ProxyAnswer(Array("\(others)HTTP/1.1 407 No\r\n\r\n".utf8))
        #expect(refused?.isOpen == false && refused?.status == "407 No")
        let endless = ProxyAnswer(Array(String(repeating: first, count: 1_000).utf8))
        #expect(endless?.isOpen == false && endless?.status == nil)
    }

    @Test("that is not there is nobody's fault either")
    func away() async throws {
        let way = try Self.proxy(1)
        let client = try await Client("http://127.0.0.1:1/") { $0.proxy = way }
        let failure = try await client.send().failure
        #expect(
            failure?.description.hasPrefix("proxy: DELIVERY_PROXY: 127.0.0.1:1 refused") == true, "\(failure as Any)")
        #expect(failure?.isFault == true)
        try await client.close()
    }

    @Test("is asked for the next address of a receiver where it does not get to the first")
    func next() async throws {
        let proxy = try await ConnectProxy.start()
        let server = try await ScriptedServer.start([.send(ConnectionPoolTests.ok)])
        let way = try Self.proxy(proxy.port)
        let client = try await Client("http://receiver.example:\(server.port)/") {
            $0.proxy = way
            $0.resolver = Resolver(
                threads: .singleton,
                lookUp: { _ in
                    .success(["127.0.0.2", "127.0.0.1"].compactMap { try? SocketAddress(ipAddress: $0, port: 0) })
                })
        }
        #expect(try await client.send().status == 200)
        #expect(proxy.targets == ["127.0.0.2:\(server.port)", "127.0.0.1:\(server.port)"])
        try await client.close()
        try await server.stop()
        try await proxy.stop()
    }

    @Test(
        "is left out for hosts and those below them, at a port, and for networks",
        arguments: [
            ("example.com", "example.com", "1.2.3.4", false), (".example.com", "a.b.example.com", "1.2.3.4", false),
            ("*.example.com", "a.example.com", "1.2.3.4", false), ("example.com", "badexample.com", "1.2.3.4", true),
            ("EXAMPLE.com:443", "example.com", "1.2.3.4", false), ("example.com:80", "example.com", "1.2.3.4", true),
            ("10.0.0.0/8", "a", "10.1.2.3", false), ("10.0.0.0/8", "a", "10.1.2.3 1.2.3.4", true),
            ("1.2.3.4", "a", "1.2.3.4", false), ("", "a", "1.2.3.4", true), (" , *", "a", "1.2.3.4", false),
            ("::1", "a", "::1", false),
        ])
    func exceptions(exceptions: String, host: String, addresses: String, isProxied: Bool) throws {
        let proxy = try Self.proxy(3_128, but: exceptions)
        let found = addresses.split(separator: " ").compactMap { IPAddress($0) }
        #expect(proxy.leads(toHost: host, port: 443, at: found) == isProxied)
    }

    @Test("is refused where it is no url of one, and shows its password to nobody")
    func urls() throws {
        for url in ["", "proxy:3128", "https://proxy", "http://proxy/path", "http://me@proxy", "http://a:%zz@proxy"] {
            let error = #expect(throws: ForwardProxy.Refusal.self, "\(url)") {
                try ForwardProxy(Secret(url), exceptions: "", target: .name)
            }
            #expect(error?.isOfExceptions == false)
        }
        let wrong = #expect(throws: ForwardProxy.Refusal.self) { try Self.proxy(1, but: "a b") }
        #expect(wrong?.isOfExceptions == true)
        let proxy = try Self.proxy(1, "me:s3cret@")
        #expect(!"\(proxy)".contains("s3cret") && proxy.authorization == "Basic bWU6czNjcmV0")
    }
}
