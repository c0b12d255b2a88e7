package import LocalServices

/// What makes a server another's standby, and the other way round.
extension LocalPostgres {
    /// Makes a copy in `folder` that follows this server once it is started. This server keeps what the copy has not had yet.
    package func makeStandby(in folder: String, port: Int) async throws -> LocalPostgres {
        try await self.copy(to: folder)
        return try await LocalPostgres.prepare(in: folder, port: port)
    }

    /// Makes this server, which must not be running, anew as a standby of another.
    package func follow(_ primary: LocalPostgres) async throws {
        try await ChildProcess.complete("rm", ["-rf", self.folder])
        try await primary.copy(to: self.folder)
    }

    private func copy(to folder: String) async throws {
        try Files.makeFolder(folder, mode: 0o700)
        if let user { try await ChildProcess.complete("chown", [user.name, folder]) }
        let slot = "standby\(ContinuousClock.now.hashValue.magnitude)"
        try await ChildProcess.complete(
            self.bin + "pg_basebackup",
            [
                "--pgdata", folder, "--dbname", self.url(database: "postgres"), "--write-recovery-conf",
                "--checkpoint=fast", "--create-slot", "--slot", slot,
            ], user: self.user)
    }

    /// Has it begin as a standby that nobody feeds: it answers, and refuses every change. It must not be running.
    package func demote() async throws {
        try await ChildProcess.complete("touch", ["\(self.folder)/standby.signal"], user: self.user)
    }

    /// Makes a standby take writes, and waits until it does.
    package func promote() async throws {
        try await self.psql("SELECT pg_promote(true, 60)", database: "postgres")
    }

    /// Changes a setting of the running server.
    package func set(_ name: String, to value: String) async throws {
        try await self.psql("ALTER SYSTEM SET \(name) = '\(value)'", database: "postgres")
        try await self.psql("SELECT pg_reload_conf()", database: "postgres")
    }
}
