import LocalServices
import TestSupport
import Testing

@testable import Postgres

extension Endpoint {
    /// Each host as name, address and port.
    fileprivate var places: [String] {
        self.hosts.map { "\($0.name ?? "-") \($0.address ?? "-") \($0.port)" }
    }
}

@Suite("The hosts of a connection string")
struct HostTests {
    @Test(
        "are told apart in every form it has",
        arguments: [
            ("host=a,b port=1,2", ["a - 1", "b - 2"]),
            ("host=a,b port=7", ["a - 7", "b - 7"]),
            ("host=a,b,c port=1,,3", ["a - 1", "b - 5432", "c - 3"]),
            ("postgresql://a:1,[::1]:2,c/db", ["a - 1", "::1 - 2", "c - 5432"]),
            ("host=a,b hostaddr=10.0.0.1,10.0.0.2", ["a 10.0.0.1 5432", "b 10.0.0.2 5432"]),
            ("hostaddr=10.0.0.1,10.0.0.2", ["- 10.0.0.1 5432", "- 10.0.0.2 5432"]),
            ("host=/run/postgresql,b", ["/run/postgresql - 5432", "b - 5432"]),
            ("dbname=x", ["- - 5432"]),
        ])
    func forms(text: String, places: [String]) throws {
        #expect(try Endpoint("user=u \(text)".replacingUserOfURI).places == places)
    }

    @Test(
        "must match in number, or the connection string is refused",
        arguments: ["host=a,b port=1,2,3", "host=a service=no-such-service"])
    func mismatch(text: String) {
        let error = #expect(throws: PostgresError.self) { try Endpoint("user=u \(text)") }
        #expect(error?.kind == .configuration)
    }

    @Test("give way to a server that is named by itself, with all else as it was")
    func named() throws {
        let endpoint = try Endpoint("host=a,b hostaddr=10.0.0.1,10.0.0.2 port=1,2 user=u application_name=x")
        let named = try #require(endpoint.at(host: "c", port: 7))
        #expect(named.places == ["c - 7"])
        #expect(named.description == endpoint.description)
        #expect(endpoint.places == ["a 10.0.0.1 1", "b 10.0.0.2 2"])
    }

    @Test(
        "give way to nothing that is no name of one host",
        arguments: [("", 1), ("a,b", 1), ("/run/postgresql", 1), ("@socket", 1), ("a", 0), ("a", 65_536)])
    func unnamed(host: String, port: Int) throws {
        #expect(try Endpoint("host=a user=u").at(host: host, port: port) == nil)
    }

    @Test(
        "are not tried with what libpq refuses whatever they say",
        arguments: [
            ("sslmode=sometimes", "sslmode"), ("gssencmode=x", "gssencmode"), ("channel_binding=x", "channel_binding"),
            ("target_session_attrs=leader", "target_session_attrs"), ("port=x", "port"), ("port=0", "port"),
            ("port=5432,70000", "port"), ("keepalives=x", "keepalives"), ("tcp_user_timeout=1s", "tcp_user_timeout"),
        ])
    func refused(text: String, culprit: String) throws {
        let error = #expect(throws: PostgresError.self) { try Endpoint("host=a,b user=u password=hidden \(text)") }
        #expect(error?.kind == .configuration)
        let problem = "\(try #require(error))"
        #expect(problem.contains(culprit) && !problem.contains("hidden"), "\(problem)")
        // What is left out or empty is libpq's to choose.
        _ = try Endpoint("host=a,b user=u sslmode=prefer port=5432, keepalives='' target_session_attrs=standby")
    }

    @Test("have three seconds each to let us in, or what the connection string says")
    func timeouts() throws {
        #expect(try Endpoint("host=a,b user=u").connectTimeout == .seconds(3))
        #expect(try Endpoint("host=a,b user=u connect_timeout=7").connectTimeout == .seconds(7))
        #expect(try Endpoint("host=a,b user=u connect_timeout=0").connectTimeout == .seconds(3))
        #expect(throws: PostgresError.self) { try Endpoint("host=a user=u connect_timeout=soon") }
    }

