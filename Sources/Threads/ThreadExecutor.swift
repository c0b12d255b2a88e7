internal import Glibc
internal import Synchronization

/// A serial executor that runs its jobs on one OS thread of its own.
///
/// It gives an actor that owns a C handle the right to block: the actor's code runs here and never on the cooperative
/// pool, and while it waits for a socket (``wait(for:events:until:)``) other threads can still reach it.
///
/// It runs tasks as well (`withTaskExecutorPreference`): what such a task does between two calls of the thread's actors costs no
/// change of threads.
///
/// The thread keeps the executor alive until ``stop()``, so that the actor's `unowned` reference stays valid for
/// every job that was enqueued before. Its owner calls it when no further job can come.
@safe
package final class ThreadExecutor: SerialExecutor, TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        /// Whether there is a byte in the pipe.
        var isSignalled = false
        /// Whether ``ThreadExecutor/wake()`` was called since the last wait.
        var isWoken = false
        /// Whether a job of this thread has enqueued another, which no byte in the pipe tells of.
        var hasOwnJobs = false
        var isStopping = false
    }

    private let state = Mutex(State())
    private let pipe: WakePipe
    private let thread = Atomic<UInt>(0)
    private let name: String

    /// Starts the thread. `name` is cut to 15 bytes, the most that Linux shows in `top -H`.
    package convenience init(name: String) throws(ThreadError) {
        try self.init(name: name, pipe: WakePipe())
    }

    /// - Parameter stack: see ``startThread(name:stack:_:)``.
    init(name: String, pipe: consuming WakePipe, stack: Int? = nil) throws(ThreadError) {
        self.pipe = pipe
        self.name = name
        try startThread(name: name, stack: stack) { self.run() }
    }

    /// Lets the thread end after the jobs that were enqueued so far.
    package func stop() {
        self.signal { $0.isStopping = true }
    }

    /// Ends a ``wait(for:events:until:)`` that is under way, or the next one.
    package func wake() {
        self.signal { $0.isWoken = true }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        guard self.isIsolatingCurrentContext() == true else { return self.signal { $0.jobs.append(job) } }
        // This thread looks for more before it waits.
        self.state.withLock { state in
            state.jobs.append(job)
            state.hasOwnJobs = true
        }
    }

    package func isIsolatingCurrentContext() -> Bool? {
        self.thread.load(ordering: .acquiring) == pthread_self()
    }

    package func checkIsolated() {
        precondition(self.isIsolatingCurrentContext() == true, "not on the thread \(self.name)")
    }

    private func signal(_ change: (inout State) -> Void) {
        let mustWake = self.state.withLock { state in
            change(&state)
            defer { state.isSignalled = true }
            return !state.isSignalled
        }
        if mustWake { self.pipe.wake() }
    }

    /// Under the lock, so that nobody signals between the two steps and is lost.
    ///
    /// Who signals writes the byte a moment later, so as not to meet this thread at the lock. If the signal was spent in that moment,
    /// the byte stands for none, and every wait would end at once until it is taken out.
    ///
    /// - Parameter isHeard: whether a byte was found in the pipe.
    private func spendSignal(_ state: inout State, isHeard: Bool) {
        guard state.isSignalled || isHeard else { return }
        self.pipe.drain()
        state.isSignalled = false
    }

    /// Between jobs. A ``wake()`` that comes now is left for the next job's wait.
    ///
    /// - Returns: whether there is a byte in the pipe.
    private func waitForSignal() -> Bool {
        var polled = pollfd(fd: self.pipe.readEnd, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&polled, 1, self.pipe.patience) > 0
    }

    private func run() {
        self.thread.store(pthread_self(), ordering: .releasing)
        var isHeard = false
        while true {
            let (jobs, isStopping) = self.state.withLock { state in
                // The jobs' own signal is spent here, so that it does not end the first wait of one of them.
                self.spendSignal(&state, isHeard: isHeard)
                state.hasOwnJobs = false
                defer { state.jobs = [] }
                return (state.jobs, state.isStopping)
            }
            isHeard = false
            for job in jobs {
                // Never as a task executor's, which this may be a job of or not: with what an actor was called for over, the
                // runtime would go on here for a task that belongs elsewhere.
                unsafe job.runSynchronously(on: self.asUnownedSerialExecutor())
            }
            if !jobs.isEmpty { continue }
            if isStopping { return }
            isHeard = self.waitForSignal()
        }
    }
}

