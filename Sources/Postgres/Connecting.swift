internal import CLibPQ
internal import Synchronization
internal import Threads

extension Connection {
    /// Tries the servers one after the other until one lets us in, or the caller gives up.
    func reach(_ endpoint: Endpoint) -> Result<Void, PostgresError> {
        var failures: [PostgresError] = []
        for kind in endpoint.sessionKinds {
            for host in self.memory.ordered(endpoint.hosts) {
                do throws(PostgresError) {
                    for server in try self.memory.servers(of: host) {
                        if self.tries(server, kind, endpoint, &failures) { return .success(()) }
                        if Task.isCancelled { return .failure(.all(failures)) }
                    }
                } catch {
                    failures.append(error)
                }
            }
        }
        return .failure(.all(failures))
    }

    private func tries(
        _ server: Server, _ kind: String, _ endpoint: Endpoint, _ failures: inout [PostgresError]
    ) -> Bool {
        do throws(PostgresError) {
            let dropsSettings = try self.open(server, kind, endpoint)
            self.memory.noteWorking(server, version: self.serverVersion, dropsSettings: dropsSettings)
            return true
        } catch {
            if !Task.isCancelled { self.memory.noteFailed(server) }
            failures.append(error)
            return false
        }
    }

    /// - Returns: whether there is a pooler between that drops what a session is to begin with.
    private func open(_ server: Server, _ kind: String, _ endpoint: Endpoint) throws(PostgresError) -> Bool {
        // A server that others have connected to begins with all; of one that is new the rest is said once it has told its version.
        let known = self.memory.version(of: server)
        func dial(hasSettings: Bool) throws(PostgresError) {
            let parameters = endpoint.parameters(for: server, kind, hasSettings: hasSettings, version: known)
            try self.dial(server, parameters, within: endpoint.connectTimeout)
        }
        do throws(PostgresError) { try dial(hasSettings: true) } catch {
            guard error.isOfPooler else { throw error }
            try dial(hasSettings: false)
            try self.setAll(of: endpoint)
            return false
        }
        let dropsSettings = known == 0 ? try self.lacksSettings(of: endpoint) : self.memory.dropsSettings(server)
        if dropsSettings {
            try self.setAll(of: endpoint)
        } else {
            let missing = endpoint.settingsMissing(known, of: self.serverVersion)
            if !missing.isEmpty { try self.set(missing) }
        }
        return dropsSettings
    }

    private func setAll(of endpoint: Endpoint) throws(PostgresError) {
        let settings = endpoint.settingsAfterwards(self.serverVersion)
        try self.set(settings)
        self.openedWith = settings.last { $0.name == Attribution.setting }?.value
    }

    /// Whether the session has not begun with what it was to begin with: PgBouncer takes the options of a client and passes on none of
    /// them, if its `ignore_startup_parameters` says so. Seen by a setting that nobody else has.
    private func lacksSettings(of endpoint: Endpoint) throws(PostgresError) -> Bool {
        guard let author = endpoint.settings.last(where: { $0.name == Attribution.setting }) else { return false }
        var query: Query = "SELECT WHERE current_setting(\(author.name), true) = \(author.value)"
        query.isPrepared = false
        return try self.execute(query) == 0
    }

    /// The process that the server said would answer. A pooler between says another one than does.
    package var serverProcess: Int32 { unsafe PQbackendPID(self.handle.raw) }

    /// Such as 170004; 0 if there is no connection.
    private var serverVersion: Int32 { unsafe PQserverVersion(self.handle.raw) }

    /// What a session does not begin with.
    private func set(_ settings: [Endpoint.Setting]) throws(PostgresError) {
        var query: Query = """
            SELECT set_config(name, value, false)
            FROM unnest(\(settings.map(\.name)), \(settings.map(\.value))) AS setting(name, value)
            """
        query.isPrepared = false
        try self.execute(query)
    }

    private func dial(
        _ server: Server, _ parameters: [Endpoint.Parameter], within timeout: Duration
    ) throws(PostgresError) {
        let deadline = ContinuousClock.now + timeout
        self.handle = try Handle(parameters)
        // The first wait is for writing, as the manual says of PQconnectPoll.
        var polling = PGRES_POLLING_WRITING
        var status = unsafe PQstatus(self.handle.raw)
        if status == CONNECTION_BAD { polling = PGRES_POLLING_FAILED }
        while polling != PGRES_POLLING_OK {
            guard polling != PGRES_POLLING_FAILED else { throw self.connectFailure(after: status) }
            guard self.waitToConnect(polling == PGRES_POLLING_READING ? .readable : .writable, until: deadline) else {
                throw PostgresError(.timeout, "\(server) did not answer in time")
            }
            status = unsafe PQstatus(self.handle.raw)
            polling = unsafe PQconnectPoll(self.handle.raw)
        }
        unsafe PQsetnonblocking(self.handle.raw, 1)
        self.handle.sendNotices(to: self.logger)
        unsafe self.socket.store(PQsocket(self.handle.raw), ordering: .relaxed)
        self.server = server
        self.isUsable = true
    }

    /// - Returns: false when the time is over or the caller has given up.
    private func waitToConnect(_ events: Readiness, until deadline: ContinuousClock.Instant) -> Bool {
        while !Task.isCancelled {
            switch unsafe self.executor.wait(for: PQsocket(self.handle.raw), events: events, until: deadline) {
            case .ready: return true
            case .woken: continue
            case .timedOut: return false
            }
        }
        return false
    }

    /// - Parameter status: how far it had come.
    private func connectFailure(after status: ConnStatusType) -> PostgresError {
        let lines = self.handle.errorMessage.split(whereSeparator: \.isNewline).map(\.trimmed)
        let message = lines.joined(separator: " ")
        // Up to here nobody has answered as PostgreSQL does. A server that dies says nothing either.
        let early = [CONNECTION_BAD, CONNECTION_STARTED, CONNECTION_MADE, CONNECTION_NEEDED, CONNECTION_SSL_STARTUP]
        guard !early.contains(status), !message.contains("server closed the connection unexpectedly") else {
            return PostgresError(.connect, message)
        }
        // libpq's own words, with addresses, come first: `connection to server at … failed: FATAL:  …`.
        let words = lines.last.flatMap { line in
            line.ranges(of: "failed: ").last.map { line[$0.upperBound...].trimmed }
        }
        return PostgresError(.refused, message, refusal: words ?? message)
    }
}

extension PostgresError {
    /// Whether a pooler refuses to pass on what a session is to begin with, as PgBouncer does.
    fileprivate var isOfPooler: Bool { self.refusal?.contains("unsupported startup parameter") ?? false }

    /// What several servers said, as one.
    static func all(_ failures: [PostgresError]) -> PostgresError {
        let refused = failures.last { $0.kind == .refused }
        let kind =
            refused?.kind ?? (failures.contains { $0.kind == .connect } || failures.isEmpty ? .connect : .timeout)
        let messages = failures.isEmpty ? ["no host has an address"] : failures.suffix(8).map(\.message)
        return PostgresError(kind, messages.joined(separator: "; "), refusal: refused?.refusal)
    }
}

extension StringProtocol {
    fileprivate var trimmed: String {
        String(self.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
