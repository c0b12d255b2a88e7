/// One numbered step of the schema.
package struct Migration: Sendable, Equatable {
    /// Counts from 1, without gaps.
    package let version: Int32
    package let name: String
    package let sql: String

    package init(version: Int32, name: String, sql: String) {
        self.version = version
        self.name = name
        self.sql = sql
    }

    private static let mark = "-- concurrently\n"

    /// What is carried out in one transaction: all of it, or what stands before the line `-- concurrently`.
    var whole: Substring {
        if self.sql.hasPrefix(Self.mark) { return self.sql[..<self.sql.startIndex] }
        guard let mark = self.sql.firstRange(of: "\n" + Self.mark) else { return self.sql[...] }
        return self.sql[..<mark.lowerBound]
    }

    /// A statement of those that are carried out beside the ones who use the tables.
    struct Statement: Equatable {
        /// What has to be true when its turn comes, or it is left out; nil if it is carried out in any case.
        let condition: String?
        let sql: String
    }

    private static let conditionMark = "-- if "

    /// What stands behind that line, which is carried out beside those who use the tables: one statement at a time, outside of a
    /// transaction, as `CREATE INDEX CONCURRENTLY` has to be. Each ends with a line that ends with a semicolon, and may have a line
    /// `-- if …` before it. A file that has such a line may be done again from its beginning, because it is if one of the
    /// statements fails.
    var statements: [Statement] {
        guard self.whole.endIndex < self.sql.endIndex else { return [] }
        var (statements, current): ([Statement], [Substring]) = ([], [])
        var condition: String?
        func end() {
            statements.append(Statement(condition: condition, sql: current.joined(separator: "\n")))
            (current, condition) = ([], nil)
        }
        for line in self.sql[self.whole.endIndex...].split(separator: "\n") {
            if line.hasPrefix(Self.conditionMark) { condition = String(line.dropFirst(Self.conditionMark.count)) }
            guard !line.hasPrefix("--") else { continue }
            current.append(line)
            if line.hasSuffix(";") { end() }
        }
        if !current.isEmpty { end() }
        return statements
    }
}

