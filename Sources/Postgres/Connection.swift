internal import CLibPQ
package import Logging
internal import Synchronization
package import Threads

/// One connection to PostgreSQL: a libpq handle with a thread of its own.
///
/// Everything it does runs on that thread, so the C calls are plain synchronous code and a closure that is handed to
/// it (`isolated Connection`) runs as a whole: no other statement can slip in between. Waiting is always a `poll(2)`
/// with a deadline, never a blocking libpq call; only looking up a host's name may block it.
package actor Connection {
    private let thread: DedicatedThread
    nonisolated var executor: ThreadExecutor { self.thread.executor }
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe self.executor.asUnownedSerialExecutor()
    }

    var handle = Handle()
    let logger: Logger
    /// Statement text to the name it was prepared under. Texts are written by this program, so they are few.
    var prepared: [String: String] = [:]
    static let mostPrepared = 256
    var plans = PlanAge(now: .now)

    /// Whether the connection can still be used. Once false it stays so.
    package internal(set) var isUsable = false
    /// Whether the statement that runs is part of a transaction and not its COMMIT.
    var isInTransaction = false
    /// Whose changes are made here, and who the server was last told makes them.
    var attribution: String?
    var attributed: String?
    /// Who makes them if nobody is named, where the session could not begin with it.
    var openedWith: String?
    /// When nobody waits any more for what is asked here; nil if there is no such time.
    var answerDeadline: ContinuousClock.Instant?
    /// Whether somebody called ``interrupt()``, or a job came, during a statement.
    var wasWoken = false
    /// When the server was last known to answer, while listening.
    var lastHeard: ContinuousClock.Instant?

    let memory: ServerMemory
    var server: Server?
    /// The socket, once there is a connection.
    let socket = Atomic<Int32>(-1)
    /// ``ServerMemory/departures`` when it was made.
    let bornAt: Int

    private init(on thread: DedicatedThread, memory: ServerMemory, logger: Logger) {
        self.thread = thread
        self.memory = memory
        self.bornAt = memory.departures
        self.logger = logger
    }

    /// Connects to the first server of the endpoint that lets us in, the one that worked last before the others. Each
    /// address has ``Endpoint/connectTimeout`` of its own.
    ///
    /// - Parameter thread: where it works and waits; nil is one of its own.
    /// - Throws: ``PostgresError`` of kind `connect`, `refused` or `timeout`, with what each server said; the message
    ///   never holds the password.
    package static func connect(
        to endpoint: Endpoint, on thread: DedicatedThread? = nil, logger: Logger
    ) async throws(PostgresError) -> Connection {
        let place: DedicatedThread
        if let thread { place = thread } else { place = try Self.ownThread() }
        let connection = Connection(on: place, memory: endpoint.memory, logger: logger)
        let result = await withTaskCancellationHandler {
            await connection.reach(endpoint)
        } onCancel: {
            connection.interrupt()
        }
        try result.get()
        return connection
    }

    private static func ownThread() throws(PostgresError) -> DedicatedThread {
        do throws(ThreadError) { return try DedicatedThread(name: "postgres") } catch {
            throw PostgresError(.connect, error.description)
        }
    }

    // MARK: Lending

    /// Whether an idle connection can be expected to work: its server said nothing since, as it does when it closes
    /// it, and no server was left. One system call, on any thread.
    nonisolated var isQuiet: Bool {
        self.bornAt == self.memory.departures
            && Readiness.now(of: self.socket.load(ordering: .relaxed), .readable).isEmpty
    }

    /// Runs `body` as a whole.
    ///
    /// - Returns: also whether the connection can be lent again: whether it is in a known state, outside of any transaction.
    ///   To ask that by itself would be another way to this thread and back.
    func perform<T: Sendable>(
        _ body: @Sendable (isolated Connection) throws -> T
    ) -> (result: Result<T, any Error>, isReusable: Bool) {
        self.attribution = Attribution.current
        self.answerDeadline = AnswerDeadline.current
        let result = Result { try body(self) }
        return unsafe (result, self.isUsable && PQtransactionStatus(self.handle.raw) == PQTRANS_IDLE)
    }
}
