internal import ArgumentParser
internal import NIOCore

struct CheckConfig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check the settings and show each with where it comes from, secrets hidden.",
        discussion: Setting.table)

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        let reader = try await SettingsReader(arguments: self.settings.arguments)
        let configuration = try ServiceConfiguration(reader, cores: System.coreCount)
        _ = try await configuration.auth.read()
        let lines = try Setting.all.map { setting in
            let found = try reader.find(setting.key)
            let shown = found.map { setting.isSecret ? "(set, hidden)" : $0.value } ?? setting.fallback
            return (text: "\(setting.variable)=\(shown)", origin: found?.origin ?? "default")
        }
        // What is set stands out from what is not; very long values do not push everything aside.
        let width = min(60, lines.map(\.text.count).max() ?? 0)
        for (text, origin) in lines {
            print("\(text)\(String(repeating: " ", count: max(1, width - text.count + 1)))# \(origin)")
        }
        print("The configuration is valid.")
    }
}
