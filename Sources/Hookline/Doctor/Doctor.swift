internal import API
internal import ArgumentParser
internal import Domain
internal import NIOCore
internal import Registry

/// How a command writes what it has found.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json
}

struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check an installation with the settings of `serve`, and say what to do about what is found.",
        discussion: """
            Nothing is changed, and no secret is shown. Ends with 0 if nothing fails, warnings or not, and with 1 if something \
            does. docs/operations.md says what the lines mean.
            """)

    @Option(name: [.customShort("o"), .customLong("output")], help: "table, or json for programs.")
    var output = OutputFormat.table
    @OptionGroup var settings: SettingsArguments

    /// For each check. They are made at the same time.
    private static let patience: Duration = .seconds(20)

    typealias Check = @Sendable () async -> [InstallationFinding]

    func run() async throws {
        // As serve does, so that what is found is what it would have.
        Descriptors.raise()
        let report = InstallationReport(try await self.findings())
        print(self.output == .json ? report.json : report.table)
        if report.weight == .fail { throw ExitCode(1) }
    }

    private func findings() async throws -> [InstallationFinding] {
        let reader: SettingsReader
        let configuration: ServiceConfiguration
        do {
            reader = try await SettingsReader(arguments: self.settings.arguments)
            configuration = try ServiceConfiguration(reader, cores: System.coreCount)
            _ = try await configuration.auth.read()
        } catch let error as InvalidSetting {
            return [
                InstallationFinding(
                    .fail, "settings", "\(error)",
                    hint: "hookline check-config shows them; nothing else can be checked before they can be read")
            ]
        }
        let instance = configuration.api.port == 0 ? nil : try InstanceAddress(reader)
        let checks = [
            DatabaseCheck(configuration).run, DataCheck(configuration).run, BrokerGreeting(configuration).run,
            try CertificateCheck(configuration, reader).run,
            HostCheck(configuration).run, PortCheck(configuration, instance).run,
            NetworkCheck(configuration).run,
        ]
        return [.init(.ok, "settings", "valid"), Self.secrets(configuration)] + (await Self.carryOut(checks))
    }

    private static func secrets(_ configuration: ServiceConfiguration) -> InstallationFinding {
        configuration.secrets.keyID == nil
            ? .init(
                .warn, "secrets", "SECRETS_KEY is not set: header values and signing keys are stored unencrypted",
                hint: "set it to what openssl rand -base64 32 prints, and keep it apart from the database's backups")
            : .init(.ok, "secrets", "SECRETS_KEY is set")
    }

    /// Makes all checks at the same time, and answers in their order.
    private static func carryOut(_ checks: [Check]) async -> [InstallationFinding] {
        await withTaskGroup(of: (Int, [InstallationFinding]).self) { group in
            for (index, check) in checks.enumerated() {
                group.addTask { (index, await Self.bounded(check)) }
            }
            var found = [[InstallationFinding]](repeating: [], count: checks.count)
            for await (index, findings) in group { found[index] = findings }
            return found.flatMap(\.self)
        }
    }

    /// Each part of a check has its own bound; this is for what they come to together.
    private static func bounded(_ check: @escaping Check) async -> [InstallationFinding] {
        await withTaskGroup(of: [InstallationFinding]?.self) { group in
            group.addTask { await check() }
            group.addTask {
                do { try await Task.sleep(for: Self.patience) } catch { return nil }
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            if let first { return first }
            // Cancelled, it says how far it came.
            for await rest in group { if let rest { return rest } }
            return []
        }
    }
}
