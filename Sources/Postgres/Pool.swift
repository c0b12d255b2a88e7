internal import DequeModule
package import Logging
internal import Synchronization
package import Threads

/// A bounded set of connections, opened when needed and lent to one caller at a time.
package final class Pool: Sendable {
    package struct Configuration: Sendable {
        /// The most connections open at a time; each has a thread of its own.
        package var size = 4
        /// The most callers waiting for one; the next is refused at once.
        package var mostWaiting = 512
        /// How long a caller waits for a connection.
        package var patience: Duration = .seconds(10)
        /// Where its connections work and wait; nil is a thread for each. A thread that others use too is for a caller that
        /// runs on it and has nothing else to do meanwhile: whoever calls from elsewhere waits for what it does.
        package var thread: DedicatedThread?

        package init(size: Int = 4, thread: DedicatedThread? = nil) {
            self.size = size
            self.thread = thread
        }
    }

    /// What the pool is doing, for the metrics.
    package struct Usage: Sendable {
        package let open: Int
        package let idle: Int
        package let waiting: Int
    }

    private enum Lease {
        case connection(Connection)
        /// Leave to open one.
        case slot
    }

    private struct State {
        var idle: [Connection] = []
        var open = 0
        var opened = 0
        var waiters: Deque<(id: UInt64, continuation: CheckedContinuation<Lease?, Never>)> = []
        var nextWaiter: UInt64 = 0
        var isClosed = false
    }

    private let endpoint: Endpoint
    private let configuration: Configuration
    private let logger: Logger
    private let state = Mutex(State())

    package init(endpoint: Endpoint, configuration: Configuration = Configuration(), logger: Logger) {
        self.endpoint = endpoint
        self.configuration = configuration
        self.logger = logger
    }

    package var usage: Usage {
        self.state.withLock { Usage(open: $0.open, idle: $0.idle.count, waiting: $0.waiters.count) }
    }

    /// How many connections were opened so far. Who runs on one when this is as it was before runs on one from before:
    /// its server has not crashed meanwhile.
    package var opened: Int { self.state.withLock { $0.opened } }

    /// Runs `body` on a connection of its own. It runs as a whole on the connection's thread.
    package func withConnection<T: Sendable>(
        _ body: @Sendable (isolated Connection) throws -> T
    ) async throws -> T {
        let connection = try await self.acquire()
        let (result, isReusable) = await connection.perform(body)
        self.release(connection, isReusable: isReusable)
        return try result.get()
    }

    /// Runs `body` in one transaction; any error rolls it back and is thrown on.
    package func transaction<T: Sendable>(
        _ body: @Sendable (isolated Connection) throws -> T
    ) async throws -> T {
        try await self.withConnection { connection in
            try connection.transaction(body)
        }
    }

    /// As ``withConnection(_:)``, if what is asked first finds a row. For what is looked for again and again and is seldom there: the
    /// question costs less than the statement that would take it.
    ///
    /// - Returns: nil if there is none, and `body` was not run.
    package func withConnection<T: Sendable>(
        ifAny look: Query, _ body: @Sendable (isolated Connection) throws -> T
    ) async throws -> T? {
        try await self.withConnection { connection -> T? in
            guard try !connection.query(look, { _ in true }).isEmpty else { return nil }
            return try body(connection)
        }
    }

    /// As ``transaction(_:)``, if what is asked first finds a row: one way to the server and back in place of three where it does not.
    ///
    /// - Returns: nil if there is none, and `body` was not run.
    package func transaction<T: Sendable>(
        ifAny look: Query, _ body: @Sendable (isolated Connection) throws -> T
    ) async throws -> T? {
        try await self.withConnection(ifAny: look) { try $0.transaction(body) }
    }

    /// Closes what is idle, and everything else when it comes back. Callers that wait are refused.
    package func close() {
        let waiters = self.state.withLock { state in
            state.isClosed = true
            state.open -= state.idle.count
            state.idle = []
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.continuation.resume(returning: nil) }
    }

    // MARK: Lending

    private func acquire() async throws -> Connection {
        guard let lease = await self.lease() else {
            try Task.checkCancellation()
            throw PostgresError(.poolExhausted, "no connection became free in time")
        }
        // One that its server has closed meanwhile leaves its place to a new one.
        if case .connection(let connection) = lease, connection.isQuiet { return connection }
        do {
            let connection = try await Connection.connect(
                to: self.endpoint, on: self.configuration.thread, logger: self.logger)
            self.state.withLock { $0.opened += 1 }
            return connection
        } catch {
            self.giveBackSlot()
            throw error
        }
    }

    private func lease() async -> Lease? {
        let (immediate, id) = self.state.withLock { state -> (Lease??, UInt64) in
            if state.isClosed { return (.some(nil), 0) }
            if let connection = state.idle.popLast() { return (.connection(connection), 0) }
            if state.open < self.configuration.size {
                state.open += 1
                return (.slot, 0)
            }
            if state.waiters.count >= self.configuration.mostWaiting { return (.some(nil), 0) }
            state.nextWaiter += 1
            return (nil, state.nextWaiter)
        }
        if let immediate { return immediate }
        let own = ContinuousClock.now + self.configuration.patience
        let end = AnswerDeadline.current.map { min($0, own) } ?? own
        return await withTaskGroup(of: Void.self) { group in
            // The timer ends the wait; whoever takes the waiter out of the queue resumes it, so it is resumed once.
            group.addTask {
                try? await Task.sleep(until: end, clock: .continuous)
                self.takeWaiter(id)?.resume(returning: nil)
            }
            let lease = await self.enqueueWaiter(id)
            group.cancelAll()
            return lease
        }
    }

    private func enqueueWaiter(_ id: UInt64) async -> Lease? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let immediate = self.state.withLock { state -> Lease?? in
                    // Something may have been given back, or the pool closed, since the first look.
                    if state.isClosed || Task.isCancelled { return .some(nil) }
                    if let connection = state.idle.popLast() { return .connection(connection) }
                    if state.open < self.configuration.size {
                        state.open += 1
                        return .slot
                    }
                    state.waiters.append((id, continuation))
                    return nil
                }
                if let immediate { continuation.resume(returning: immediate) }
            }
        } onCancel: {
            self.takeWaiter(id)?.resume(returning: nil)
        }
    }

    private func takeWaiter(_ id: UInt64) -> CheckedContinuation<Lease?, Never>? {
        self.state.withLock { state in
            guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
            return state.waiters.remove(at: index).continuation
        }
    }

    private func release(_ connection: Connection, isReusable: Bool) {
        guard isReusable else { return self.giveBackSlot() }
        let waiter = self.state.withLock { state -> CheckedContinuation<Lease?, Never>? in
            if state.isClosed {
                state.open -= 1
                return nil
            }
            if let waiter = state.waiters.popFirst() { return waiter.continuation }
            state.idle.append(connection)
            return nil
        }
        waiter?.resume(returning: .connection(connection))
    }

    private func giveBackSlot() {
        let waiter = self.state.withLock { state -> CheckedContinuation<Lease?, Never>? in
            // A waiting caller gets the slot and opens a connection itself.
            if let waiter = state.waiters.popFirst() { return waiter.continuation }
            state.open -= 1
            return nil
        }
        waiter?.resume(returning: .slot)
    }
}
