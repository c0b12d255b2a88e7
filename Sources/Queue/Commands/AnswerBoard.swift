package import Domain
internal import ServiceLifecycle
internal import Synchronization

/// Where calls wait for answers of things. Who waits holds no thread and no connection to the database.
package final class AnswerBoard: Sendable {
    private struct State {
        var waiting: [EntityID: AsyncStream<[UInt8]>.Continuation] = [:]
        /// Those that were sent.
        var sent: Set<EntityID> = []
        var isClosed = false
    }

    /// There are as many as there may be.
    package struct Full: Error {}

    private let most: Int
    private let state = Mutex(State())

    /// - Parameter most: how many may wait at a time.
    package init(most: Int) {
        self.most = most
    }

    /// Those that were sent and are waited for.
    package var commands: [EntityID] { self.state.withLock { Array($0.sent) } }

    /// Calls `send`, and waits for the answer to the command.
    ///
    /// - Returns: nil if none came in time or none can come any more, or the service is stopping.
    /// - Throws: ``Full``, with nothing sent; or what `send` throws.
    package func answer(
        to command: EntityID, within wait: Duration, after send: () async throws -> Void
    ) async throws -> [UInt8]? {
        let (answers, continuation) = AsyncStream<[UInt8]>.makeStream(bufferingPolicy: .bufferingOldest(1))
        let hasRoom = self.state.withLock { state in
            guard state.waiting.count < self.most, !state.isClosed else { return false }
            state.waiting[command] = continuation
            return true
        }
        guard hasRoom else { throw Full() }
        defer {
            self.state.withLock { state in
                state.waiting[command] = nil
                state.sent.remove(command)
            }
        }
        try await send()
        _ = self.state.withLock { $0.sent.insert(command) }
        return await cancelWhenGracefulShutdown {
            await withTaskGroup(of: [UInt8]?.self) { group -> [UInt8]? in
                group.addTask { await answers.first { _ in true } }
                group.addTask {
                    // Cancelled when the answer is there.
                    try? await Task.sleep(for: wait)
                    return nil
                }
                defer { group.cancelAll() }
                return await group.next() ?? nil
            }
        }
    }

    /// - Parameter answer: nil if there will be none.
    package func post(_ answer: [UInt8]?, to command: EntityID) {
        guard let continuation = self.state.withLock({ $0.waiting[command] }) else { return }
        if let answer { continuation.yield(answer) }
        continuation.finish()
    }

    /// Nobody waits any longer.
    package func close() {
        let waiting = self.state.withLock { state in
            state.isClosed = true
            return state.waiting.values
        }
        for continuation in waiting { continuation.finish() }
    }
}
