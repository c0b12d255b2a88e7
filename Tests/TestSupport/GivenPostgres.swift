internal import Glibc
internal import LocalServices
internal import Synchronization

/// A server that is there already, in the place of one of the tests' own (`scripts/test-against`).
package enum GivenPostgres {
    /// What is said of a test that stops a server or changes whom it lets in.
    package static let skipped = "it changes the server, which is not the tests' own"

    /// Whether there is one: `POSTGRES_TEST_URL` is set, to `postgresql://hookline@127.0.0.1:<port>`, where `hookline` may do everything.
    package static var isThere: Bool { Self.variable("POSTGRES_TEST_URL") != nil }

    private static let databases = Atomic<Int>(0)

    /// - Returns: nil if there is none.
    static func cluster() throws -> LocalPostgres? {
        try Self.variable("POSTGRES_TEST_URL").map { try LocalPostgres.running(on: Self.port(of: $0)) }
    }

    /// Makes a database there, and has `POSTGRES_TEST_PREPARE` make of it what the tests are to find, such as tables that are spread over
    /// nodes.
    ///
    /// - Returns: its connection string; nil if there is no such server.
    static func makeDatabase() async throws -> String? {
        guard let cluster = try Self.cluster() else { return nil }
        let name = "hookline_test_\(getpid())_\(Self.databases.add(1, ordering: .relaxed).newValue)"
        try await cluster.createDatabase(name)
        if let program = Self.variable("POSTGRES_TEST_PREPARE") {
            try await ChildProcess.complete(program, ["--prepare", name])
        }
        return cluster.url(database: name)
    }

    /// The way to the data of such a database by another node, which `POSTGRES_TEST_DATA_URL` names in the same form; nil without it.
    static func entrance(to url: String) throws -> String? {
        guard let node = Self.variable("POSTGRES_TEST_DATA_URL"), let name = url.split(separator: "/").last else {
            return nil
        }
        return try LocalPostgres.running(on: Self.port(of: node)).url(database: String(name))
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func port(of url: String) throws -> Int {
        let prefix = "postgresql://hookline@127.0.0.1:"
        guard url.hasPrefix(prefix), let port = Int(url.dropFirst(prefix.count).prefix { $0.isNumber }) else {
            throw LocalServiceError("\(url) must be \(prefix)<port>")
        }
        return port
    }
}
