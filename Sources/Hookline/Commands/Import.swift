internal import ArgumentParser
internal import Logging
internal import Mainflux
internal import Observability
internal import Postgres
internal import Registry
internal import Schema

struct Import: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Take things over from another system.", subcommands: [FromMainflux.self])
}

struct FromMainflux: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mainflux",
        abstract: "Take groups, members, profiles, things and webhooks over from Mainflux.",
        discussion: """
            The databases of Mainflux are only read. Ids and keys stay as they are. First everything is looked at; if \
            something cannot be taken over as it is, that is listed, nothing is changed, and the command ends with 1. What \
            is here already stays as it is, so the command can be run again at any time. Needs POSTGRES_URL and, to keep \
            the keys of things for the broker's accounts, SECRETS_KEY. See docs/mainflux.md.
            """)

    @Argument(help: "libpq connection string or URI of the database of Mainflux' things service.")
    var conninfo: String

    @Option(
        help: ArgumentHelp(
            "The same of its webhooks service; without it no webhooks are taken over.", valueName: "conninfo"))
    var webhooks: String?

    @Flag(help: "Only look, and say what would be done.")
    var dryRun = false

    @Flag(help: "Take the rest over if something cannot be.")
    var skipInvalid = false

    @OptionGroup var settings: SettingsArguments

    func run() async throws {
        let reader = try await SettingsReader(arguments: self.settings.arguments)
        let logger = try LogConfiguration(reader).makeLogger()
        let box = try ServiceConfiguration.secrets(reader)
        if box.keyID == nil {
            logger.warning("without SECRETS_KEY keys are kept as hashes alone, and webhooks' headers as they are")
        }
        let source = try Self.source(self.conninfo, "<conninfo>", logger: logger)
        let webhookSource = try self.webhooks.map { try Self.source($0, "--webhooks", logger: logger) }
        let target = try CommandDatabase(reader, of: "import mainflux")
        defer { [source, webhookSource, target].forEach { $0?.close() } }
        guard try await target.database.pendingMigrations().isEmpty else {
            throw InvalidSetting(
                setting: "POSTGRES_URL", reason: "the schema there is not current; run hookline migrate first")
        }
        let bar = ProgressBar()
        let work = MainfluxImport(
            from: try await Self.opened("<conninfo>") { try await .open(source.database.pool) },
            webhooks: try await Self.opened("--webhooks") {
                if let webhookSource {
                    try await MainfluxWebhookDatabase.open(webhookSource.database.pool)
                } else {
                    nil
                }
            }, to: target.database, box: box, wallClock: .system
        ) { kind, done, total in bar.show("\(kind)", done, of: total) }

        var report = try await bar.ticking { try await work.run(writes: false) }
        let isWritten = !self.dryRun && (self.skipInvalid || report.problemCount == 0)
        if isWritten { report = try await bar.ticking { try await work.run(writes: true) } }
        print(
            ImportSummary(report, isWritten: isWritten, isDryRun: self.dryRun, hasWebhooks: self.webhooks != nil).text)
        if report.problemCount > 0 { throw ExitCode(1) }
    }

    private static func source(_ conninfo: String, _ name: String, logger: Logger) throws -> CommandDatabase {
        do throws(PostgresError) {
            // Whatever happens, nothing is changed there.
            let endpoint = try Endpoint(conninfo).readOnly
            return CommandDatabase(endpoint, of: "import mainflux", logger: logger)
        } catch {
            throw InvalidSetting(setting: name, reason: error.message)
        }
    }

    private static func opened<T>(_ name: String, _ open: () async throws -> T) async throws -> T {
        do {
            return try await open()
        } catch let error as MainfluxShapeError {
            throw InvalidSetting(setting: name, reason: "\(error)")
        } catch let error as PostgresError {
            throw InvalidSetting(setting: name, reason: error.message)
        }
    }
}

/// What an import says at its end.
struct ImportSummary {
    let text: String

    private static let mostListed = 50

    init(_ report: ImportReport, isWritten: Bool, isDryRun: Bool, hasWebhooks: Bool) {
        var lines = [Self.row("", "found", isWritten ? "added" : "to add", "here already", "left out")]
        for kind in ImportKind.allCases where hasWebhooks || kind != .webhooks {
            let tally = report[kind]
            lines.append(
                Self.row(
                    kind.rawValue, grouped(Int64(tally.found)), grouped(Int64(tally.added)),
                    grouped(Int64(tally.present)), grouped(Int64(tally.leftOut))))
        }
        if report.renamed > 0 {
            lines.append("\(report.renamed) names were too long, empty, not printable or taken, and are changed.")
        }
        if report.transformers > 0 {
            lines.append(
                "\(report.transformers) profiles have a transformer: Hookline forwards payloads as they were published."
            )
        }
        if report.metadataLeftOut > 0 {
            lines.append(
                "\(report.metadataLeftOut) have metadata that is no object, or over 16 KiB, which is not taken over.")
        }
        if report.externalKeys > 0 {
            lines.append("\(report.externalKeys) things have an external key, which is not taken over.")
        }
        if !hasWebhooks { lines.append("Webhooks were not looked at: --webhooks names their database.") }
        for problem in report.problems.prefix(Self.mostListed) {
            lines.append("left out: \(problem.kind.rawValue) \(problem.id): \(problem.reason)")
        }
        if report.problemCount > Self.mostListed {
            lines.append("… and \(report.problemCount - Self.mostListed) more")
        }
        if !isWritten {
            lines.append(
                isDryRun
                    ? "Nothing was changed (--dry-run)."
                    : "Nothing was changed. --skip-invalid takes over what can be.")
        }
        self.text = lines.joined(separator: "\n")
    }

    private static func row(_ cells: String...) -> String {
        cells.enumerated().map { index, cell in
            let space = String(repeating: " ", count: max(0, (index == 0 ? 10 : 14) - cell.count))
            return index == 0 ? cell + space : space + cell
        }.joined()
    }
}
