internal import CLibPQ
internal import Logging
internal import Synchronization
internal import Threads

/// Asks a server, on a thread of its own, to stop a statement whose answer nobody waits for any more.
///
/// libpq only has a call for it that blocks until the server has heard, which a hanging one never does.
actor Cancellation {
    private let executor: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe self.executor.asUnownedSerialExecutor()
    }

    /// More threads than this do not wait for servers that hang; what they run ends without us, or is there still.
    private static let most = 8
    private static let underWay = Atomic<Int>(0)

    private init() throws(ThreadError) {
        self.executor = try ThreadExecutor(name: "pg cancel")
    }

    deinit {
        self.executor.stop()
    }

    static func start(_ handle: borrowing Handle, logger: Logger) {
        guard self.underWay.add(1, ordering: .relaxed).newValue <= self.most,
            // As a number it may go to another thread. This is its only owner.
            let request = unsafe PQgetCancel(handle.raw).map({ UInt(bitPattern: $0) })
        else {
            self.underWay.subtract(1, ordering: .relaxed)
            return
        }
        // Unstructured, because who asked has been answered already. There are no more than `most`, each ends with its
        // call, and none touches the connection.
        Task {
            let problem: String?
            do throws(ThreadError) {
                let cancellation = try Cancellation()
                problem = await cancellation.run(request)
            } catch {
                unsafe PQfreeCancel(OpaquePointer(bitPattern: request))
                problem = error.description
            }
            self.underWay.subtract(1, ordering: .relaxed)
            if let problem { logger.debug("a statement was not cancelled", metadata: ["error": "\(problem)"]) }
        }
    }

    private func run(_ request: UInt) -> String? {
        let request = unsafe OpaquePointer(bitPattern: request)
        defer { unsafe PQfreeCancel(request) }
        var problem = [CChar](repeating: 0, count: 256)
        guard unsafe PQcancel(request, &problem, Int32(problem.count)) == 0 else { return nil }
        return String(decoding: problem.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
