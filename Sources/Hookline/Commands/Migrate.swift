internal import ArgumentParser
internal import Postgres
internal import Schema

struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring the database's schema up to date.",
        discussion: "Needs POSTGRES_URL alone. `serve` does the same when it starts.")

    @Flag(help: "Only say what would be applied.")
    var dryRun = false

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        let reader = try await SettingsReader(arguments: self.settings.arguments)
        let connected = try CommandDatabase(reader, of: "migrate")
        defer { connected.close() }
        let database = connected.database
        let bar = ProgressBar()
        let names =
            self.dryRun
            ? try await database.pendingMigrations()
            : try await bar.ticking {
                do {
                    try await connected.requireSessions()
                    return try await database.migrate { bar.show("applying \($0)", Int64($1), of: Int64($2)) }
                } catch let error as PostgresError {
                    throw Assembly.refusal(error) ?? error
                }
            }
        if names.isEmpty { print("The schema is current.") }
        for name in names { print(self.dryRun ? "would apply \(name)" : "applied \(name)") }
    }
}
