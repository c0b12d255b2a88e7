import Migrations

@testable import Postgres

extension Migrator {
    /// Brings a database to the version that a build of then had, and no further.
    init(ofFilesUpTo last: Int32) {
        self.init(
            MigrationFiles.all.filter { $0.version <= last }.map {
                Migration(version: $0.version, name: $0.name, sql: String(decoding: $0.sql, as: UTF8.self))
            })
    }
}

extension Connection {
    /// - Returns: the versions that were applied.
    func apply(_ migrator: Migrator) throws -> [Int32] {
        try migrator.apply(on: self).map(\.version)
    }
}
