package import Logging
internal import Observability
internal import Postgres
internal import ServiceLifecycle

/// Erases what was removed, in the background and a part at a time.
package struct Eraser: Service {
    private let store: ErasureStore
    private let logger: Logger

    /// How many parts are done before others have their turn, and the pause between them.
    private static let (mostParts, pause) = (1_000, Duration.seconds(5))

    package init(store: ErasureStore, logger: Logger) {
        self.store = store
        self.logger = logger
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await Periodic(every: Self.pause, orSay: "erasing goes on later", logger: self.logger).run {
                for _ in 0..<Self.mostParts {
                    guard !Task.isCancelled, try await self.store.carryOutPart() else { break }
                }
                try await self.store.forget()
            }
        }
    }
}

extension ErasureStore {
    /// - Returns: whether there was anything to be done.
    package func carryOutPart() async throws -> Bool {
        try await self.pool.transaction { db in
            guard var part = try ErasurePart.take(on: db) else { return false }
            try part.carryOut(on: db)
            return true
        }
    }

    /// What is finished can be read for thirty days.
    func forget() async throws {
        _ = try await self.pool.withConnection { db in
            try db.execute(
                """
                DELETE FROM erasures WHERE id IN (
                    SELECT id FROM erasures WHERE finished_at < now() - interval '30 days' ORDER BY id LIMIT 10000)
                """)
        }
    }
}