    @Test("have to take changes if there are several and nothing else is said")
    func kinds() throws {
        #expect(try Endpoint("host=a user=u").sessionKinds == ["any"])
        #expect(try Endpoint("host=a,b user=u").sessionKinds == ["read-write"])
        #expect(try Endpoint("host=a,b user=u target_session_attrs=any").sessionKinds == ["any"])
        #expect(try Endpoint("host=a,b user=u target_session_attrs=primary").sessionKinds == ["primary"])
        #expect(
            try Endpoint("host=a,b user=u target_session_attrs=prefer-standby").sessionKinds == ["standby", "any"])
        #expect(try Endpoint("host=a,b user=u").readOnly.sessionKinds == ["any"])
    }

    @Test("are handed to libpq one at a time, the name beside the address")
    func parameters() throws {
        let endpoint = try Endpoint("host=a,b port=1,2 user=u connect_timeout=9 client_encoding=LATIN1")
        let given = endpoint.parameters(
            for: Server(host: endpoint.hosts[1], address: "10.0.0.2"), "any", hasSettings: true)
        let values = Dictionary(given.map { ($0.keyword, $0.value) }) { first, _ in first + " and another" }
        #expect(values["host"] == "b" && values["hostaddr"] == "10.0.0.2" && values["port"] == "2")
        #expect(values["client_encoding"] == "UTF8" && values["connect_timeout"] == nil)
    }

    @Test("begin a session with the settings of a copy, behind what the url says and as one word each")
    func settings() throws {
        let endpoint = try Endpoint("host=a user=u options='-c work_mem=1MB'").with(setting: "x.y", #"a \ b"#)
        let server = Server(host: endpoint.hosts[0], address: nil)
        func options(_ hasSettings: Bool) -> [String] {
            endpoint.parameters(for: server, "any", hasSettings: hasSettings).filter { $0.keyword == "options" }.map(
                \.value)
        }
        #expect(options(true).count == 1 && options(true)[0].hasSuffix(#" -c work_mem=1MB -c x.y=a\ \\\ b"#))
        #expect(options(false) == ["-c work_mem=1MB"])
    }

    @Test("begin a session with no setting that the server does not know, and are set to the rest once it is known")
    func versions() throws {
        let endpoint = try Endpoint("host=a user=u options='-c transaction_timeout=9'")
        let server = Server(host: endpoint.hosts[0], address: nil)
        func begun(_ version: Int32) -> Set<String> {
            let options =
                endpoint.parameters(for: server, "any", hasSettings: true, version: version)
                .first { $0.keyword == "options" }?.value ?? ""
            return Set(
                options.split(separator: " ").filter { $0.hasSuffix("timeout=0") || $0.hasSuffix("timeout=15s") }.map(
                    String.init))
        }
        let always: Set = ["statement_timeout=0", "lock_timeout=0", "idle_in_transaction_session_timeout=15s"]
        #expect(begun(0) == always && begun(130_010) == always)
        #expect(begun(140_000) == always.union(["idle_session_timeout=0"]))
        #expect(begun(170_000) == always.union(["idle_session_timeout=0", "transaction_timeout=0"]))
        func missing(_ known: Int32, _ version: Int32, _ endpoint: Endpoint) -> [String] {
            endpoint.settingsMissing(known, of: version).map(\.name)
        }
        let plain = try Endpoint("host=a user=u")
        #expect(missing(0, 170_001, plain) == ["idle_session_timeout", "transaction_timeout"])
        #expect(missing(0, 170_001, endpoint) == ["idle_session_timeout"], "as the url says")
        #expect(missing(0, 150_000, plain) == ["idle_session_timeout"] && missing(0, 130_000, plain) == [])
        #expect(missing(170_001, 170_001, plain) == [])
        let memory = ServerMemory()
        memory.noteWorking(server, version: 170_001)
        #expect(memory.version(of: server) == 170_001)
        memory.noteFailed(server)
        #expect(memory.version(of: server) == 0, "an older one may have come in its place")
    }

    @Test("give a session limits of ours alone, text as it is written and times in UTC, unless the url says otherwise")
    func limits() async throws {
        let url = try await SharedPostgres.shared.makeDatabase()
        let name = try #require(url.split(separator: "/").last)
        for setting in [
            "statement_timeout = '1h'", "lock_timeout = '1h'", "idle_session_timeout = '1h'",
            "idle_in_transaction_session_timeout = '1h'", "standard_conforming_strings = off",
            "default_transaction_isolation = serializable", "TimeZone = 'Asia/Kathmandu'",
        ] {
            try await SharedPostgres.shared.running().0.psql("ALTER DATABASE \(name) SET \(setting)")
        }
        let isNew = try await SharedPostgres.shared.running().0.psql("SHOW server_version_num") >= "170000"
        if isNew {
            try await SharedPostgres.shared.running().0.psql("ALTER DATABASE \(name) SET transaction_timeout = '1h'")
        }
        /// Of the first connection, which finds out what the server knows, and of the second.
        func settings(_ options: String) async throws -> [String] {
            let endpoint = try Endpoint(url + options)
            var found: [String] = []
            for _ in 1...2 {
                let connection = try await Connection.connect(to: endpoint, logger: silentLogger)
                found += try await connection.rows(
                    """
                    SELECT concat_ws(' ', current_setting('statement_timeout'), current_setting('lock_timeout'),
                        current_setting('idle_in_transaction_session_timeout'), current_setting('idle_session_timeout'),
                        coalesce(current_setting('transaction_timeout', true), '0'),
                        current_setting('standard_conforming_strings'), current_setting('transaction_isolation'),
                        current_setting('TimeZone'))
                    """
                ) { try $0.string(0) }
            }
            return found
        }
        func twice(_ limits: String) -> [String] { Array(repeating: "\(limits) on read committed UTC", count: 2) }
        #expect(try await settings("") == twice("0 0 15s 0 0"))
        #expect(try await settings("?options=-c%20statement_timeout%3D2h") == twice("2h 0 15s 0 0"))
        #expect(try await settings("?options=-c%20idle_session_timeout%3D2h") == twice("0 0 15s 2h 0"))
    }

    @Test("are tried in the order of what is known of them")
    func order() throws {
        let memory = ServerMemory()
        let hosts = ["1", "2", "3"].map { Host(name: "10.0.0.\($0)", address: nil, port: "1") }
        let servers = hosts.map { Server(host: $0, address: $0.name) }
        func order() -> String { memory.ordered(hosts).compactMap { $0.name?.last }.map(String.init).joined() }
        #expect(order() == "123")
        memory.noteFailed(servers[0])
        #expect(order() == "231")
        memory.noteWorking(servers[2])
        #expect(order() == "321")
        memory.leave(servers[2])
        #expect(order() == "213", "the latest to fail is the last")
        memory.noteFailed(servers[1])
        #expect(order() == "132")
        memory.noteWorking(servers[0])
        #expect(order() == "132")
    }
}

