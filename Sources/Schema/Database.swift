internal import Migrations
package import Postgres

/// The database as the rest of the service sees it: one pool, and the stores that know the SQL.
package struct Database: Sendable {
    package let pool: Pool

    package init(pool: Pool) {
        self.pool = pool
    }

    private static var migrator: Migrator {
        Migrator(
            MigrationFiles.all.map { file in
                Migration(version: file.version, name: file.name, sql: String(decoding: file.sql, as: UTF8.self))
            })
    }

    /// Brings the schema up to date and answers the names of what was applied.
    ///
    /// - Parameter onStep: told the name of each before it is applied, and how many are done, of how many.
    /// - Throws: ``PostgresError``, of kind `configuration` if the database cannot hold every text.
    package func migrate(
        onStep: @escaping @Sendable (_ name: String, _ done: Int, _ total: Int) -> Void = { _, _, _ in }
    ) async throws -> [String] {
        try await self.pool.withConnection { db in
            try Self.requireEncoding(db)
            return try Self.migrator.apply(on: db) { onStep($0.name, $1, $2) }.map(\.name)
        }
    }

    /// Where a character has no place, a message with it could never be committed, and holds up all behind it. `SQL_ASCII` takes
    /// every byte as it is, and clusters that were made without a locale have it: what is sent there has no escapes that it refuses.
    private static func requireEncoding(_ db: isolated Connection) throws {
        var query: Query = "SELECT current_setting('server_encoding')"
        query.isPrepared = false
        let encoding = try db.query(query) { try $0.string(0) }.first ?? ""
        guard ["UTF8", "SQL_ASCII"].contains(encoding) else {
            throw PostgresError(
                .configuration,
                "the database's encoding is \(encoding), which has no place for most characters: "
                    + "make one with UTF8 (createdb --encoding=UTF8 --template=template0)")
        }
    }

    /// The names of what ``migrate()`` would apply.
    package func pendingMigrations() async throws -> [String] {
        try await self.pool.withConnection { try Self.migrator.pending(on: $0).map(\.name) }
    }

    /// Whether the database answers.
    package func ping() async throws {
        _ = try await self.pool.withConnection { try $0.execute("SELECT 1") }
    }

    /// Why the service cannot work with the database as it is now, in words for who runs it; nil if it can.
    ///
    /// - Parameter timeout: how long the database may take to answer.
    package func problem(within timeout: Duration) async -> String? {
        do {
            let pending = try await self.pool.withConnection { db in
                try db.requireWritable(within: timeout)
                return try Self.migrator.pending(on: db)
            }
            return pending.isEmpty ? nil : "the schema is not current"
        } catch let error as PostgresError where error.kind == .migration {
            return error.message
        } catch {
            return DatabaseAvailability.words(error)
        }
    }

    /// As ``problem(within:)``, by a way to the data that need not know how far the schema is.
    package func problemOfData(within timeout: Duration) async -> String? {
        do {
            try await self.requireWritable(within: timeout)
            return nil
        } catch {
            return DatabaseAvailability.words(error)
        }
    }

    /// - Throws: ``PostgresError``, if the server does not answer in time or takes no changes.
    package func requireWritable(within timeout: Duration) async throws {
        try await self.pool.withConnection { try $0.requireWritable(within: timeout) }
    }
}

/// What a caller asked for that the database's rules do not allow.
package enum StorageError: Error, Sendable, Equatable {
    /// A name that must be unique exists already; which of those given is not always known.
    case duplicate(field: String)
    /// Something that the request refers to is not there, or is not of this group.
    case missing(field: String)
    /// It can be stored as soon as every instance is of this version.
    case notYet(field: String)
    /// It cannot be removed while something else needs it.
    case inUse(by: String)
    /// This version cannot read what is stored, for this reason; whether a change would mend it depends on what it is.
    case unreadable(String)
    /// An instance of an earlier version lives that could not read this.
    case tooNew(field: String)
}

extension StorageError {
    /// Names the rule that a server error broke, for the rules that callers can break.
    package static func translate<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch let error as PostgresError where error.kind == .server {
            switch (error.sqlState, error.constraint) {
            case (.uniqueViolation?, "things_pkey"?): throw StorageError.duplicate(field: "id")
            case (.uniqueViolation?, "things_external_id"?): throw StorageError.duplicate(field: "external_id")
            case (.uniqueViolation?, _): throw StorageError.duplicate(field: "name")
            // The same constraint is broken from both sides: by a thing that names a strange profile, and by
            // removing a profile that things still have.
            case (.foreignKeyViolation?, "things_profile"?):
                throw error.message.hasPrefix("update or delete")
                    ? StorageError.inUse(by: "things") : StorageError.missing(field: "profile_id")
            case (.foreignKeyViolation?, "groups_new_thing_profile"?):
                throw error.message.hasPrefix("update or delete")
                    ? StorageError.inUse(by: "its group, for new things")
                    : StorageError.missing(field: "new_thing_profile_id")
            case (.foreignKeyViolation?, _): throw StorageError.missing(field: "group")
            default: throw error
            }
        }
    }
}
