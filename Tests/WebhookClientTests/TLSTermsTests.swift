import Domain
import LocalServices
import NIOCore
import NIOPosix
import NIOSSL
import Testing

@testable import WebhookClient

@Suite("Terms of TLS")
struct TLSTermsTests {
    /// An authority, and what it has issued for `localhost` and for clients.
    private struct Issued {
        let folder: String
        let authority: String
        let server: (String, String)

        init() async throws {
            self.folder = try Files.makeTemporaryFolder()
            self.authority = try await Certificates.authority(in: self.folder)
            self.server = try await Certificates.issue(for: "localhost", days: 2, in: self.folder)
        }

        func client(_ name: String) async throws -> ClientCertificate {
            let (certificate, key) = try await Certificates.issue(for: name, days: 2, in: self.folder)
            return ClientCertificate(chain: Files.read(certificate) ?? "", privateKey: Files.read(key) ?? "")
        }

        var pem: String { Files.read(self.authority) ?? "" }
        var roots: [NIOSSLCertificate] {
            get throws { try NIOSSLCertificate.fromPEMFile(self.authority) }
        }

        func context(needingClients: Bool, to newest: TLSVersion? = nil) throws -> NIOSSLContext {
            try Certificates.serverContext(
                self.server.0, self.server.1, clients: needingClients ? self.authority : nil, to: newest)
        }
    }

    private static func text(_ outcome: Outcome) -> String {
        switch outcome {
        case .response(let status, let body, _): "\(status) \(String(decoding: body, as: UTF8.self))"
        case .failure(let failure): failure.description
        }
    }

    private static func webhooks(_ contexts: TLSContexts) async throws -> Webhooks {
        try await Webhooks.start(allowing: ["127.0.0.0/8", "::1/128"]) {
            $0.tls = contexts.usual
            $0.contexts = contexts
        }
    }

    @Test("of two groups at one receiver are never mixed: each is shown as who it is, and connections are its own")
    func identities() async throws {
        let issued = try await Issued()
        let server = try await PeerServer.start(try issued.context(needingClients: true))
        let webhooks = try await Self.webhooks(try TLSContexts(additionalRoots: issued.roots))
        let (first, second) = (EntityID.random(), EntityID.random())
        let one = TLSTerms(client: try await issued.client("one.example"))
        let other = TLSTerms(client: try await issued.client("other.example"))
        // Long after an answer, when a connection would be anybody's.
        let later = { NIODeadline.now() + .seconds(2) }
        let asOne = Self.text(try await webhooks.sendSecured(by: 1, of: first, port: server.port, on: one))
        let asOther = Self.text(
            try await webhooks.sendSecured(by: 2, of: second, port: server.port, on: other, at: later()))
        #expect(asOne.hasPrefix("200 ") && asOther.hasPrefix("200 ") && asOne != asOther)
        #expect(server.connections == 2)
        // The same terms, wherever they come from, do share.
        let same = TLSTerms(client: one.client)
        #expect(
            Self.text(try await webhooks.sendSecured(by: 3, of: second, port: server.port, on: same, at: later()))
                == asOne)
        #expect(server.connections == 2)
        // Without any it is refused in words, though there are open connections to it.
        let nobody = Self.text(
            try await webhooks.sendSecured(by: 4, of: first, port: server.port, on: nil, at: later()))
        #expect(nobody.hasPrefix("tls: the receiver wants a client certificate"), "\(nobody)")
        #expect(server.connections == 3)
        try await webhooks.close()
        try await server.stop()
    }

    @Test("have authorities that nobody else trusts")
    func authorities() async throws {
        let issued = try await Issued()
        let server = try await PeerServer.start(try issued.context(needingClients: false))
        let webhooks = try await Self.webhooks(try TLSContexts())
        let trusting = TLSTerms(client: nil, authorities: issued.pem)
        let first = Self.text(try await webhooks.sendSecured(by: 1, port: server.port, on: trusting))
        #expect(first == "200 nobody")
        let later = NIODeadline.now() + .seconds(2)
        let second = Self.text(try await webhooks.sendSecured(by: 2, port: server.port, on: nil, at: later))
        #expect(second.contains("unknown authority"), "\(second)")
        try await webhooks.close()
        try await server.stop()
    }

    @Test("name the oldest version of TLS, which never becomes older than everybody's")
    func minimum() async throws {
        let issued = try await Issued()
        let server = try await PeerServer.start(try issued.context(needingClients: false, to: .tlsv12))
        for (everybody, own, isTaken) in [
            (.tlsv12, .v12, true), (.tlsv12, .v13, false), (.tlsv13, .v12, false),
        ] as [(TLSVersion, TLSMinimum, Bool)] {
            let webhooks = try await Self.webhooks(try TLSContexts(additionalRoots: issued.roots, minimum: everybody))
            let terms = TLSTerms(client: nil, minimum: own)
            let text = Self.text(try await webhooks.sendSecured(by: 1, port: server.port, on: terms))
            #expect(isTaken ? text == "200 nobody" : text.contains("no version of TLS in common"), "\(text)")
            try await webhooks.close()
        }
        try await server.stop()
    }

    @Test("with a certificate of an authority that the receiver does not know are told so")
    func stranger() async throws {
        let (issued, elsewhere) = (try await Issued(), try await Issued())
        let server = try await PeerServer.start(try issued.context(needingClients: true))
        let webhooks = try await Self.webhooks(try TLSContexts(additionalRoots: issued.roots))
        let terms = TLSTerms(client: try await elsewhere.client("one.example"))
        let text = Self.text(try await webhooks.sendSecured(by: 1, port: server.port, on: terms))
        #expect(text.hasPrefix("tls: the receiver") && text.contains("client certificate"), "\(text)")
        #expect(!text.contains("may want") && !text.contains("there is none"), "\(text)")
        // What cannot be used, as a newer version may have saved it, says so and nothing of the key.
        let broken = TLSTerms(client: ClientCertificate(chain: terms.client?.chain ?? "", privateKey: "s3cret"))
        let unusable = Self.text(try await webhooks.sendSecured(by: 2, port: server.port, on: broken))
        #expect(unusable.contains("cannot be used; save them anew") && !unusable.contains("s3cret"), "\(unusable)")
        try await webhooks.close()
        try await server.stop()
    }

    @Test("have their contexts made once for all who wait, and no more of them are kept than there may be")
    func contexts() async throws {
        let issued = try await Issued()
        let contexts = try TLSContexts(most: 2)
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let terms = [
            TLSTerms(client: nil, minimum: .v12), TLSTerms(client: nil, minimum: .v13),
            TLSTerms(client: nil, authorities: issued.pem),
        ]
        let asked = (0..<50).map { _ in contexts.context(for: terms[0], on: loop) }
        let made = try await EventLoopFuture.whenAllSucceed(asked, on: loop).get()
        #expect(made.allSatisfy { $0 === made[0] } && contexts.made == 1)
        _ = try await contexts.context(for: terms[1], on: loop).get()
        // The first was used last, so it is the second that goes.
        _ = try await contexts.context(for: terms[0], on: loop).get()
        _ = try await contexts.context(for: terms[2], on: loop).get()
        #expect(contexts.count == 2 && contexts.made == 3)
        _ = try await contexts.context(for: terms[0], on: loop).get()
        #expect(contexts.made == 3)
        _ = try await contexts.context(for: terms[1], on: loop).get()
        #expect(contexts.made == 4)
    }
}
