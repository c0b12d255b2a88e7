import LocalServices
import NIOSSL
import Testing

@testable import WebhookClient

@Suite("A version of TLS")
struct TLSVersionTests {
    @Test("that a receiver speaks is refused below 1.2, unless it is allowed")
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
