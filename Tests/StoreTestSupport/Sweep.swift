internal import Postgres
package import Schema
internal import TestSupport
internal import Testing

/// Does something with every answer arriving, and then once for each of the server's messages as the last one that arrives,
/// and once as the first that does not: in the end the database must hold the same.
package struct Sweep<Prepared: Sendable>: Sendable {
    private let ground: Ground
    /// What is there before, in the database as it began.
    private let prepare: @Sendable () async throws -> Prepared
    /// What is to be repeatable, by way of the proxy. See ``repeatUntilDone(_:)``.
    private let operation: @Sendable (Database, Prepared) async throws -> Void
    /// What is done afterwards, with nothing in the way: what came of it must be of use.
    private let finish: @Sendable (Prepared) async throws -> Void

    package init(
        ground: Ground, prepare: @escaping @Sendable () async throws -> Prepared,
        operation: @escaping @Sendable (Database, Prepared) async throws -> Void,
        finish: @escaping @Sendable (Prepared) async throws -> Void = { _ in }
    ) {
        self.ground = ground
        self.prepare = prepare
        self.operation = operation
        self.finish = finish
    }

    package func run() async throws {
        let (expected, counted) = try await self.once(nil)
        try #require(counted.messages > 0)
        // One that arrives is as good as that the next one does not, but for the last of an answer: then nothing more was
        // asked for.
        let cuts =
            (1...counted.messages).map { ($0, Proxy.LastMessage.lost) }
            + counted.turns.map { ($0, Proxy.LastMessage.delivered) }
        for (number, last) in cuts {
            let place: Comment = "message \(number) of \(counted.messages), which was \(last)"
            do {
                let (found, _) = try await self.once((number, last))
                try #require(found == expected, place)
            } catch let error as PostgresError {
                Issue.record(error, place)
                return
            }
            try #require(self.ground.proxy.hasCut, place)
        }
    }

    /// - Returns: what the database holds, and how many messages the server sent.
    private func once(
        _ cut: (number: Int, last: Proxy.LastMessage)?
    ) async throws -> (contents: [String], counted: (messages: Int, turns: [Int])) {
        try await Contents.clear(self.ground.database)
        let prepared = try await self.prepare()
        let database = try await self.ground.throughProxy()
        defer { database.pool.close() }
        if let cut {
            self.ground.proxy.cut(after: cut.number, last: cut.last)
        } else {
            self.ground.proxy.mark()
        }
        try await self.operation(database, prepared)
        let counted = self.ground.proxy.counted
        try await self.ground.waitForLostConnections()
        try await self.finish(prepared)
        return (try await Contents.read(self.ground.database), counted)
    }
}

extension Ground {
    /// As a caller does that comes again now and then, and passes over rows that are locked: the next time is after the lost
    /// connection has let go of them.
    package func comeAgainUntilDone<T>(_ body: () async throws -> T) async throws -> T {
        try await repeatUntilDone {
            try await self.waitForLostConnections()
            return try await body()
        }
    }
}

/// As a caller does that goes on after an outage: the same again, with the same values, until there is an answer.
package func repeatUntilDone<T>(_ body: () async throws -> T) async throws -> T {
    for _ in 1...4 {
        do { return try await body() } catch  where DatabaseAvailability.isOutage(error) { continue }
    }
    return try await body()
}
