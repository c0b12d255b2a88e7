internal import CLibPQ
internal import Values

/// Where the database is and how to log in: libpq's keywords and values.
///
/// Printing it shows the keywords alone, because a value may be a password.
@safe
package struct Endpoint: Sendable, CustomStringConvertible, CustomReflectable {
    struct Parameter: Sendable {
        var keyword: String
        var value: String
    }

    /// What a session is set to.
    struct Setting: Sendable {
        var name: String
        var value: String
        /// The first server that knows it, as `PQserverVersion` counts: others let nobody in who begins with it.
        var since: Int32 = 0
    }

    /// All but those that say which server is meant.
    private var parameters: [Parameter] = []
    /// In the order in which they were said: the last word counts.
    private(set) var settings: [Setting] = []
    private(set) var hosts: [Host]
    /// Shared by all copies that lead to the same servers.
    private(set) var memory = ServerMemory()
    /// What a server has to be (`target_session_attrs`); nil if nothing is said.
    private let wanted: String?
    private var isReadOnly = false
    /// How long each address of each host is tried: `connect_timeout`, or 3 s.
    package var connectTimeout: Duration = .seconds(3)

    /// What every session is set to unless the connection string says otherwise, as `pg_dump` does with its own. A limit that a
    /// server or a role has for people would keep an index from being built for ever; what is asked here has limits of its own
    /// (``Query/timeout``). Text of ours means what it says, and a statement sees what was committed before it, as who waits for a row or a
    /// lock has to. What the server makes text of, or cuts to the hour, is the same whoever asks. In a
    /// transaction of ours nothing is waited for but the server: one that is idle belongs to somebody whom it does not hear any more, behind a
    /// proxy or a network that has fallen silent, and who would wait for its locks by another way.
    private static let basics = [
        Setting(name: "statement_timeout", value: "0"), Setting(name: "lock_timeout", value: "0"),
        Setting(name: "idle_in_transaction_session_timeout", value: "15s"),
        Setting(name: "idle_session_timeout", value: "0", since: 140_000),
        Setting(name: "transaction_timeout", value: "0", since: 170_000),
        Setting(name: "standard_conforming_strings", value: "on"),
        Setting(name: "default_transaction_isolation", value: "read committed"),
        Setting(name: "TimeZone", value: "UTC"),
    ]

    private static func basics(of version: Int32) -> [Setting] { Self.basics.filter { $0.since <= version } }

    /// What a session is set to after it was opened, if it cannot begin with it.
    ///
    /// - Parameter version: the server's.
    func settingsAfterwards(_ version: Int32) -> [Setting] { Self.basics(of: version) + self.settings }

    /// What a session was not begun with because nobody knew the server's version, which turned out to be newer. What the
    /// connection string speaks of is as that says.
    func settingsMissing(_ known: Int32, of version: Int32) -> [Setting] {
        let given = self.parameters.last { $0.keyword == "options" }?.value ?? ""
        return Self.basics(of: version).filter { $0.since > known && !given.contains($0.name) }
    }

    /// What is not passed on as it was given, but said anew for each server that is tried.
    private static var replaced: [String] {
        ["host", "hostaddr", "port", "target_session_attrs", "connect_timeout", "client_encoding"]
    }

    /// Reads a libpq connection string (`host=… user=…`) or a `postgresql://` URI.
    ///
    /// - Throws: ``PostgresError`` of kind `configuration`.
    package init(_ connectionString: String) throws(PostgresError) {
        var message: UnsafeMutablePointer<CChar>?
        guard let options = unsafe PQconninfoParse(connectionString, &message) else {
            defer { unsafe PQfreemem(message) }
            // libpq quotes the string at fault, and with it perhaps the password: only the shape is told.
            throw PostgresError(
                .configuration, "not a libpq connection string (host=… dbname=…) or postgresql:// URI")
        }
        defer { unsafe PQconninfoFree(options) }
        let given = unsafe Self.read(options)
        let effective = try Self.effective(given)
        func value(_ keyword: String) -> String? { effective.last { $0.keyword == keyword }?.value }
        self.hosts = Host.list(names: value("host"), addresses: value("hostaddr"), ports: value("port"))
        try Self.check(given, effective, self.hosts)
        // "any" is what libpq says if nobody says anything.
        let isGiven = given.contains { $0.keyword == "target_session_attrs" }
        self.wanted = value("target_session_attrs").flatMap { isGiven || $0 != "any" ? $0 : nil }
        if let text = value("connect_timeout") {
            guard let seconds = Int32(text) else {
                throw PostgresError(.configuration, "connect_timeout must be a number of seconds")
            }
            // 0 is for ever in libpq, which a service cannot want.
            if seconds > 0 { self.connectTimeout = .seconds(Int64(seconds)) }
        }
        self.parameters = given.filter { !Self.replaced.contains($0.keyword) }
        // `PGOPTIONS` and a service file are not asked for what is said here, and something always is.
        if !given.contains(where: { $0.keyword == "options" }), let options = value("options"), !options.isEmpty {
            self.parameters.append(Parameter(keyword: "options", value: options))
        }
        for (keyword, value) in Self.defaults where !effective.contains(where: { $0.keyword == keyword }) {
            self.parameters.append(Parameter(keyword: keyword, value: value))
        }
    }

    private static var defaults: KeyValuePairs<String, String> {
        [
            "application_name": "hookline",
            // A server that vanished without a word is noticed within about 20 seconds.
            "tcp_user_timeout": "20000", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "2",
        ]
    }

    private static func read(_ options: UnsafeMutablePointer<PQconninfoOption>) -> [Parameter] {
        var found: [Parameter] = []
        var option = unsafe options
        while let keyword = unsafe option.pointee.keyword {
            if let value = unsafe option.pointee.val {
                unsafe found.append(Parameter(keyword: String(cString: keyword), value: String(cString: value)))
            }
            unsafe option += 1
        }
        return found
    }

    /// What the string comes to together with a service file and the environment.
    private static func effective(_ given: [Parameter]) throws(PostgresError) -> [Parameter] {
        // libpq has no call that only tells. A connection with a value that it refuses after it has read all the rest,
        // and before it looks for a server, does.
        let refused = "channel_binding"
        let handle = try Handle(given + [Parameter(keyword: refused, value: "?")])
        let problem = handle.errorMessage
        guard problem.contains(refused), let options = unsafe PQconninfo(handle.raw) else {
            throw PostgresError(.configuration, problem)
        }
        defer { unsafe PQconninfoFree(options) }
        return unsafe self.read(options)
    }

    /// That libpq takes what is said: what it refuses whatever the server says would be tried for ever.
    private static func check(
        _ given: [Parameter], _ effective: [Parameter], _ hosts: [Host]
    ) throws(PostgresError) {
        // Of what it looks at before it looks for a server this comes last (in some versions load_balance_hosts).
        let refused = "target_session_attrs"
        let problem = try Handle(given + [Parameter(keyword: refused, value: "?")]).errorMessage
        guard problem.contains(refused) else { throw PostgresError(.configuration, problem) }
        for parameter in effective where parameter.keyword == refused && !self.kinds.contains(parameter.value) {
            throw PostgresError(.configuration, "\(refused) must be one of \(self.kinds.joined(separator: ", "))")
        }
        // It reads numbers when it has found a server.
        guard hosts.allSatisfy({ (1...65_535).contains(Int($0.port.trimmingSpaces) ?? 0) }) else {
            throw PostgresError(.configuration, "port must be numbers from 1 to 65535")
        }
        for parameter in effective where self.numbers.contains(parameter.keyword) && !parameter.value.isEmpty {
            guard Int32(parameter.value.trimmingSpaces) != nil else {
                throw PostgresError(.configuration, "\(parameter.keyword) must be a number")
            }
        }
    }

    private static var kinds: [String] {
        ["any", "read-write", "read-only", "primary", "standby", "prefer-standby"]
    }

    private static var numbers: [String] {
        ["keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"]
    }
}

