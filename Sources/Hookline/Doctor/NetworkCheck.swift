internal import API
internal import Domain
internal import Logging
internal import Mail
internal import NIOCore
internal import NIOPosix
internal import WebhookClient

/// Whether the port is free, or an instance's that is well.
struct PortCheck: Sendable {
    private let host: String
    private let port: Int
    /// nil if any port will do.
    private let instance: InstanceAddress?

    private static let patience: Duration = .seconds(5)

    init(_ configuration: ServiceConfiguration, _ instance: InstanceAddress?) {
        self.host = configuration.api.host
        self.port = configuration.api.port
        self.instance = instance
    }

    func run() async -> [InstallationFinding] {
        guard let instance else { return [.init(.ok, "http", "HTTP_PORT is 0: any free port")] }
        do {
            let answer = try await Self.answer(of: instance)
            guard answer.body.contains("\"checks\"") else {
                return [
                    .init(
                        .fail, "http", "\(instance) is another program's, which answers \(answer.status)",
                        hint: "name another HTTP_PORT, or end that program")
                ]
            }
            return answer.status == 200
                ? [.init(.ok, "http", "an instance answers at \(instance) and is ready")]
                : [
                    .init(
                        .warn, "http", "an instance answers at \(instance) and is not ready: \(answer.body)",
                        hint: "the part that is not well is named; its log says more")
                ]
        } catch is Silence {
            return [
                .init(
                    .fail, "http",
                    "\(instance) is another program's, or an instance that hangs: it came to no end in time",
                    hint: "name another HTTP_PORT, or see who has it (ss -ltnp)")
            ]
        } catch {
            return [await self.binding(instance)]
        }
    }

    /// It listens, and does not come to an end.
    private struct Silence: Error {}

    private static func answer(of instance: InstanceAddress) async throws -> (status: Int, body: Substring) {
        try await withThrowingTaskGroup(of: (status: Int, body: Substring).self) { group in
            group.addTask { try await instance.get("/ready") }
            group.addTask {
                try await Task.sleep(for: Self.patience)
                throw Silence()
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw Silence() }
            return first
        }
    }

    private func binding(_ instance: InstanceAddress) async -> InstallationFinding {
        do {
            let channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(host: self.host, port: self.port).get()
            try await channel.close()
            return .init(.ok, "http", "\(self.host):\(self.port) is free")
        } catch {
            return .init(
                .fail, "http",
                "nobody answers HTTP at \(instance), and \(self.host):\(self.port) cannot be had: \(error)",
                hint: "name another HTTP_PORT or HTTP_HOST, or see who has it (ss -ltnp)")
        }
    }
}

/// What is beyond the database and the broker, as far as it is set.
struct NetworkCheck: Sendable {
    private let configuration: ServiceConfiguration
    private let logger = Logger(label: "hookline doctor") { _ in SwiftLogNoOpLogHandler() }

    private static let patience: TimeAmount = .seconds(5)

    init(_ configuration: ServiceConfiguration) {
        self.configuration = configuration
    }

    func run() async -> [InstallationFinding] {
        let threads = NIOThreadPool(numberOfThreads: 4)
        threads.start()
        // Not waited for: a lookup that hangs ends with the process.
        defer { threads.shutdownGracefully { _ in } }
        let client: ClientConfiguration
        do { client = try Assembly(configuration: self.configuration, logger: self.logger).makeClient(threads) } catch {
            let finding = InstallationFinding(
                .fail, "receivers", "TLS cannot be set up: \(error)", hint: "see DELIVERY_TLS_CA_FILE")
            return [finding, await self.mail()].compactMap(\.self)
        }
        defer { client.resolver.close() }
        return [await self.publicURL(client), await self.provider(client), await self.mail()].compactMap(\.self)
    }

    private func publicURL(_ client: ClientConfiguration) async -> InstallationFinding? {
        guard let text = self.configuration.api.publicURL else {
            return .init(.ok, "public url", "HTTP_PUBLIC_URL is not set: notices have no links")
        }
        let url: WebhookURL
        do throws(WebhookURL.Refusal) { url = try WebhookURL("\(text)/health") } catch {
            return .init(.fail, "public url", "HTTP_PUBLIC_URL \(error.reason)", hint: "name it as callers do")
        }
        var direct = client
        direct.proxy = nil
        // The operator's own.
        let fetch = direct.fetch(
            guardedBy: .everywhere, on: MultiThreadedEventLoopGroup.singletonMultiThreadedEventLoopGroup.next())
        switch await fetch(ProviderRequest(url: url, most: 4_096)) {
        case .answer(200, let body) where String(decoding: body, as: UTF8.self).contains("\"hookline\""):
            return .init(.ok, "public url", "\(text) leads to an instance")
        case .answer(let status, _):
            return .init(
                .warn, "public url", "\(text) leads to something that answers \(status) at /health",
                hint: "see HTTP_PUBLIC_URL, and the proxy that stands there")
        case .failure(let why):
            return .init(
                .warn, "public url", "\(text) is not reached from here: \(why)",
                hint: "no harm if an instance is not started yet, or if it is for outside alone")
        }
    }

    private func provider(_ client: ClientConfiguration) async -> InstallationFinding? {
        guard let provider = self.configuration.auth.identity.provider else { return nil }
        let fetch = client.fetch(
            guardedBy: self.configuration.auth.addressGuard,
            on: MultiThreadedEventLoopGroup.singletonMultiThreadedEventLoopGroup.next())
        if let problem = await IdentityProvider.problem(of: provider, fetch: fetch, logger: self.logger) {
            return .init(
                .fail, "provider", "\(provider.issuer): \(problem)",
                hint:
                    "see AUTH_OIDC_ISSUER and AUTH_ALLOWED_NETWORKS; tokens of the provider are not taken until it answers"
            )
        }
        return .init(.ok, "provider", "\(provider.issuer) tells its keys")
    }

    private func mail() async -> InstallationFinding? {
        guard let server = self.configuration.mail?.server else { return nil }
        let host = server.host.hasPrefix("[") ? String(server.host.dropFirst().dropLast()) : server.host
        do {
            let channel = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .connectTimeout(Self.patience).connect(host: host, port: server.port).get()
            try await channel.close()
            return .init(.ok, "mail", "\(server.host):\(server.port) can be connected to; nothing was sent")
        } catch {
            return .init(
                .fail, "mail", "\(server.host):\(server.port) cannot be connected to: \(error)",
                hint: "see SMTP_URL; notices by mail wait until it can be")
        }
    }
}