extension String {
    /// A URI names its user itself.
    fileprivate var replacingUserOfURI: String {
        guard let scheme = self.firstRange(of: "postgresql://") else { return self }
        return "postgresql://u@\(self[scheme.upperBound...])"
    }
}

@Suite("Connecting to one of several servers")
struct SeveralHostsTests {
    private func port(_ connection: Connection) async throws -> Int {
        try await connection.numbers("SELECT inet_server_port()").first ?? 0
    }

    private func database() async throws -> (name: String, port: Int) {
        let (cluster, _) = try await SharedPostgres.shared.running()
        let url = try await SharedPostgres.shared.makeDatabase()
        return (String(url.split(separator: "/").last ?? ""), cluster.port)
    }

    @Test("goes on to the next when one refuses")
    func refuses() async throws {
        let (name, port) = try await self.database()
        let endpoint = try Endpoint("postgresql://hookline@127.0.0.1:\(try freePort()),127.0.0.1:\(port)/\(name)")
        #expect(try await self.port(Connection.connect(to: endpoint, logger: silentLogger)) == port)
    }

    @Test("goes on to the next when one never answers, and then begins with the one that did")
    func hangs() async throws {
        let (name, port) = try await self.database()
        let silent = try SilentServer()
        let endpoint = try Endpoint(
            "postgresql://hookline@127.0.0.1:\(silent.port),127.0.0.1:\(port)/\(name)?connect_timeout=5")
        for copy in [endpoint, endpoint.with(setting: "work_mem", "8MB"), endpoint] {
            #expect(try await self.port(Connection.connect(to: copy, logger: silentLogger)) == port)
        }
        #expect(silent.takeConnections() == 1)
    }

