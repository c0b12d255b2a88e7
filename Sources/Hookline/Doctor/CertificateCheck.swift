internal import Domain
internal import LocalServices
internal import MQTT
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Values

/// The certificates of the settings' files, and the one that the broker shows.
struct CertificateCheck: Sendable {
    private struct File: Sendable {
        let setting: String
        let path: String
        let needsAll: Bool
    }

    private let files: [File]
    private let brokers: [BrokerAddress]
    /// nil if the broker is spoken to without TLS.
    private let authorities: String?

    /// Of a file; the system's own bundles have some 150.
    private static let most = 1_000
    private static let patience: TimeAmount = .seconds(5)

    /// - Throws: ``InvalidSetting``.
    init(_ configuration: ServiceConfiguration, _ settings: SettingsReader) throws {
        let mqtt = configuration.mqtt
        // By their names, so that none is forgotten: authorities, and certificates that are shown.
        self.files = try Setting.all.compactMap { setting in
            let needsAll = setting.key.hasSuffix(".tls_cert_file")
            guard needsAll || setting.key.hasSuffix(".tls_ca_file"), let path = try settings.string(setting.key) else {
                return nil
            }
            return File(setting: setting.variable, path: path, needsAll: needsAll)
        }
        self.brokers = mqtt.brokers
        self.authorities = mqtt.tlsCAFile
    }

    func run() async -> [InstallationFinding] {
        let now = WallClock.system.now
        var findings: [InstallationFinding] = []
        for file in self.files {
            let place = "\(file.setting) (\(file.path))"
            do throws(InvalidField) {
                findings.append(
                    CertificateReading(place, try Self.read(file.path), needsAll: file.needsAll).finding(at: now))
            } catch {
                findings.append(.init(.fail, "certificates", "\(place) \(error.reason)", hint: "name a PEM file"))
            }
        }
        guard let authorities else { return findings }
        for broker in self.brokers {
            let place = "the broker at \(broker)"
            do {
                let shown = try await Self.shown(by: broker)
                let chain = ShownChain(
                    place, host: broker.host, chain: shown.chain, names: shown.names,
                    authorities: try Self.read(authorities))
                findings += chain.findings(at: now)
            } catch {
                findings.append(
                    .init(
                        .warn, "certificates", "\(place) shows none: \(error)",
                        hint: "see whether MQTT_PORT is that of its listener for TLS"))
            }
        }
        return findings
    }

    private static func read(_ path: String) throws(InvalidField) -> [Certificate] {
        guard let text = Files.read(path) else { throw InvalidField("file", "cannot be read") }
        return try Certificate.list(text, most: Self.most, field: "file").certificates
    }

    /// What a server shows, whether it can be trusted or not; the connection ends with it.
    private static func shown(by broker: BrokerAddress) async throws -> (chain: [Certificate], names: [String]) {
        let context = try NIOSSLContext(configuration: .makeClientConfiguration())
        let group = MultiThreadedEventLoopGroup.singletonMultiThreadedEventLoopGroup
        let loop = group.next()
        let found = loop.makePromise(of: [NIOSSLCertificate].self)
        // It may have been told already; a promise takes the first.
        let timer = loop.scheduleTask(in: Self.patience) { found.fail(ChannelError.connectTimeout(Self.patience)) }
        defer { timer.cancel() }
        let name = IPAddress(broker.host) == nil ? broker.host : nil
        let connecting = ClientBootstrap(group: loop).connectTimeout(Self.patience).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let handler = try NIOSSLClientHandler(context: context, serverHostname: name) { chain, verdict in
                    found.succeed(chain)
                    verdict.succeed(NIOSSLVerificationResult.failed)
                }
                try channel.pipeline.syncOperations.addHandler(handler)
                channel.closeFuture.whenComplete { _ in found.fail(ChannelError.eof) }
            }
        }.connect(host: broker.host, port: broker.port)
        connecting.whenFailure { found.fail($0) }
        let chain = try await found.futureResult.get()
        connecting.whenSuccess { channel in channel.close(mode: .all, promise: nil) }
        return (
            try chain.compactMap { Certificate(der: try $0.toDERBytes()) }, chain.first.map(Self.names) ?? []
        )
    }

    private static func names(of certificate: NIOSSLCertificate) -> [String] {
        certificate._subjectAlternativeNames().compactMap { name in
            let bytes = Array(name.contents)
            switch (name.nameType, bytes.count) {
            case (.dnsName, _): return Certificate.printable(bytes)
            case (.ipAddress, 4): return bytes.map { "\($0)" }.joined(separator: ".")
            case (.ipAddress, 16):
                return stride(from: 0, to: 16, by: 2)
                    .map { String(Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]), radix: 16) }.joined(separator: ":")
            default: return nil
            }
        }
    }
}
