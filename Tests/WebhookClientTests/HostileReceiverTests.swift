import Domain
import LocalServices
import NIOCore
import NIOPosix
import NIOSSL
import TestSupport
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

    @Test("that sends a gzip bomb finds it kept as it came, never unpacked")
    func gzip() async throws {
        let bomb = String(repeating: "\u{1}", count: 3_000)
        let outcome = try await self.outcome([
            .send("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3000\r\n\r\n\(bomb)")
        ])
        #expect(outcome.status == 200)
        #expect(self.body(outcome) == Array(bomb.utf8))
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
            "\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 999 X\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
        ])
    func invalid(_ answer: String) async throws {
        let outcome = try await self.outcome([.send(answer)]) { $0.totalTimeout = .seconds(2) }
        // A status that was read stands, whatever the body turns out to be.
        #expect(outcome.failure?.kind == "response", "\(outcome)")
    }

    @Test("that closes in the middle of a head has not answered, in the middle of a body has")
    func closes() async throws {
        #expect(try await self.outcome([.sendThenClose("HTTP/1.1 200")]).failure == .closed)
        #expect(
            try await self.outcome([.sendThenClose("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")]).status == 200)
    }

    @Test("with a certificate for another name, an expired one or one of an unknown CA is refused as tls")
    func certificates() async throws {
        let folder = try Files.makeTemporaryFolder()
        let authority = try await Certificates.authority(in: folder)
        for (name, days, trusted, status) in [
            ("localhost", 2, true, 200), ("elsewhere.example", 2, true, nil), ("localhost", -1, true, nil),
            ("localhost", 2, false, nil),
        ] as [(String, Int, Bool, Int?)] {
            let (certificate, key) = try await Certificates.issue(for: name, days: days, in: folder)
            let server = try await ScriptedServer.start(
                [.send(ConnectionPoolTests.ok)], tls: try Certificates.serverContext(certificate, key))
            let roots = trusted ? try NIOSSLCertificate.fromPEMFile(authority) : []
            let client = try await Client("https://localhost:\(server.port)/") {
                $0.tls = try? ClientConfiguration.makeTLSContext(additionalRoots: roots)
            }
            let outcome = try await client.send()
            #expect(outcome.status == status, "\(name), \(days) days, trusted: \(trusted)")
            if status == nil { #expect(outcome.failure?.kind == "tls", "\(outcome)") }
            try await client.close()
            try await server.stop()
        }
    }
}

extension HostileReceiverTests {
    @Test("that speaks nothing newer than TLS 1.1 is refused as tls, unless that is allowed")
    func oldTLS() async throws {
        let folder = try Files.makeTemporaryFolder()
        let authority = try await Certificates.authority(in: folder)
        let (certificate, key) = try await Certificates.issue(for: "localhost", days: 2, in: folder)
        let roots = try NIOSSLCertificate.fromPEMFile(authority)
        for (newest, minimum, status) in [
            (.tlsv11, nil, nil), (.tlsv12, nil, 200), (.tlsv11, .tlsv1, 200), (.tlsv12, .tlsv13, nil),
        ] as [(TLSVersion, TLSVersion?, Int?)] {
            let server = try await ScriptedServer.start(
                [.send(ConnectionPoolTests.ok)],
                tls: try Certificates.serverContext(certificate, key, from: .tlsv1, to: newest))
            let client = try await Client("https://localhost:\(server.port)/") { configuration in
                configuration.tls =
                    if let minimum {
                        try? ClientConfiguration.makeTLSContext(additionalRoots: roots, minimum: minimum)
                    } else { try? ClientConfiguration.makeTLSContext(additionalRoots: roots) }
            }
            let outcome = try await client.send()
            #expect(outcome.status == status, "\(newest), \(String(describing: minimum)): \(outcome)")
            if status == nil { #expect(outcome.failure?.kind == "tls", "\(outcome)") }
            try await client.close()
            try await server.stop()
        }
    }
}

/// Certificates made with `openssl`, as PEM files.
private enum Certificates {
    static func authority(in folder: String) async throws -> String {
        try await ChildProcess.complete(
            "openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=Test CA", "-keyout", "\(folder)/ca.key", "-out", "\(folder)/ca.pem",
            ])
        return "\(folder)/ca.pem"
    }

    /// - Parameter days: negative for one that has expired.
    static func issue(for name: String, days: Int, in folder: String) async throws -> (String, String) {
        let base = "\(folder)/\(name)\(days)"
        try await ChildProcess.complete(
            "openssl",
            [
                "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=\(name)",
                "-addext", "subjectAltName=DNS:\(name)", "-keyout", "\(base).key", "-out", "\(base).csr",
            ])
        try await ChildProcess.complete(
            "openssl",
            [
                "x509", "-req", "-in", "\(base).csr", "-CA", "\(folder)/ca.pem", "-CAkey", "\(folder)/ca.key",
                "-CAcreateserial", "-copy_extensions", "copy", "-days", "\(days)", "-out", "\(base).pem",
            ])
        return ("\(base).pem", "\(base).key")
    }

    static func serverContext(
        _ certificate: String, _ key: String, from oldest: TLSVersion = .tlsv12, to newest: TLSVersion? = nil
    ) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
        configuration.minimumTLSVersion = oldest
        configuration.maximumTLSVersion = newest
        return try NIOSSLContext(configuration: configuration)
    }
}
