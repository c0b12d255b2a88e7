internal import Dispatch
internal import Synchronization
package import Testing

/// Has what computes for seconds do it on threads of its own. All tests share as many threads as there are processors: those that
/// wait for a service would be late by as long as two of these take, and a broker or a receiver takes who is late for lost.
package struct OwnThreads: SuiteTrait, TestTrait, TestScoping {
    package var isRecursive: Bool { true }

    package func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(Threads.shared) { try await function() }
    }

    private final class Threads: TaskExecutor {
        static let shared = Threads()
        /// Serial ones have threads of their own. The jobs of a concurrent one would take the same that all tasks share.
        private let queues = (0..<8).map { DispatchQueue(label: "tests that compute \($0)") }
        private let count = Atomic(0)

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            let turn = self.count.wrappingAdd(1, ordering: .relaxed).oldValue
            self.queues[turn % self.queues.count].async {
                unsafe job.runSynchronously(on: self.asUnownedTaskExecutor())
            }
        }
    }
}

extension Trait where Self == OwnThreads {
    package static var ownThreads: OwnThreads { OwnThreads() }
}
