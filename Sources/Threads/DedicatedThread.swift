/// A thread for one actor, or for several that work hand in hand. It ends when the last of them is gone.
package final class DedicatedThread: Sendable {
    package let executor: ThreadExecutor

    /// - Parameter name: cut to 15 bytes, the most that Linux shows in `top -H`.
    package init(name: String) throws(ThreadError) {
        self.executor = try ThreadExecutor(name: name)
    }

    deinit {
        self.executor.stop()
    }
}
