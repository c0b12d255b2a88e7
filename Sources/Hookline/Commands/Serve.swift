internal import ArgumentParser
internal import Domain
internal import Logging
internal import NIOCore

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the service until SIGTERM.", discussion: Setting.table)

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        Descriptors.raise()
        try Descriptors.current.require()
        let reader = try await SettingsReader(arguments: self.settings.arguments)
        let configuration = try ServiceConfiguration(reader, cores: System.coreCount)
        let logger = configuration.log.makeLogger()
        let hangUps = await HangUps(logger: logger)
        logger.info("starting", metadata: ["version": "\(Release.version)"])
        var assembly = Assembly(configuration: configuration, logger: logger)
        assembly.onReady = { port in logger.info("ready", metadata: ["port": "\(port)"]) }
        try await assembly.run(companions: [hangUps])
    }
}
