internal import ServiceLifecycle
internal import Synchronization

/// Looks at a part of the service when somebody asks, one look at a time, and lets nobody wait longer than its patience
/// for it, whatever the look waits for.
package final class ReadinessProbe: Service {
    private struct State {
        var waiting: [UInt64: CheckedContinuation<String?, Never>] = [:]
        var next: UInt64 = 0
    }

    /// Who asks when this many wait is answered as if the time were over.
    private static let mostWaiting = 256

    private let look: @Sendable () async -> String?
    private let patience: Duration
    private let overdue: String
    private let state = Mutex(State())
    private let requests: AsyncStream<Void>
    private let request: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - patience: how long who asks waits at the most.
    ///   - overdue: what they are told then.
    ///   - look: answers what is wrong, or nil.
    package init(
        patience: Duration = .milliseconds(1_500), overdue: String = "not reachable",
        _ look: @escaping @Sendable () async -> String?
    ) {
        self.patience = patience
        self.overdue = overdue
        self.look = look
        (self.requests, self.request) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in self.requests where self.state.withLock({ !$0.waiting.isEmpty }) {
                let problem = await self.look()
                let waiting = self.state.withLock { state in
                    defer { state.waiting = [:] }
                    return state.waiting.values
                }
                for waiter in waiting { waiter.resume(returning: problem) }
            }
        }
    }

    /// What is wrong, or nil if nothing is.
    package func problem() async -> String? {
        let id = self.state.withLock { state in
            state.next += 1
            return state.next
        }
        return await withTaskGroup(of: Void.self) { group in
            // Whoever takes the waiter out of the list resumes it, so it is resumed once.
            group.addTask {
                // Cancelled when the answer is there, and then nobody is waiting any more.
                try? await Task.sleep(for: self.patience)
                self.state.withLock { $0.waiting.removeValue(forKey: id) }?.resume(returning: self.overdue)
            }
            let problem = await withCheckedContinuation { continuation in
                let isTaken = self.state.withLock { state in
                    guard state.waiting.count < Self.mostWaiting else { return false }
                    state.waiting[id] = continuation
                    return true
                }
                guard isTaken else { return continuation.resume(returning: self.overdue) }
                self.request.yield()
            }
            group.cancelAll()
            return problem
        }
    }
}
