import Glibc
import LocalServices
import NIOCore
import NIOSSL
import Testing

@testable import WebhookClient

@Suite("What went wrong is said in words")
struct FailureWordsTests {
    /// What is no business of a webhook's owner.
    private func isPlain(_ text: String) -> Bool {
        let insides = [
            "NIO", "errno", "descriptor:", "OPENSSL", "SSL routines", ".cc", ".swift", "/home", "BoringSSL", "Error(",
            "[IPv",
        ]
        return !insides.contains { text.contains($0) } && text.count < 400
    }

    @Test(
        "of connecting, with what would help",
        arguments: [
            (ECONNREFUSED, "refused"), (EHOSTUNREACH, "no route"), (ENETUNREACH, "no route"), (ECONNRESET, "reset"),
            (ETIMEDOUT, "does not answer"), (EACCES, "firewall"), (EMFILE, "descriptor"), (EADDRNOTAVAIL, "no port"),
            (ENOMEM, "memory"), (EPROTO, "Protocol error"),
        ])
    func connecting(_ code: Int32, _ word: String) throws {
        let error = IOError(errnoCode: code, reason: "connect(descriptor:addr:size:)")
        let address = FailureWords.address(try SocketAddress(ipAddress: "192.0.2.1", port: 81))
        let text = Outcome.Failure.connect(FailureWords.connecting(to: address, error)).description
        #expect(text.hasPrefix("connect: ") && text.contains(word) && self.isPlain(text), "\(text)")
        #expect(code == EMFILE || text.contains("192.0.2.1:81"))
        #expect(FailureWords.address(try SocketAddress(ipAddress: "2001:db8::1", port: 81)) == "[2001:db8::1]:81")
    }

    @Test(
        "of TLS, by the library's names, and without them where it has none for us",
        arguments: [
            ("WRONG_VERSION_NUMBER", "does not speak TLS"),
            ("TLSV1_ALERT_PROTOCOL_VERSION", "no version of TLS in common"),
            ("TLSV1_ALERT_CERTIFICATE_REQUIRED", "wants a client certificate"),
            ("SSLV3_ALERT_BAD_CERTIFICATE", "client certificate"),
            ("SSLV3_ALERT_HANDSHAKE_FAILURE", "client certificate"),
            ("TLSV1_ALERT_UNRECOGNIZED_NAME", "no such name"), ("NO_SHARED_CIPHER", "no cipher in common"),
            ("TLSV1_ALERT_NO_APPLICATION_PROTOCOL", "no HTTP/1.1"),
            ("NO_RENEGOTIATION", "client certificate for some paths"),
            ("TLSV1_ALERT_DECODE_ERROR", "tlsv1 alert decode error"),
        ])
    func securing(_ name: String, _ words: String) {
        let text =
            "Error: 268436572 error:1000045c:SSL routines:OPENSSL_internal:\(name) at /home/build/tls_record.cc:594"
        #expect(FailureWords.reason(in: text) == name)
        let said = FailureWords.refused(FailureWords.reason(in: text))
        #expect(said.contains(words) && self.isPlain(said), "\(said)")
    }

    @Test("of every other kind, and none of them shows what is inside")
    func others() {
        let failures: [(Outcome.Failure, String)] = [
            (.forbiddenAddress("10.0.0.1"), "DELIVERY_ALLOWED_NETWORKS"),
            (.forbiddenAddress("10.0.0.1"), "allowed_networks"),
            (.timeout(.connect), "firewall"), (.timeout(.handshake), "TLS handshake"),
            (.timeout(.firstByte), "begin to answer"), (.timeout(.whole), "headers"),
            (.closed, "closed the connection"), (.reset, "reset"),
            (.dns(FailureWords.notFound("x.example", "Name or service not known")), "no host x.example"),
            (.nameServer(FailureWords.notLookedUp("x.example", "it is away")), "x.example could not be looked up"),
            (.invalidResponse(ResponseParser.Malformed.head.rawValue), "not HTTP/1.1"),
        ]
        for (failure, words) in failures {
            #expect(failure.description.hasPrefix(failure.kind + ": "))
            #expect(failure.description.contains(words) && self.isPlain(failure.description), "\(failure)")
        }
    }

