internal import CLibPQ
internal import Threads

extension Connection {
    /// Runs a statement and decodes its rows on this thread.
    package func query<T: Sendable>(
        _ query: Query, _ decode: (borrowing Row) throws -> T
    ) throws -> [T] {
        try self.run(query).map(decode)
    }

    /// Runs a statement and answers how many rows it touched.
    @discardableResult
    package func execute(_ query: Query) throws(PostgresError) -> Int {
        try self.run(query).affectedRows
    }

    /// Runs a script of several statements without values, as migrations are. All or nothing, unless it says
    /// otherwise itself.
    package func executeScript(_ script: String, timeout: Duration = .seconds(600)) throws(PostgresError) {
        try self.checkUsable()
        let deadline = ContinuousClock.now + timeout
        guard unsafe PQsendQuery(self.handle.raw, script) == 1 else { throw self.broken() }
        do throws(PostgresError) {
            try self.checked(self.receive(until: deadline))
        } catch {
            if error.kind == .timeout { self.cancel(script) }
            throw error
        }
    }

    /// Runs `body` between BEGIN and COMMIT on this thread; any error rolls back and is thrown on.
    package func transaction<T: Sendable>(_ body: (isolated Connection) throws -> T) throws -> T {
        try self.execute("BEGIN")
        self.isInTransaction = true
        defer { self.isInTransaction = false }
        do {
            let value = try body(self)
            // PostgreSQL would answer the COMMIT with a rollback, and not call that an error.
            guard unsafe PQtransactionStatus(self.handle.raw) != PQTRANS_INERROR else {
                throw PostgresError(
                    .server, "a statement of the transaction failed", sqlState: .inFailedTransaction)
            }
            self.isInTransaction = false
            try self.execute("COMMIT")
            return value
        } catch {
            if self.isUsable {
                // A connection whose rollback fails is in no known state and is not used again.
                do { try self.execute("ROLLBACK") } catch { self.isUsable = false }
            }
            throw error
        }
    }

    /// Asks the server whether it takes changes. One that does not is left, and tried last from now on.
    ///
    /// - Throws: what a change would fail with (25006), among others.
    package func requireWritable(within timeout: Duration) throws {
        var query: Query =
            "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool, pg_is_in_recovery()"
        query.timeout = timeout
        guard let (isReadOnly, isStandby) = try self.query(query, { (try $0.bool(0), try $0.bool(1)) }).first,
            isReadOnly
        else { return }
        let error = PostgresError(
            .server, isStandby ? "it is a standby" : "it is read-only", sqlState: .readOnlyTransaction)
        self.note(error, isFatal: false)
        throw error
    }
}

// MARK: One statement

extension Connection {
    func run(_ query: Query) throws(PostgresError) -> ResultSet {
        try self.checkUsable()
        let now = ContinuousClock.now
        let deadline = self.answerDeadline.map { min($0, now + query.timeout) } ?? now + query.timeout
        // Nothing has been sent, so the connection is as good as before.
        guard deadline > now else { throw PostgresError(.timeout, "nobody waits for the answer any more") }
        do throws(PostgresError) {
            try self.attribute(query, until: deadline)
            try self.renewPlans(now: now, until: deadline)
            return try self.exchange(query, until: deadline)
        } catch {
            if error.kind == .timeout { self.cancel(query.sql) }
            throw error
        }
    }

    private func exchange(_ query: Query, until deadline: ContinuousClock.Instant) throws(PostgresError) -> ResultSet {
        let name = query.isPrepared ? try self.prepare(query, until: deadline) : ""
        let start = ContinuousClock.now
        try self.send(query, as: name)
        // Also if the answer is an error, such as that it took too long. What has no values looks for nothing: it is a COMMIT, say.
        defer { if !name.isEmpty, !query.parameters.isEmpty { self.plans.ran(from: start, to: .now) } }
        return try self.checked(self.receive(until: deadline))
    }

    /// See ``PlanAge``. Between transactions: within one it would be a statement of its own, before which no isolation can be set.
    private func renewPlans(
        now: ContinuousClock.Instant, until deadline: ContinuousClock.Instant
    ) throws(PostgresError) {
        guard unsafe PQtransactionStatus(self.handle.raw) == PQTRANS_IDLE, self.plans.isOver(now: now) else { return }
        _ = try self.exchange(Self.renewal, until: deadline)
    }

    private static let renewal: Query = {
        var query: Query = "DISCARD PLANS"
        query.isPrepared = false
        return query
    }()

    /// Tells the server who makes the changes that follow, if it was told of somebody else before. Outside of a transaction,
    /// so that no rollback undoes it; what only reads does without.
    private func attribute(_ query: Query, until deadline: ContinuousClock.Instant) throws(PostgresError) {
        guard self.attribution != self.attributed, !self.isInTransaction, !query.sql.hasPrefix("SELECT") else { return }
        _ = try self.exchange(Attribution.statement(self.attribution ?? self.openedWith), until: deadline)
        self.attributed = self.attribution
    }