/// Applies migrations, each once and in order.
///
/// Instances that start together take turns by an advisory lock. What was applied is remembered with its SHA-256, so
/// that a migration edited afterwards is refused instead of silently believed.
package struct Migrator: Sendable {
    /// Any number will do, if all instances use the same: "hookline" in ASCII.
    static let lockKey: Int64 = 0x686F_6F6B_6C69_6E65

    private let migrations: [Migration]
    private let lockTimeout: Duration

    /// How often a step is tried whose locks are not to be had: for a backup's time.
    private static let mostTries = 3_600

    /// - Parameters:
    ///   - migrations: all that there are, in their order.
    ///   - lockTimeout: how long a step asks for a table before it lets those pass who have come to stand behind it.
    package init(_ migrations: [Migration], lockTimeout: Duration = .seconds(2)) {
        self.migrations = migrations
        self.lockTimeout = lockTimeout
    }

    /// Applies what is missing and answers it.
    ///
    /// - Parameters:
    ///   - connection: one that is in no transaction.
    ///   - onStep: told before each, and how many are done, of how many.
    /// - Throws: ``PostgresError`` of kind `migration` if an applied one differs, or is unknown to this program;
    ///   `CancellationError` between two steps.
    package func apply(
        on connection: isolated Connection, onStep: (Migration, _ done: Int, _ total: Int) -> Void = { _, _, _ in }
    ) throws -> [Migration] {
        try self.lock(connection)
        defer {
            // If this fails the connection is broken, and the lock has gone with it.
            _ = try? connection.execute("SELECT pg_advisory_unlock(\(Self.lockKey))")
        }
        if try !Self.remembers(on: connection) { try self.createTable(on: connection) }
        let pending = try self.pending(on: connection)
        for (index, migration) in pending.enumerated() {
            try Task.checkCancellation()
            onStep(migration, index, pending.count)
            var triesLeft = Self.mostTries
            while try !self.applied(migration, on: connection, mayWait: triesLeft > 0) {
                triesLeft -= 1
                try Task.checkCancellation()
                // Those who waited behind it go on meanwhile.
                try connection.execute("SELECT pg_sleep(1)")
            }
        }
        return pending
    }

    /// Waits by asking again and again: whoever waits in one statement is waited for by an index that is built meanwhile.
    private func lock(_ connection: isolated Connection) throws {
        for _ in 0..<Self.mostTries {
            let isOurs = try connection.query("SELECT pg_try_advisory_lock(\(Self.lockKey))") { try $0.bool(0) }
            if isOurs == [true] { return }
            try Task.checkCancellation()
            try connection.execute("SELECT pg_sleep(1)")
        }
        throw PostgresError(.migration, "another instance has been at the schema for an hour")
    }

    /// - Returns: false if somebody uses a table that it changes, and nothing was done.
    private func applied(_ migration: Migration, on connection: isolated Connection, mayWait: Bool) throws -> Bool {
        do {
            let statements = migration.statements
            if !migration.whole.isEmpty {
                try connection.transaction { connection in
                    try connection.execute(
                        "SELECT set_config('lock_timeout', \("\(self.lockTimeout.components.seconds * 1_000)"), true)")
                    try connection.executeScript(String(migration.whole))
                    if statements.isEmpty { try self.remember(migration, on: connection) }
                }
            }
            // They wait for whoever uses a table, a backup for instance, but nobody waits for them.
            for statement in statements {
                if let condition = statement.condition, try !Self.holds(condition, on: connection) { continue }
                try connection.executeScript(statement.sql, timeout: .seconds(86_400))
            }
            if !statements.isEmpty { try self.remember(migration, on: connection) }
            return true
        } catch let error as PostgresError
            where (error.sqlState == .lockNotAvailable || error.sqlState == .deadlockDetected) && mayWait
        {
            return false
        }
    }

    /// - Parameter condition: of a migration's file, as it stands there.
    private static func holds(_ condition: String, on connection: isolated Connection) throws -> Bool {
        var query = Query(stringLiteral: "SELECT (\(condition)) IS TRUE")
        query.isPrepared = false
        return try connection.query(query) { try $0.bool(0) } == [true]
    }

    private func remember(_ migration: Migration, on connection: isolated Connection) throws {
        try connection.execute(
            """
            INSERT INTO schema_migrations (version, name, checksum)
            VALUES (\(migration.version), \(migration.name), encode(sha256(convert_to(\(migration.sql), 'UTF8')), 'hex'))
            """)
    }

    /// Whether migrations were ever applied where this role's tables are. Changes nothing.
    ///
    /// Others call a table the same; Rails does. Where it stands in a later schema of the search path, as `public` behind a schema of
    /// the role's own, one is made before it, which is found first from then on.
    ///
    /// - Throws: ``PostgresError`` of kind `migration` if such a table stands where this one would.
    package static func remembers(on connection: isolated Connection) throws -> Bool {
        let found = try connection.query(
            """
            SELECT attrelid IS NOT NULL, coalesce(found = to_regclass(quote_ident(current_schema()) || '.schema_migrations'), false),
                coalesce(current_schema()::text, '')
            FROM to_regclass('schema_migrations') AS found LEFT JOIN pg_attribute
                ON attrelid = found AND attname = 'checksum' AND NOT attisdropped
            """
        ) { row in (isOurs: try row.bool(0), isInTheWay: try row.bool(1), schema: try row.string(2)) }
        guard let found = found.first, !found.isOurs else { return true }
        guard !found.isInTheWay else {
            throw PostgresError(
                .migration,
                "the schema \(found.schema) has a table schema_migrations that another application made; "
                    + "what is set up here needs a schema or a database of its own")
        }
        return false
    }

    private func createTable(on connection: isolated Connection) throws {
        try connection.execute(
            """
            CREATE TABLE schema_migrations (
                version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now())
            """)
    }

    /// What ``apply(on:onStep:)`` would apply. Changes nothing.
    package func pending(on connection: isolated Connection) throws -> [Migration] {
        guard try Self.remembers(on: connection) else { return self.migrations }
        let applied = try connection.query("SELECT version, checksum FROM schema_migrations ORDER BY version") { row in
            (version: try row.int32(0), checksum: try row.string(1))
        }
        for (version, checksum) in applied {
            guard let known = self.migrations.first(where: { $0.version == version }) else {
                throw PostgresError(.migration, "the database is newer: it has migration \(version)")
            }
            let expected = try connection.query("SELECT encode(sha256(convert_to(\(known.sql), 'UTF8')), 'hex')") {
                row in
                try row.string(0)
            }
            guard expected == [checksum] else {
                throw PostgresError(
                    .migration, "migration \(version) (\(known.name)) was edited after it had been applied")
            }
        }
        let done = Set(applied.map(\.version))
        return self.migrations.filter { !done.contains($0.version) }
    }
}