// MARK: Servers

extension Endpoint {
    /// What a server has to be, in the order in which that is looked for.
    ///
    /// Of several hosts one may be a standby, which is of no use to who writes, so they are asked.
    var sessionKinds: [String] {
        switch self.wanted {
        case "prefer-standby"?: ["standby", "any"]
        case let wanted?: [wanted]
        case nil: [self.hosts.count > 1 && !self.isReadOnly ? "read-write" : "any"]
        }
    }

    /// What libpq has to know to try this server and no other.
    ///
    /// - Parameters:
    ///   - hasSettings: whether the session begins with the settings, which costs no round trip.
    ///   - version: the server's as far as it is known, or 0.
    func parameters(for server: Server, _ kind: String, hasSettings: Bool, version: Int32 = 0) -> [Parameter] {
        // The name stays beside the address: certificates and password files go by it.
        let place = [
            ("host", server.host.name), ("hostaddr", server.address), ("port", server.host.port),
            ("target_session_attrs", kind), ("client_encoding", "UTF8"),
        ]
        var parameters = self.parameters
        if hasSettings {
            let given = parameters.firstIndex { $0.keyword == "options" }.map { parameters.remove(at: $0).value }
            let options =
                Self.basics(of: version).map(\.option) + (given.map { [$0] } ?? []) + self.settings.map(\.option)
            parameters.append(Parameter(keyword: "options", value: options.joined(separator: " ")))
        }
        return parameters
            + place.compactMap { keyword, value in value.map { Parameter(keyword: keyword, value: $0) } }
    }
}

// MARK: Copies

extension Endpoint {
    /// A copy with one more server setting for the sessions made from it, e.g. `synchronous_commit`.
    package func with(setting name: String, _ value: String) -> Endpoint {
        var copy = self
        copy.settings.append(Setting(name: name, value: value))
        return copy
    }

    /// A copy that leads to this server, and to no other, with all else as it is; nil if it is no name or address of a host.
    package func at(host: String, port: Int) -> Endpoint? {
        // libpq would take a comma for the end of one host, and what begins so for the folder of a socket.
        let isName = !host.isEmpty && !host.contains(",") && !host.hasPrefix("/") && !host.hasPrefix("@")
        guard isName, (1...65_535).contains(port) else { return nil }
        var copy = self
        copy.hosts = [Host(name: host, address: nil, port: "\(port)")]
        copy.memory = ServerMemory()
        return copy
    }

    /// A copy whose sessions cannot change anything, for which a standby is as good.
    package var readOnly: Endpoint {
        var copy = self.with(setting: "default_transaction_read_only", "on")
        copy.isReadOnly = true
        return copy
    }

    package var description: String {
        "Endpoint(\(self.parameters.map(\.keyword).joined(separator: ", ")))"
    }

    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension Endpoint.Setting {
    /// As a part of `options`, where spaces and backslashes part what they stand in.
    fileprivate var option: String {
        "-c \(self.name)=" + self.value.replacing("\\", with: "\\\\").replacing(" ", with: "\\ ")
    }
}
