package import LocalServices

/// A PgBouncer on loopback before a PostgreSQL.
package struct Pooler: Sendable {
    package enum Mode: String, Sendable {
        /// A client has a process of the server's until it goes.
        case session
        /// A client has one until its transaction ends.
        case transaction
    }

    package let port: Int
    private let process: ChildProcess

    /// - Parameters:
    ///   - places: for how many clients at a time there is a process of the server's.
    ///   - settings: lines that its file has as well.
    package static func start(
        before cluster: LocalPostgres, _ mode: Mode, places: Int = 50, _ settings: [String] = []
    ) async throws -> Pooler {
        let folder = try Files.makeTemporaryFolder()
        let port = try freePort()
        let lines = [
            "[databases]", "* = host=127.0.0.1 port=\(cluster.port)", "[pgbouncer]", "listen_addr = 127.0.0.1",
            "listen_port = \(port)", "unix_socket_dir =", "auth_type = trust", "auth_file = \(folder)/users",
            "pool_mode = \(mode.rawValue)", "max_client_conn = 200", "default_pool_size = \(places)",
        ]
        try Files.write((lines + settings).joined(separator: "\n") + "\n", to: "\(folder)/pgbouncer.ini")
        try Files.write("\"hookline\" \"\"\n", to: "\(folder)/users")
        // It does not run as root.
        let user = cluster.user
        if let user { try await ChildProcess.complete("chown", ["-R", user.name, folder]) }
        let program = ["/usr/sbin/pgbouncer"].first(where: Files.exists) ?? "pgbouncer"
        let process = try await ChildProcess.start(
            program, ["\(folder)/pgbouncer.ini"], logFile: "\(folder)/pgbouncer.log", user: user)
        let pooler = Pooler(port: port, process: process)
        do {
            try await waitUntil("pgbouncer on port \(port) (see \(folder)/pgbouncer.log)") { isListening(on: port) }
        } catch {
            await pooler.stop()
            throw error
        }
        return pooler
    }

    package func stop() async { await self.process.stop() }
}
