internal import CLibPQ
package import Logging
internal import Threads

/// One connection to PostgreSQL: a libpq handle with a thread of its own.
///
/// Everything it does runs on that thread, so the C calls are plain synchronous code and a closure that is handed to
/// it (`isolated Connection`) runs as a whole: no other statement can slip in between. Waiting is always a `poll(2)`
/// with a deadline, never a blocking libpq call.
package actor Connection {
    private let executor: ThreadExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe self.executor.asUnownedSerialExecutor()
    }

    private let handle: Handle
    private let logger: Logger
    /// Statement text to the name it was prepared under. Texts are written by this program, so they are few.
    private var prepared: [String: String] = [:]
    private static let mostPrepared = 256

    /// Whether the connection can still be used. Once false it stays so.
    package private(set) var isUsable = true

    private init(executor: ThreadExecutor, handle: consuming Handle, logger: Logger) {
        self.executor = executor
        self.handle = handle
        self.logger = logger
    }

    deinit {
        self.executor.stop()
    }

    /// Connects and waits until the server lets us in.
    ///
    /// - Throws: ``PostgresError`` of kind `connect` or `timeout`; the message never holds the password.
    package static func connect(to endpoint: Endpoint, logger: Logger) async throws(PostgresError) -> Connection {
        let handle = try Handle.startConnecting(to: endpoint)
        let connection = Connection(
            executor: ThreadExecutor(name: "postgres"), handle: handle, logger: logger)
        try await connection.finishConnecting(within: endpoint.connectTimeout)
        return connection
    }

    private func finishConnecting(within timeout: Duration) throws(PostgresError) {
        let deadline = ContinuousClock.now + timeout
        // The first wait is for writing, as the manual says of PQconnectPoll.
        var polling = PGRES_POLLING_WRITING
        while true {
            switch polling {
            case PGRES_POLLING_OK:
                unsafe PQsetnonblocking(self.handle.raw, 1)
                return self.installNoticeProcessor()
            case PGRES_POLLING_READING:
                try self.wait(.readable, until: deadline, failing: .timeout)
            case PGRES_POLLING_WRITING:
                try self.wait(.writable, until: deadline, failing: .timeout)
            default:
                self.isUsable = false
                throw unsafe PostgresError(.connect, trimmed(PQerrorMessage(self.handle.raw)))
            }
            polling = unsafe PQconnectPoll(self.handle.raw)
        }
    }

    private func installNoticeProcessor() {
        // libpq prints notices to stderr otherwise, past the log. The box lives as long as the handle.
        let box = self.handle.notices
        box.logger = self.logger
        unsafe PQsetNoticeProcessor(
            self.handle.raw,
            { box, message in
                guard let box = unsafe box else { return }
                unsafe Unmanaged<NoticeBox>.fromOpaque(box).takeUnretainedValue()
                    .logger?.info("notice from PostgreSQL", metadata: ["notice": "\(trimmed(message))"])
            }, Unmanaged.passUnretained(box).toOpaque())
    }
}

// MARK: Statements

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
        try self.checked(self.receive(until: deadline))
    }

    /// Runs `body` between BEGIN and COMMIT on this thread; any error rolls back and is thrown on.
    package func transaction<T: Sendable>(_ body: (isolated Connection) throws -> T) throws -> T {
        try self.execute("BEGIN")
        do {
            let value = try body(self)
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

    private func run(_ query: Query) throws(PostgresError) -> ResultSet {
        try self.checkUsable()
        let deadline = ContinuousClock.now + query.timeout
        let name = try self.prepare(query, until: deadline)
        try self.send(query, as: name)
        return try self.checked(self.receive(until: deadline))
    }

    private func checkUsable() throws(PostgresError) {
        guard self.isUsable else { throw PostgresError(.connectionLost, "the connection is closed") }
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
            // Class 57P: the server is going down; this connection will not come back.
            if error.kind == .connectionLost || error.sqlState?.code.hasPrefix("57P") == true {
                self.isUsable = false
            }
            throw error
        }
    }

    @discardableResult
    private func wait(
        _ events: Readiness, until deadline: ContinuousClock.Instant, failing kind: PostgresError.Kind
    ) throws(PostgresError) -> Readiness {
        while true {
            switch unsafe self.executor.wait(for: PQsocket(self.handle.raw), events: events, until: deadline) {
            case .ready(let readiness): return readiness
            case .woken: continue
            case .timedOut:
                self.isUsable = false
                throw PostgresError(kind, "no answer in time")
            }
        }
    }

    private func broken() -> PostgresError {
        self.isUsable = false
        return unsafe PostgresError(.connectionLost, trimmed(PQerrorMessage(self.handle.raw)))
    }
}

