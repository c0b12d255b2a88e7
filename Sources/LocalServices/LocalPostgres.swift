internal import Glibc

/// A private PostgreSQL cluster on loopback, for development and tests.
package final class LocalPostgres: Sendable {
    package let port: Int
    package let folder: String
    private let settings: [String: String]
    /// Whom its programs run as, if not as us.
    package let user: UserAccount?
    /// Where its programs are: a path with a slash behind it, or nothing.
    package let bin: String

    private init(port: Int, folder: String, settings: [String: String], user: UserAccount?, bin: String) {
        self.port = port
        self.folder = folder
        self.settings = settings
        self.user = user
        self.bin = bin
    }

    /// Where the server's programs are: in the newest of Debian's folders, or in `PATH`.
    private static func programs() throws -> String {
        for version in stride(from: 20, through: 13, by: -1) {
            let bin = "/usr/lib/postgresql/\(version)/bin"
            if Files.exists("\(bin)/initdb") { return bin + "/" }
        }
        return ""
    }

    /// Makes the cluster in `folder` unless it is there already. ``start()`` starts it.
    ///
    /// - Parameter settings: for `postgresql.conf`, on top of what loopback and a small machine want.
    package static func prepare(
        in folder: String, port: Int, settings: [String: String] = [:]
    ) async throws -> LocalPostgres {
        let user = try UserAccount.forPostgres()
        let cluster = LocalPostgres(
            port: port, folder: folder, settings: settings, user: user, bin: try self.programs())
        guard !Files.exists("\(folder)/PG_VERSION") else { return cluster }
        try Files.makeFolder(folder, mode: 0o700)
        try user?.own(folder)
        try await ChildProcess.complete(
            cluster.bin + "initdb",
            ["-D", folder, "-U", "hookline", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"],
            user: user)
        return cluster
    }

    /// One that runs on loopback already, and is not started or stopped.
    package static func running(on port: Int) throws -> LocalPostgres {
        LocalPostgres(
            port: port, folder: "", settings: [:], user: try UserAccount.forPostgres(), bin: try self.programs())
    }

    package var url: String { self.url(database: "hookline") }

    package func url(database: String) -> String {
        "postgresql://hookline@127.0.0.1:\(self.port)/\(database)"
    }

    /// Starts the server and waits until it answers; the database `hookline` is made if it is not there.
    package func start() async throws -> ChildProcess {
        try await self.stopLeftover()
        var arguments = ["-D", self.folder, "-p", "\(self.port)", "-k", "", "-c", "listen_addresses=127.0.0.1"]
        for (name, value) in self.settings.sorted(by: { $0.key < $1.key }) { arguments += ["-c", "\(name)=\(value)"] }
        let server = try await ChildProcess.start(
            self.bin + "postgres", arguments, logFile: self.folder + ".log", user: self.user)
        do {
            try await waitUntil("PostgreSQL on port \(self.port) (see \(self.folder).log)") {
                await self.answers("SELECT 1", database: "postgres") == "1"
            }
        } catch {
            await server.stop(SIGQUIT)
            throw error
        }
        if await self.answers("SELECT 1 FROM pg_database WHERE datname = 'hookline'", database: "postgres") != "1" {
            try await self.createDatabase("hookline")
        }
        return server
    }

    package func createDatabase(_ name: String) async throws {
        try await self.psql("CREATE DATABASE \(name)", database: "postgres")
    }

    /// Runs a statement and answers its rows, `|` between columns.
    @discardableResult
    package func psql(_ statement: String, database: String = "hookline") async throws -> String {
        try await ChildProcess.complete(
            self.bin + "psql",
            ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self.url(database: database), "-c", statement]
        ).trimmed
    }

    private func answers(_ statement: String, database: String) async -> String? {
        try? await self.psql(statement, database: database)
    }

    /// Ends a server of this cluster that outlived the program that had started it.
    private func stopLeftover() async throws {
        guard let line = Files.read("\(self.folder)/postmaster.pid")?.split(separator: "\n").first,
            let pid = Int32(line), kill(pid, 0) == 0
        else { return }
        let name = Files.read("/proc/\(pid)/cmdline") ?? ""
        guard name.contains(self.folder) else { return }
        kill(pid, SIGINT)
        try await waitUntil("the former PostgreSQL to end") { kill(pid, 0) != 0 }
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = self[...]
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
