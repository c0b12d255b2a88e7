internal import Logging
internal import Postgres
internal import Schema

/// The database of a command that ends by itself: one connection, by the settings.
struct CommandDatabase {
    let database: Database
    private let pool: Pool

    /// - Parameter command: whose changes are noted as its own.
    init(_ reader: SettingsReader, of command: String) throws {
        self.init(
            try ServiceConfiguration.endpoint(reader), of: command, logger: try LogConfiguration(reader).makeLogger())
    }

    init(_ endpoint: Endpoint, of command: String, logger: Logger) {
        self.pool = Pool(
            endpoint: endpoint.changing(as: Author(.command, id: command)), configuration: .init(size: 1),
            logger: logger)
        self.database = Database(pool: self.pool)
    }

    func close() {
        self.pool.close()
    }
}
