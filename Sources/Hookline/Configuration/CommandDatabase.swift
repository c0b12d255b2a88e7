internal import Logging
internal import Postgres
internal import Schema

/// The database of a command that ends by itself: one connection, by the settings.
struct CommandDatabase {
    let database: Database
    private let pool: Pool
    /// To tell what stands between by; nothing is opened before.
    private let beside: Pool
    private let endpoint: Endpoint

    /// - Parameter command: whose changes are noted as its own.
    init(_ reader: SettingsReader, of command: String) throws {
        self.init(
            try ServiceConfiguration.endpoint(reader), of: command, logger: try LogConfiguration(reader).makeLogger())
    }

    init(_ endpoint: Endpoint, of command: String, logger: Logger) {
        self.endpoint = endpoint.changing(as: Author(.command, id: command))
        self.pool = Pool(endpoint: self.endpoint, configuration: .init(size: 1), logger: logger)
        self.beside = Pool(endpoint: self.endpoint, configuration: .init(size: 1), logger: logger)
        self.database = Database(pool: self.pool)
    }

    /// - Throws: ``PostgresError``, of kind `configuration` if a pooler between keeps no sessions.
    func requireSessions() async throws {
        try await Sessions.require(self.pool, self.beside, by: self.endpoint)
    }

    func close() {
        self.pool.close()
        self.beside.close()
    }
}
