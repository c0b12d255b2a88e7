internal import Domain
internal import NIOCore
internal import NIOPosix
package import NIOSSL
internal import Synchronization

/// What connections are secured by, for all terms that somebody has.
///
/// Making a context takes milliseconds, so it is done on threads apart, once for whoever waits for it, and those that were
/// used last are kept. What a connection was secured by stays as it was.
package final class TLSContexts: Sendable {
    /// Where nobody has terms of their own.
    package let usual: NIOSSLContext
    private let additionalRoots: [NIOSSLCertificate]
    private let minimum: TLSVersion
    private let most: Int
    /// Read once, when the first terms ask for them: they take megabytes, and of each context's own one more.
    private let systemRoots = Mutex<[NIOSSLCertificate]?>(nil)
    private let state = Mutex(State())

    private struct State {
        var ready: [TLSTerms: (context: NIOSSLContext, lastUse: UInt64)] = [:]
        var waiting: [TLSTerms: [EventLoopPromise<NIOSSLContext>]] = [:]
        var uses: UInt64 = 0
        var made = 0
    }

    /// - Parameters:
    ///   - additionalRoots: trusted beside the system's.
    ///   - minimum: the oldest version of TLS that is spoken. Those before 1.2 are deprecated (RFC 8996).
    ///   - most: how many contexts are kept beside the usual one.
    package init(
        additionalRoots: [NIOSSLCertificate] = [], minimum: TLSVersion = .tlsv12, most: Int = 256
    ) throws {
        self.additionalRoots = additionalRoots
        self.minimum = minimum
        self.most = max(1, most)
        self.usual = try ClientConfiguration.makeTLSContext(additionalRoots: additionalRoots, minimum: minimum)
    }

    /// Where distributions have them; the same places as NIOSSL knows.
    private static func readSystemRoots() -> [NIOSSLCertificate] {
        for file in ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"] {
            // The next, or else the library finds them by itself.
            if let roots = try? NIOSSLCertificate.fromPEMFile(file), !roots.isEmpty { return roots }
        }
        return []
    }

    private func knownSystemRoots() -> [NIOSSLCertificate] {
        self.systemRoots.withLock { known in
            let roots = known ?? Self.readSystemRoots()
            known = roots
            return roots
        }
    }

    /// The context for these terms; at once if it is there. It fails where they cannot be used.
    func context(for terms: TLSTerms, on eventLoop: any EventLoop) -> EventLoopFuture<NIOSSLContext> {
        let promise = eventLoop.makePromise(of: NIOSSLContext.self)
        let (context, isFirst) = self.state.withLock { state -> (NIOSSLContext?, Bool) in
            state.uses += 1
            if let context = state.ready[terms]?.context {
                state.ready[terms]?.lastUse = state.uses
                return (context, false)
            }
            state.waiting[terms, default: []].append(promise)
            return (nil, state.waiting[terms]?.count == 1)
        }
        if let context { promise.succeed(context) }
        if isFirst {
            NIOThreadPool.singleton.submit { work in
                self.finish(
                    terms, work == .active ? Result { try self.make(terms) } : .failure(ChannelError.ioOnClosedChannel))
            }
        }
        return promise.futureResult
    }

    private func finish(_ terms: TLSTerms, _ result: Result<NIOSSLContext, any Error>) {
        let waiting = self.state.withLock { state in
            if case .success(let context) = result {
                state.made += 1
                state.ready[terms] = (context, state.uses)
                if state.ready.count > self.most,
                    let oldest = state.ready.min(by: { $0.value.lastUse < $1.value.lastUse })
                {
                    state.ready[oldest.key] = nil
                }
            }
            return state.waiting.removeValue(forKey: terms) ?? []
        }
        for promise in waiting { promise.completeWith(result) }
    }

    private func make(_ terms: TLSTerms) throws -> NIOSSLContext {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = terms.minimum.map { max(self.minimum, $0.version) } ?? self.minimum
        tls.applicationProtocols = ["http/1.1"]
        let systemRoots = self.knownSystemRoots()
        if !systemRoots.isEmpty { tls.trustRoots = .certificates(systemRoots) }
        let own = try terms.authorities.map { try NIOSSLCertificate.fromPEMBytes(Array($0.utf8)) } ?? []
        if !(own + self.additionalRoots).isEmpty {
            tls.additionalTrustRoots = [.certificates(self.additionalRoots + own)]
        }
        if let client = terms.client {
            tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(client.chain.utf8))
                .map { .certificate($0) }
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(client.privateKey.utf8), format: .pem))
        }
        return try NIOSSLContext(configuration: tls)
    }

    /// For tests: how many there are beside the usual one, and how many were made.
    var count: Int { self.state.withLock { $0.ready.count } }
    var made: Int { self.state.withLock { $0.made } }
}

extension TLSMinimum {
    fileprivate var version: TLSVersion {
        switch self {
        case .v12: .tlsv12
        case .v13: .tlsv13
        }
    }
}

private func max(_ one: TLSVersion, _ other: TLSVersion) -> TLSVersion {
    let order: [TLSVersion] = [.tlsv1, .tlsv11, .tlsv12, .tlsv13]
    return order.last { $0 == one || $0 == other } ?? .tlsv13
}
