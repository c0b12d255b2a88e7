package import LocalServices

/// One PostgreSQL cluster for all tests of a run; each test takes a database of its own.
package actor SharedPostgres {
    package static let shared = SharedPostgres()

    private var cluster: Task<(LocalPostgres, ChildProcess), any Error>?
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
                in: "\(folder)/postgres", port: freePort(), settings: ["max_connections": "500", "fsync": "off"])
            return (cluster, try await cluster.start())
        }
        self.cluster = cluster
        return try await cluster.value
    }
}