// MARK: Waiting

/// What a descriptor is waited for, or was found ready for.
package struct Readiness: OptionSet, Sendable {
    package let rawValue: Int16
    package init(rawValue: Int16) { self.rawValue = rawValue }

    package static let readable = Readiness(rawValue: Int16(POLLIN))
    package static let writable = Readiness(rawValue: Int16(POLLOUT))
    /// The peer is gone or the descriptor is broken; reading or writing will say which.
    package static let failed = Readiness(rawValue: Int16(POLLERR | POLLHUP | POLLNVAL))
}

extension Readiness {
    /// What a descriptor is ready for at this moment. Never waits.
    package static func now(of descriptor: Int32, _ events: Readiness) -> Readiness {
        var polled = pollfd(fd: descriptor, events: events.rawValue, revents: 0)
        guard unsafe poll(&polled, 1, 0) > 0 else { return [] }
        return Readiness(rawValue: polled.revents)
    }
}

/// How a wait ended.
package enum WaitResult: Equatable, Sendable {
    case ready(Readiness)
    /// ``ThreadExecutor/wake()`` was called, or a job was enqueued.
    case woken
    case timedOut
}

extension ThreadExecutor {
    /// Blocks this thread until the descriptor is ready, somebody wakes it, or the deadline has passed.
    ///
    /// Call it only from a job of this executor.
    ///
    /// - Parameters:
    ///   - descriptor: what to poll, or -1 to wait for a wake-up alone.
    ///   - events: what it is waited for; ``Readiness/failed`` is told without being asked for.
    ///   - deadline: nil waits for ever.
    package func wait(
        for descriptor: Int32, events: Readiness, until deadline: ContinuousClock.Instant?
    ) -> WaitResult {
        var polled = (
            pollfd(fd: descriptor, events: events.rawValue, revents: 0),
            pollfd(fd: self.pipe.readEnd, events: Int16(POLLIN), revents: 0)
        )
        while true {
            if self.takeWakeUp() { return .woken }
            let count = unsafe withUnsafeMutableBytes(of: &polled) { raw in
                unsafe poll(
                    raw.baseAddress!.assumingMemoryBound(to: pollfd.self), 2, self.patience(until: deadline))
            }
            if count < 0 && errno == EINTR { continue }
            let found = Readiness(rawValue: polled.0.revents)
            if descriptor >= 0 && !found.isEmpty { return .ready(found) }
            if polled.1.revents != 0 || self.isSignalledUnheard {
                self.state.withLock { state in
                    self.spendSignal(&state, isHeard: polled.1.revents != 0)
                    state.isWoken = false
                }
                return .woken
            }
            if let deadline, deadline <= .now { return .timedOut }
        }
    }

    private func takeWakeUp() -> Bool {
        self.state.withLock { state in
            defer {
                state.isWoken = false
                state.hasOwnJobs = false
            }
            return state.isWoken || state.hasOwnJobs
        }
    }

    /// Whether there is a signal that a pipe without ends could not tell of.
    private var isSignalledUnheard: Bool { self.pipe.patience >= 0 && self.state.withLock { $0.isSignalled } }

    private func patience(until deadline: ContinuousClock.Instant?) -> Int32 {
        let (left, most) = (Self.milliseconds(until: deadline), self.pipe.patience)
        return most < 0 ? left : left < 0 ? most : min(left, most)
    }

    private static func milliseconds(until deadline: ContinuousClock.Instant?) -> Int32 {
        guard let deadline else { return -1 }
        let left = ContinuousClock.now.duration(to: deadline)
        guard left > .zero else { return 0 }
        // Rounded up, so that a wait of 0.3 ms does not spin.
        let (seconds, attoseconds) = left.components
        return Int32(clamping: seconds * 1_000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