    func checkUsable() throws(PostgresError) {
        guard self.isUsable else { throw PostgresError(.connectionLost, "the connection is closed") }
    }

    /// Has the server stop what nobody waits for any more.
    ///
    /// What may be committing is left alone: with synchronous replication it would end the wait for the standby, and
    /// show as committed what the standby does not have.
    private func cancel(_ sql: String) {
        guard self.isInTransaction || sql.hasPrefix("SELECT") else { return }
        Cancellation.start(self.handle, logger: self.logger)
    }

    /// The name under which the statement is prepared, preparing it first if this is its first use here.
    private func prepare(_ query: Query, until deadline: ContinuousClock.Instant) throws(PostgresError) -> String {
        if let name = self.prepared[query.sql] { return name }
        guard self.prepared.count < Self.mostPrepared else { return "" }
        let name = "s\(self.prepared.count)"
        let types = query.parameters.map(\.oid)
        guard unsafe PQsendPrepare(self.handle.raw, name, query.sql, Int32(types.count), types) == 1 else {
            throw self.broken()
        }
        try self.checked(self.receive(until: deadline))
        self.prepared[query.sql] = name
        return name
    }

    private func send(_ query: Query, as name: String) throws(PostgresError) {
        let parameters = query.parameters
        let sent = unsafe withPointers(to: parameters) { values, lengths in
            let formats = [Int32](repeating: 1, count: parameters.count)
            guard name.isEmpty else {
                return unsafe PQsendQueryPrepared(
                    self.handle.raw, name, Int32(parameters.count), values, lengths, formats, 1)
            }
            return unsafe PQsendQueryParams(
                self.handle.raw, query.sql, Int32(parameters.count), parameters.map(\.oid), values, lengths, formats, 1)
        }
        guard sent == 1 else { throw self.broken() }
    }

    /// The last result of what was sent; errors come back as results too.
    private func receive(until deadline: ContinuousClock.Instant) throws(PostgresError) -> ResultSet {
        try self.flush(until: deadline)
        var last: OpaquePointer?
        while true {
            do throws(PostgresError) {
                while unsafe PQisBusy(self.handle.raw) == 1 {
                    try self.wait(.readable, until: deadline, failing: .timeout)
                    guard unsafe PQconsumeInput(self.handle.raw) == 1 else { throw self.broken() }
                }
            } catch {
                unsafe PQclear(last)
                throw error
            }
            guard let next = unsafe PQgetResult(self.handle.raw) else { break }
            // A script has one result per statement; the first error ends it and is the one to report.
            let failed = unsafe last.map { unsafe PQresultStatus($0) == PGRES_FATAL_ERROR } ?? false
            if failed {
                unsafe PQclear(next)
            } else {
                unsafe PQclear(last)
                unsafe last = next
            }
        }
        guard let last = unsafe last else { throw self.broken() }
        return unsafe ResultSet(last)
    }

    private func flush(until deadline: ContinuousClock.Instant) throws(PostgresError) {
        while true {
            switch unsafe PQflush(self.handle.raw) {
            case 0: return
            case 1:
                // Reading as well while writing: a server that cannot get rid of its answers stops reading ours.
                let ready = try self.wait([.readable, .writable], until: deadline, failing: .timeout)
                if ready.contains(.readable), unsafe PQconsumeInput(self.handle.raw) != 1 { throw self.broken() }
            default: throw self.broken()
            }
        }
    }

    @discardableResult
    private func checked(_ result: consuming ResultSet) throws(PostgresError) -> ResultSet {
        switch result.status {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
            return result
        default:
            let error = result.error
            self.note(error, isFatal: result.isFatal)
            throw error
        }
    }

    /// Leaves a server that does not serve any more, or not this connection.
    private func note(_ error: PostgresError, isFatal: Bool) {
        if isFatal || error.kind == .connectionLost || error.sqlState?.endsConnection == true { self.isUsable = false }
        if error.sqlState == .readOnlyTransaction, let server = self.server { self.memory.leave(server) }
    }

    @discardableResult
    private func wait(
        _ events: Readiness, until deadline: ContinuousClock.Instant, failing kind: PostgresError.Kind
    ) throws(PostgresError) -> Readiness {
        while true {
            // In parts, so that a server which others have found to hang is not waited for to the end.
            let part = min(deadline, .now + .seconds(1))
            switch unsafe self.executor.wait(for: PQsocket(self.handle.raw), events: events, until: part) {
            case .ready(let readiness): return readiness
            case .woken: self.wasWoken = true
            case .timedOut:
                if self.memory.departures != self.bornAt {
                    self.isUsable = false
                    throw PostgresError(.connectionLost, "the server was left: it hangs, or takes no changes")
                }
                guard part < deadline else {
                    self.isUsable = false
                    throw PostgresError(kind, "no answer in time")
                }
            }
        }
    }

    func broken() -> PostgresError {
        self.isUsable = false
        return PostgresError(.connectionLost, self.handle.errorMessage)
    }
}