// MARK: Notifications

/// What another session said with NOTIFY.
package struct Notification: Sendable, Equatable {
    package let channel: String
    package let payload: String

    package init(channel: String, payload: String) {
        self.channel = channel
        self.payload = payload
    }
}

extension Connection {
    /// Starts listening on a channel.
    package func listen(to channel: String) throws(PostgresError) {
        // LISTEN takes no values; a quoted identifier with doubled quotes is exact for any name.
        try self.executeScript(
            "LISTEN \"\(channel.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\"")
    }

    /// Waits for notifications on the channels this connection listens to, and answers all that are there.
    ///
    /// - Returns: empty when `timeout` passed, or when ``interrupt()`` was called.
    package func notifications(within timeout: Duration) throws(PostgresError) -> [Notification] {
        try self.checkUsable()
        let deadline = ContinuousClock.now + timeout
        while true {
            guard unsafe PQconsumeInput(self.handle.raw) == 1 else { throw self.broken() }
            let found = self.takeNotifications()
            if !found.isEmpty { return found }
            switch unsafe self.executor.wait(for: PQsocket(self.handle.raw), events: .readable, until: deadline) {
            case .ready: continue
            case .woken, .timedOut: return []
            }
        }
    }

    /// Ends a ``notifications(within:)`` that is under way.
    package nonisolated func interrupt() {
        self.executor.wake()
    }

    private func takeNotifications() -> [Notification] {
        var found: [Notification] = []
        while let notify = unsafe PQnotifies(self.handle.raw) {
            found.append(
                unsafe Notification(
                    channel: String(cString: notify.pointee.relname), payload: String(cString: notify.pointee.extra)))
            unsafe PQfreemem(notify)
        }
        return found
    }
}

// MARK: The handle

/// Where notices go; a class, because C keeps a pointer to it.
private final class NoticeBox {
    var logger: Logger?
}

/// Owns the `PGconn`, from the first step of connecting on.
@safe
private struct Handle: ~Copyable {
    let raw: OpaquePointer
    let notices = NoticeBox()

    private init(_ raw: OpaquePointer) {
        unsafe self.raw = raw
    }

    static func startConnecting(to endpoint: Endpoint) throws(PostgresError) -> Handle {
        let keywords = endpoint.parameters.map(\.keyword)
        let values = endpoint.parameters.map(\.value)
        let raw = unsafe withCStrings(keywords) { keywords in
            unsafe withCStrings(values) { values in
                // 1: a connection string in `dbname` is expanded, which is how a URI gets in.
                unsafe PQconnectStartParams(keywords, values, 1)
            }
        }
        guard let raw = unsafe raw else { throw PostgresError(.connect, "out of memory") }
        let handle = unsafe Handle(raw)
        if unsafe PQstatus(raw) == CONNECTION_BAD {
            throw unsafe PostgresError(.connect, trimmed(PQerrorMessage(raw)))
        }
        return handle
    }

    deinit {
        unsafe PQfinish(self.raw)
    }
}

/// Null-terminated array of C strings, valid during `body`.
private func withCStrings<T>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> T
) -> T {
    var storage: [CChar] = []
    var offsets: [Int] = []
    for string in strings {
        offsets.append(storage.count)
        storage.append(contentsOf: string.utf8CString)
    }
    return unsafe storage.withUnsafeBufferPointer { storage in
        var pointers = unsafe offsets.map { unsafe UnsafePointer<CChar>?(storage.baseAddress! + $0) }
        unsafe pointers.append(nil)
        return unsafe body(pointers)
    }
}

/// The parameters' addresses and lengths, valid during `body`. One buffer holds them all, so that no pointer is
/// taken into an array that could move.
private func withPointers(
    to parameters: [Parameter], _ body: ([UnsafePointer<CChar>?], [Int32]) -> Int32
) -> Int32 {
    var pointers: [UnsafePointer<CChar>?] = unsafe []
    var lengths: [Int32] = []
    func next(_ rest: ArraySlice<Parameter>) -> Int32 {
        guard let first = rest.first else { return unsafe body(pointers, lengths) }
        guard let bytes = first.bytes else {
            unsafe pointers.append(nil)
            lengths.append(0)
            return next(rest.dropFirst())
        }
        return unsafe bytes.withUnsafeBytes { raw in
            // An empty value still needs an address: null would mean NULL.
            let address = unsafe raw.baseAddress ?? UnsafeRawPointer(bitPattern: 1)
            unsafe pointers.append(address?.assumingMemoryBound(to: CChar.self))
            lengths.append(Int32(raw.count))
            return next(rest.dropFirst())
        }
    }
    return next(parameters[...])
}
