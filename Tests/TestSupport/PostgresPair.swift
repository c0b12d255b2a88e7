internal import Glibc
package import LocalServices

/// Two PostgreSQL servers, of which one is the other's standby and has every commit before it is answered.
package actor PostgresPair {
    private let servers: [LocalPostgres]
    private var processes: [ChildProcess?]
    /// Which of the two takes writes.
    package private(set) var primary = 0

    private init(_ servers: [LocalPostgres], _ processes: [ChildProcess?]) {
        self.servers = servers
        self.processes = processes
    }

    package static func start() async throws -> PostgresPair {
        let folder = try Files.makeTemporaryFolder()
        let first = try await LocalPostgres.prepare(in: "\(folder)/first", port: freePort())
        let process = try await first.start()
        do {
            let second = try await first.makeStandby(in: "\(folder)/second", port: freePort())
            let pair = PostgresPair([first, second], [process, try await second.start()])
            do { try await pair.confirmCommits() } catch {
                await pair.stop()
                throw error
            }
            return pair
        } catch {
            await process.stop(SIGINT)
            throw error
        }
    }

    // MARK: How it is reached

    package nonisolated var ports: [Int] { self.servers.map(\.port) }

    /// The connection string that names both, in this order unless told otherwise, and asks for the one that takes writes.
    package nonisolated func url(_ ports: [Int]? = nil) -> String {
        let hosts = (ports ?? self.ports).map { "127.0.0.1:\($0)" }.joined(separator: ",")
        return "postgresql://hookline@\(hosts)/hookline?target_session_attrs=read-write"
    }

    /// The one that takes writes.
    package var current: LocalPostgres { self.servers[self.primary] }
    private var standby: Int { 1 - self.primary }

    // MARK: What happens to it

    /// Ends the primary without a word.
    package func killPrimary() async {
        // Its children end when they notice.
        guard let process = self.processes[self.primary] else { return }
        self.processes[self.primary] = nil
        process.signal(SIGKILL)
        await process.waitForExit()
    }

    /// Makes the standby the primary. It waits for nobody's confirmation until it has a standby of its own.
    package func promoteStandby() async throws {
        try await self.servers[self.standby].promote()
        self.primary = self.standby
        try await self.current.set("synchronous_standby_names", to: "")
    }

    /// Has the server that was the primary before follow the other, as its standby.
    package func rejoin() async throws {
        try await self.servers[self.standby].follow(self.current)
        self.processes[self.standby] = try await self.servers[self.standby].start()
        try await self.confirmCommits()
    }

    /// What an operator does before maintenance: the primary is stopped in order, the standby takes its place, and the former
    /// primary follows it.
    package func switchOver() async throws {
        await self.processes[self.primary]?.stop(SIGINT)
        self.processes[self.primary] = nil
        try await self.promoteStandby()
        try await self.rejoin()
    }

    /// From now on a commit is answered when the standby has it too.
    private func confirmCommits() async throws {
        try await Self.confirmCommits(of: self.current)
    }

    private static func confirmCommits(of primary: LocalPostgres) async throws {
        try await primary.set("synchronous_standby_names", to: "*")
        try await waitUntil("the standby to confirm commits") {
            try await primary.psql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
        }
    }

    package func stop() async {
        for index in [self.primary, self.standby] {
            await self.processes[index]?.stop(SIGINT)
            self.processes[index] = nil
        }
    }
}
