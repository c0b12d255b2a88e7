package import Logging
package import MQTT
package import Observability
internal import ServiceLifecycle

/// A row of a table that waits for the broker.
package protocol OutboxRow: Sendable {
    var number: Int64 { get }
    /// For how long it has been there.
    var age: Duration { get }
    var publication: Publication { get }
}

/// What waits in a table for the broker, and what is to become of it there.
package protocol OutboxTable: Sendable {
    associatedtype Row: OutboxRow

    /// What is added to the client id of the connection.
    static var clientSuffix: String { get }
    /// What the log says while it cannot be given to the broker.
    static var problem: String { get }
    /// The pause between two looks at the least; what is called for meanwhile goes out together.
    static var interval: Duration { get }
    /// How often it is looked without a call: for what others have stored, or has fallen due.
    static var look: Duration { get }

    /// What is done at every look before anything is taken.
    func prepare() async throws
    /// Takes what is due, in its order. What is not settled or given back is taken again after a time, by this instance or another.
    func take() async throws -> [Row]
    /// Those of `rows` that are to be published; what becomes of the others is settled here.
    func wanted(of rows: [Row]) async throws -> [Row]
    /// They were not given to the broker.
    func giveBack(_ rows: [Row]) async throws
    /// Writes what came of those that were published.
    func settle(_ rows: [Row], _ verdicts: Suspicion.Verdicts, _ report: PublishReport, log: RateLimitedLog)
        async throws
}

extension OutboxTable {
    package func prepare() {}
    package func wanted(of rows: [Row]) -> [Row] { rows }
}

/// Gives the broker what waits for it in a table, on a connection of its own that is made when it is needed.
///
/// A row is committed before its sender is told so, and is settled when the broker has it: a crash in between publishes it
/// again. What is a row's own fault is its own (``Suspicion``), and the others go on.
package final class BrokerOutbox<Table: OutboxTable>: Service {
    private let table: Table
    private let publisher: Publisher
    private let logger: Logger
    private let log: RateLimitedLog
    /// Something may be due.
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    /// How many may be unanswered at a time; mosquitto answers no more at once by itself.
    private static var window: Int { 20 }

    /// - Parameter broker: how this instance reaches the broker; it comes in under another client id.
    package init(_ table: Table, broker: Session.Configuration, logger: Logger) throws(MQTTError) {
        var broker = broker
        broker.clientID += Table.clientSuffix
        self.table = table
        self.publisher = try Publisher(broker, logger: logger)
        self.logger = logger
        self.log = RateLimitedLog(logger: logger)
        // One signal is as good as many: who hears it takes all there is.
        (self.signals, self.signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Something is due: it is looked for at once.
    package func call() { self.signal.yield() }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    await Periodic(every: Table.look, orSay: Table.problem, logger: self.logger).run { self.call() }
                }
                await self.publishWhenCalled()
                group.cancelAll()
            }
        }
    }

    private func publishWhenCalled() async {
        var isConnected = false
        var suspicion = Suspicion()
        await Periodic(
            every: Table.interval, orSay: Table.problem,
            backoff: Backoff(first: Table.interval, longest: .seconds(1)), logger: self.logger
        ).run {
            await self.waitForSignal()
            guard !Task.isCancelled else { return }
            do {
                try await self.table.prepare()
                while try await self.publishSome(&isConnected, &suspicion), !Task.isCancelled {}
            } catch {
                isConnected = false
                throw error
            }
        }
        if isConnected { await self.publisher.disconnect() }
    }

    private func waitForSignal() async {
        for await _ in self.signals { return }
    }

    /// - Returns: whether there may be more.
    private func publishSome(_ isConnected: inout Bool, _ suspicion: inout Suspicion) async throws -> Bool {
        let rows = try await self.table.take()
        guard !rows.isEmpty else {
            if isConnected { try await self.publisher.keepAlive() }
            return false
        }
        if !isConnected {
            do { try await self.publisher.connect() } catch {
                try await self.table.giveBack(rows)
                throw error
            }
            isConnected = true
        }
        try await self.publish(try await self.table.wanted(of: rows), &suspicion)
        return true
    }

    /// - Throws: why the connection ended, if it did; or what the database says.
    private func publish(_ rows: [Table.Row], _ suspicion: inout Suspicion) async throws {
        let report = await self.publisher.publish(
            rows.map(\.publication), window: suspicion.isOpen ? 1 : Self.window)
        let verdicts = suspicion.judge(rows.map { ($0.number, $0.age) }, report)
        try await self.table.settle(rows, verdicts, report, log: self.log)
        if let failure = report.failure { throw failure }
    }
}