    @Test("tries each address of a name")
    func addresses() async throws {
        let (name, port) = try await self.database()
        // The server listens on IPv4 alone; somebody who never answers has its port on IPv6, where there is that.
        let silent = try? SilentServer(onIPv6: port)
        let endpoint = try Endpoint("host=localhost port=\(port) user=hookline dbname=\(name) connect_timeout=5")
        for _ in 0..<2 { #expect(try await self.port(Connection.connect(to: endpoint, logger: silentLogger)) == port) }
        #expect(silent.map { $0.takeConnections() <= 1 } != false)
    }

    @Test("says of each why not, and can be given up")
    func none() async throws {
        let silent = try SilentServer()
        let (first, second) = (try freePort(), try freePort())
        let endpoint = try Endpoint("postgresql://u@127.0.0.1:\(first),127.0.0.1:\(second)/db")
        let error = await #expect(throws: PostgresError.self) {
            try await Connection.connect(to: endpoint, logger: silentLogger)
        }
        #expect(error?.message.contains("port \(first)") == true && error?.message.contains("port \(second)") == true)
        // Nobody would wait for this one.
        let patient = try Endpoint("postgresql://u@127.0.0.1:\(silent.port)/db?connect_timeout=100000")
        let attempt = Task { try await Connection.connect(to: patient, logger: silentLogger) }
        try await waitUntil("the attempt") { silent.takeConnections() == 1 }
        attempt.cancel()
        await #expect(throws: PostgresError.self) { try await attempt.value }
    }

    @Test("leaves a server that has become read-only, with all connections to it")
    func demoted() async throws {
        let (name, port) = try await self.database()
        let folder = try Files.makeTemporaryFolder()
        let other = try await LocalPostgres.prepare(
            in: "\(folder)/postgres", port: freePort(), settings: ["fsync": "off"])
        let server = try await other.start()
        try await other.createDatabase(name)
        let endpoint = try Endpoint("postgresql://hookline@127.0.0.1:\(other.port),127.0.0.1:\(port)/\(name)")
        let early = try await Connection.connect(to: endpoint, logger: silentLogger)
        #expect(try await self.port(early) == other.port)
        try await other.psql("ALTER SYSTEM SET default_transaction_read_only = on")
        try await other.psql("SELECT pg_reload_conf()")
        try await waitUntil("it to take no changes") {
            try await early.numbers("SELECT (current_setting('transaction_read_only') = 'on')::int") == [1]
        }
        let another = try await Connection.connect(to: try Endpoint(other.url(database: name)), logger: silentLogger)
        await #expect(throws: PostgresError.self) { try await another.requireWritable(within: .seconds(30)) }
        #expect(await !another.isUsable)
        await #expect(throws: PostgresError.self) { try await early.execute("CREATE TABLE t ()") }
        #expect(await !early.isUsable)
        #expect(try await self.port(Connection.connect(to: endpoint, logger: silentLogger)) == port)
        await server.stop(2)
    }
}

extension Connection {
    func numbers(_ query: Query) throws -> [Int] {
        try self.query(query) { Int(try $0.int32(0)) }
    }
}
