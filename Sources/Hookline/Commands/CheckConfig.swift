internal import ArgumentParser
internal import NIOCore

struct CheckConfig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the settings and show them, secrets hidden.", discussion: Setting.table)

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        let reader = try await SettingsReader(arguments: self.settings.arguments)
        let configuration = try ServiceConfiguration(reader, cores: System.coreCount)
        _ = try await configuration.auth.makeKeys()
        for setting in Setting.all {
            let value = try reader.string(setting.key)
            let shown = value.map { setting.isSecret ? "(set, hidden)" : $0 } ?? "(default: \(setting.fallback))"
            print("\(setting.variable)=\(shown)")
        }
        print("The configuration is valid.")
    }
}
