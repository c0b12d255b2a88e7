internal import Logging
internal import Postgres
internal import Schema

/// The database of a command that ends by itself: one connection, by the settings.
struct CommandDatabase {
    let database: Database
    private let pool: Pool

    init(_ reader: SettingsReader) throws {
        self.init(try ServiceConfiguration.endpoint(reader), logger: try LogConfiguration(reader).makeLogger())
    }

    init(_ endpoint: Endpoint, logger: Logger) {
        self.pool = Pool(endpoint: endpoint, configuration: .init(size: 1), logger: logger)
        self.database = Database(pool: self.pool)
    }

    func close() {
        self.pool.close()
    }
}
