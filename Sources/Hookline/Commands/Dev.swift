internal import API
internal import ArgumentParser
internal import LocalServices
internal import Logging
internal import NIOCore
internal import UnixSignals

struct Dev: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Try it out: run everything on this machine, with a demo thing.",
        discussion: """
            Starts a private PostgreSQL and a private mosquitto on loopback, with their files below .hookline/, makes a \
            demo group, profile and thing, prints what to type next, and serves. Ctrl-C ends all of it; the data stays \
            for the next time. A receiver that prints what arrives is included.
            """)

    @Option(help: "Where the files are kept.")
    var folder = ".hookline"

    @Option(help: "Port of the receiver that prints what arrives.")
    var receiverPort: Int?

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        let folder = self.folder.hasPrefix("/") ? self.folder : "\(Files.currentFolder)/\(self.folder)"
        let environment = try await DevEnvironment.start(in: folder)
        do {
            try await self.serve(environment)
        } catch {
            await environment.stop()
            throw error
        }
        await environment.stop()
    }

    private func serve(_ environment: DevEnvironment) async throws {
        var overrides = [
            "POSTGRES_URL": environment.postgresURL,
            "MQTT_HOST": "127.0.0.1",
            "MQTT_PORT": "\(environment.mqttPort)",
            "AUTH_JWT_SECRET": environment.jwtSecret,
        ]
        let reader = try await SettingsReader(arguments: self.settings.arguments)
        if try reader.string("delivery.allowed_networks") == nil {
            overrides["DELIVERY_ALLOWED_NETWORKS"] = "127.0.0.0/8,::1/128"
        }
        if try reader.secret("secrets.key") == nil { overrides["SECRETS_KEY"] = environment.secretsKey }
        if try reader.string("log.format") == nil { overrides["LOG_FORMAT"] = "text" }
        // Kept until the end: nobody listens there before the database is migrated, and another `dev` may look for its own meanwhile.
        let httpPort = try reader.string("http.port") == nil ? try ReservedPort.preferring(9_021) : nil
        if let httpPort { overrides["HTTP_PORT"] = "\(httpPort.number)" }
        let receiverPort = try self.receiverPort.map(ReservedPort.init(given:)) ?? .preferring(9_022)
        defer { withExtendedLifetime((httpPort, receiverPort)) {} }
        Descriptors.raise()
        var configuration = try ServiceConfiguration(
            try await SettingsReader(arguments: self.settings.arguments, overrides: overrides), cores: System.coreCount)
        // There is one way to its database.
        configuration.postgresData = nil
        let logger = configuration.log.makeLogger()
        let demo = try await DemoData.prepare(
            configuration.postgres, box: configuration.secrets, logger: logger)
        let token = try Token.make(user: DemoData.user, isRoot: true, lifetime: .seconds(30 * 86_400))
            .signed(with: environment.jwtSecret)
        let folder = environment.folder
        var assembly = Assembly(configuration: configuration, logger: logger)
        // It goes with its terminal, and takes its database and its broker along; not where `nohup` says that it is to stay.
        if !HangUps.areIgnored { assembly.endSignals.append(.sighup) }
        assembly.onAbandoned = { environment.abandon() }
        assembly.onReady = { port in
            let guide = DevGuide(
                program: CommandLine.arguments[0], port: port, postgresURL: environment.postgresURL,
                mqttPort: environment.mqttPort, receiverPort: receiverPort.number, token: token, demo: demo)
            printNow(guide.text)
            do {
                try Files.write(guide.variables, to: "\(folder)/env", mode: 0o600)
            } catch {
                logger.warning("the guide's variables are not saved", metadata: ["error": "\(error)"])
            }
        }
        try await assembly.run(companions: [makeReceiver(port: receiverPort.number, logger: logger)])
    }
}
