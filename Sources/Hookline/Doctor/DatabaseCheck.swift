internal import Domain
internal import Journal
internal import Logging
internal import Observability
internal import Postgres
internal import Registry
internal import Schema
internal import Values

/// The database as an instance would find it.
struct DatabaseCheck: Sendable {
    private let endpoint: Endpoint
    private let neededConnections: Int
    private let box: SecretBox
    private let logger: Logger

    init(_ configuration: ServiceConfiguration) {
        var endpoint = configuration.postgres
        endpoint.connectTimeout = min(endpoint.connectTimeout, .seconds(5))
        self.endpoint = endpoint
        self.neededConnections = Pools.mostConnections(configuration)
        self.box = configuration.secrets
        self.logger = Logger(label: "hookline doctor") { _ in SwiftLogNoOpLogHandler() }
    }

    func run() async -> [InstallationFinding] {
        let connected = CommandDatabase(self.endpoint, of: "doctor", logger: self.logger)
        let beside = Pool(endpoint: self.endpoint, configuration: .init(size: 1), logger: self.logger)
        defer {
            connected.close()
            beside.close()
        }
        let database = connected.database
        var findings: [InstallationFinding]
        do {
            findings = try await ServerFacts.read(
                database, beside: beside, neededConnections: self.neededConnections, now: { WallClock.system.now },
                monotonic: { monotonicNanoseconds() }
            ).findings
        } catch {
            return [Self.unreachable(error)]
        }
        do {
            let schema = try await database.schemaReading()
            findings.append(schema.finding)
            // What is asked for there may not be there yet.
            guard schema.isCurrent else { return findings }
        } catch {
            return findings + [Self.unread("schema", error)]
        }
        do {
            findings += try await QueueExtentStore(database).read(now: WallClock.system.now).findings
        } catch {
            findings.append(Self.unread("backlog", error))
        }
        return findings + [await self.sealed(database)]
    }

    /// Whether what is stored under seal is so under a key that is given.
    private func sealed(_ database: Database) async -> InstallationFinding {
        let hint = "give the key that sealed it in SECRETS_FORMER_KEYS"
        do {
            let strangers = try await Resealing(database, box: self.box).strangers()
            guard !strangers.isEmpty else { return .init(.ok, "secrets", "what is stored under seal can be opened") }
            let words = strangers.sorted { $0.key.rawValue < $1.key.rawValue }.map {
                "\($0.value) of \($0.key.rawValue)"
            }
            return .init(
                .warn, "secrets", "under keys that are not given: \(words.joined(separator: ", "))", hint: hint)
        } catch let error as SecretBox.Unreadable {
            return .init(
                .fail, "secrets", "no stored secret can be opened with SECRETS_KEY or SECRETS_FORMER_KEYS: \(error)",
                hint: hint)
        } catch {
            return Self.unread("secrets", error)
        }
    }

    /// - Parameters:
    ///   - subject: what is looked at.
    ///   - setting: what names it.
    fileprivate static func unreachable(
        _ error: any Error, subject: String = "database", setting: String = "POSTGRES_URL"
    ) -> InstallationFinding {
        let postgres = error as? PostgresError
        let words = postgres?.serverWords.map { "it refuses: \($0)" } ?? postgres?.message ?? "\(error)"
        let hint =
            postgres?.serverWords == nil
            ? "see host and port in \(setting), whether PostgreSQL runs, and what stands between"
            : "see role, password and database in \(setting), and pg_hba.conf of the server"
        return .init(.fail, subject, "not reachable: \(words)", hint: hint)
    }

    private static func unread(_ subject: String, _ error: any Error) -> InstallationFinding {
        .init(
            .warn, subject, "cannot be told: \((error as? PostgresError)?.message ?? "\(error)")",
            hint: "ask again; if it stays so, see the server's log")
    }
}

/// The other way to the database, if there is one. Whether it leads to the same is what an instance sees when it starts.
struct DataCheck: Sendable {
    private let endpoint: Endpoint?
    private let logger = Logger(label: "hookline doctor") { _ in SwiftLogNoOpLogHandler() }

    init(_ configuration: ServiceConfiguration) {
        self.endpoint = configuration.postgresData.map { endpoint in
            var endpoint = endpoint
            endpoint.connectTimeout = min(endpoint.connectTimeout, .seconds(5))
            return endpoint
        }
    }

    func run() async -> [InstallationFinding] {
        guard let endpoint = self.endpoint else { return [] }
        let (pool, beside) = (
            Pool(endpoint: endpoint, configuration: .init(size: 1), logger: self.logger),
            Pool(endpoint: endpoint, configuration: .init(size: 1), logger: self.logger)
        )
        defer {
            pool.close()
            beside.close()
        }
        do {
            let missing = try await ServerFacts.missingOfData(Database(pool: pool))
            guard try await !Sessions.shareBackend(pool, beside) else {
                return [
                    .init(
                        .fail, "data", "two connections had one server process: a pooler gives it out by transactions",
                        hint: "name PostgreSQL itself in POSTGRES_DATA_URL, or a pool in session mode")
                ]
            }
            guard missing.isEmpty else {
                return [
                    .init(
                        .fail, "data", "not to be written there: \(missing.joined(separator: ", "))",
                        hint:
                            "run hookline migrate, and with Citus deploy/citus/distribute.sql; see the rights of the role"
                    )
                ]
            }
            return [
                .init(.ok, "data", "POSTGRES_DATA_URL leads to what is written there"),
                try await ServerFacts.encryption(Database(pool: pool)).finding(of: "POSTGRES_DATA_URL"),
            ]
        } catch {
            return [DatabaseCheck.unreachable(error, subject: "data", setting: "POSTGRES_DATA_URL")]
        }
    }
}
