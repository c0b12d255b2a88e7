package import LocalServices

/// One PostgreSQL cluster for all tests of a run; each test takes a database of its own.
package actor SharedPostgres {
    package static let shared = SharedPostgres()

    private var cluster: Task<(LocalPostgres, ChildProcess), any Error>?
    private var template: Task<String, any Error>?
    private var databases = 0

    /// The connection string of a new, empty database.
    package func makeDatabase() async throws -> String {
        if let given = try await GivenPostgres.makeDatabase() { return given }
        let (cluster, _) = try await self.running()
        self.databases += 1
        let name = "test\(self.databases)"
        try await cluster.createDatabase(name)
        return cluster.url(database: name)
    }

    /// The connection string of a new database with the schema of this build, a copy of one that was migrated: to migrate each by
    /// itself takes four times as long. On a server that is not ours it is for who uses it to migrate.
    package func makeMigratedDatabase() async throws -> String {
        if GivenPostgres.isThere { return try await self.makeDatabase() }
        let (cluster, _) = try await self.own()
        let template = try await self.migrated(in: cluster)
        self.databases += 1
        let name = "test\(self.databases)"
        try await cluster.psql("CREATE DATABASE \(name) TEMPLATE \(template)", database: "postgres")
        return cluster.url(database: name)
    }

    /// What is of no use any more leaves the disk: all that the tests of a run make together takes gigabytes.
    ///
    /// - Parameter url: as ``makeDatabase()`` or ``makeMigratedDatabase()`` gave it. On a server that is not ours nothing is removed.
    package func remove(_ url: String) async throws {
        guard !GivenPostgres.isThere, let name = url.split(separator: "/").last else { return }
        let (cluster, _) = try await self.own()
        // Whoever has a session there still, as a process that was stopped a moment ago, loses it.
        try await cluster.psql("DROP DATABASE \(name) WITH (FORCE)", database: "postgres")
    }

    private func migrated(in cluster: LocalPostgres) async throws -> String {
        if let template = self.template { return try await template.value }
        // As in ``running()``. By a process, which has left no session there once it ends.
        let template = Task {
            try await cluster.createDatabase("migrated")
            let made = try await HooklineProcess.run(["migrate"], ["POSTGRES_URL": cluster.url(database: "migrated")])
            guard made.end == "exited(0)" else { throw LocalServiceError("hookline migrate: \(made.output)") }
            return "migrated"
        }
        self.template = template
        return try await template.value
    }

    /// - Returns: nil in the place of a process that is not ours.
    package func running() async throws -> (LocalPostgres, ChildProcess?) {
        if let given = try GivenPostgres.cluster() { return (given, nil) }
        let (cluster, process) = try await self.own()
        return (cluster, process)
    }

    private func own() async throws -> (LocalPostgres, ChildProcess) {
        if let cluster = self.cluster { return try await cluster.value }
        // Kept by this actor, which lives as long as the run: every test that comes meanwhile waits for the same start.
        let cluster = Task {
            let folder = try Files.makeTemporaryFolder()
            let cluster = try await LocalPostgres.prepare(
                in: "\(folder)/postgres", port: freePort(),
                settings: ["max_connections": "500", "fsync": "off", "autovacuum": "off"])
            return (cluster, try await cluster.start())
        }
        self.cluster = cluster
        return try await cluster.value
    }
}