    @Test("of receivers that are not there, or must not be reached")
    func receivers() async throws {
        let refused = try await Client("http://127.0.0.1:1/")
        let text = try await refused.send().failure?.description ?? ""
        #expect(text == "connect: 127.0.0.1:1 refused the connection: nothing listens there, or a firewall forbids it")
        let inside = try await Client("http://127.0.0.1:1/", allowing: [])
        #expect(try await inside.send().failure?.description.contains("DELIVERY_ALLOWED_NETWORKS") == true)
        for client in [refused, inside] { try await client.close() }
    }

    /// What a receiver with this certificate comes to.
    private func outcome(
        _ certificate: (String, String), trusting authority: String?, clients: String? = nil
    ) async throws -> Outcome {
        let server = try await ScriptedServer.start(
            [.send(ConnectionPoolTests.ok)],
            tls: try Certificates.serverContext(certificate.0, certificate.1, clients: clients))
        let roots = try authority.map { try NIOSSLCertificate.fromPEMFile($0) } ?? []
        let client = try await Client("https://localhost:\(server.port)/") {
            $0.tls = try? ClientConfiguration.makeTLSContext(additionalRoots: roots)
        }
        let outcome = try await client.send()
        try await client.close()
        try await server.stop()
        return outcome
    }

    @Test("of receivers whose certificates are not as they should be")
    func certificates() async throws {
        let folder = try Files.makeTemporaryFolder()
        let authority = try await Certificates.authority(in: folder)
        let good = try await Certificates.issue(for: "localhost", days: 2, in: folder)
        let through = try await Certificates.issue(for: "localhost", through: true, in: folder)
        #expect(try await self.outcome(good, trusting: authority).status == 200)
        let both = try await Certificates.issue(
            for: "localhost", days: 2, usage: "clientAuth,serverAuth", in: folder)
        #expect(try await self.outcome(both, trusting: nil).failure?.description.contains("unknown authority") == true)
        let cases: [(certificate: (String, String), trusted: String?, clients: String?, words: [String])] = [
            (
                try await Certificates.issue(for: "elsewhere.example", days: 2, in: folder), authority, nil,
                ["is for elsewhere.example", "not for localhost"]
            ),
            (
                try await Certificates.issue(for: "localhost", days: -1, in: folder), authority, nil,
                ["has expired, on 20"]
            ),
            (
                try await Certificates.issue(for: "localhost", from: "20970203000000Z", through: false, in: folder),
                authority, nil, ["not yet valid, before 2097-02-03"]
            ),
            (good, nil, nil, ["'Test CA'", "unknown authority"]),
            (
                try await Certificates.issue(for: "localhost", days: 2, usage: "clientAuth", in: folder), authority,
                nil,
                ["not made for servers", "serverAuth"]
            ),
            (try await Certificates.selfSigned(for: "localhost", in: folder), authority, nil, ["self-signed"]),
            (through, authority, nil, ["'Test CA in between'", "intermediate certificate"]),
            (good, authority, authority, ["client certificate"]),
        ]
        for (certificate, trusted, clients, words) in cases {
            let outcome = try await self.outcome(certificate, trusting: trusted, clients: clients)
            let text = outcome.failure?.description ?? "\(outcome)"
            #expect(text.hasPrefix("tls: ") && words.allSatisfy { text.contains($0) } && self.isPlain(text), "\(text)")
        }
    }

    @Test("of a certificate that makes no sense nothing is said that it does not say")
    func nonsense() {
        let now: Int64 = 1_800_000_000
        var certificate = ShownCertificate(validFrom: 0, validUntil: now + 1)
        let failed = BoringSSLError.sslError([.eofDuringHandshake])
        #expect(FailureWords.securing(failed, certificate: nil, host: "x", now: now).contains("closed the connection"))
        #expect(
            FailureWords.securing(
                NIOSSLExtraError.failedToValidateHostname, certificate: certificate, host: "x", now: now)
                == "the certificate names no host, and so not x")
        certificate.names = ["a", "b", "c", "d"]
        #expect(
            FailureWords.securing(
                NIOSSLExtraError.failedToValidateHostname, certificate: certificate, host: "x", now: now)
                == "the certificate is for a, b, c, and not for x")
    }
}
