import Glibc
import Testing

@testable import Threads

/// An actor on a thread of its own.
private actor Worker {
    private let executor: ThreadExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { self.executor.asUnownedSerialExecutor() }
    private let readEnd: Int32
    private var count = 0

    /// - Parameter hasEnds: false as where the process has no descriptors left.
    init(hasEnds: Bool = true) throws {
        let pipe = WakePipe(hasEnds: hasEnds)
        self.readEnd = pipe.readEnd
        self.executor = try ThreadExecutor(name: "worker", pipe: pipe)
    }

    deinit { self.executor.stop() }

    var thread: UInt { pthread_self() }

    func add() -> Int {
        self.count += 1
        return self.count
    }

    func wait(_ duration: Duration?) -> WaitResult {
        self.executor.wait(for: -1, events: [], until: duration.map { .now + $0 })
    }

    nonisolated func wake() { self.executor.wake() }

    /// Puts a byte into the pipe that no signal stands behind any more, as it is when the thread has looked before it was written.
    nonisolated func writeLate() throws {
        let end = open("/proc/self/fd/\(self.readEnd)", O_WRONLY)
        try #require(end >= 0)
        defer { close(end) }
        var byte: UInt8 = 1
        #expect(write(end, &byte, 1) == 1)
    }

    /// In one job, so that nothing is looked for between the byte and the waits.
    func waitTwiceBesideLateByte() throws -> [WaitResult] {
        try self.writeLate()
        return [self.wait(.milliseconds(10)), self.wait(.milliseconds(10))]
    }

    nonisolated var hasByte: Bool { !Readiness.now(of: self.readEnd, .readable).isEmpty }

    /// A job of this thread's own is enqueued before the wait begins.
    func waitBesideJob() -> WaitResult {
        let job = Task { self.add() }
        defer { self.jobs.append(job) }
        return self.wait(nil)
    }

    private var jobs: [Task<Int, Never>] = []
    var results: [Int] {
        get async {
            var results: [Int] = []
            for job in self.jobs { results.append(await job.value) }
            return results
        }
    }

    nonisolated func here<Value: Sendable>(_ body: @Sendable () async -> Value) async -> Value {
        await withTaskExecutorPreference(self.executor, operation: body)
    }
}

private func currentThread() async -> UInt { pthread_self() }

@Suite("A thread executor")
struct ThreadExecutorTests {
    @Test("runs everything of its actor on one thread")
    func oneThread() async throws {
        let worker = try Worker()
        let threads = await withTaskGroup(of: UInt.self) { group in
            for _ in 0..<100 { group.addTask { await worker.thread } }
            return await group.reduce(into: Set<UInt>()) { $0.insert($1) }
        }
        #expect(threads.count == 1)
        #expect(threads.first != pthread_self())
    }

    @Test(
        "loses no job, however many callers there are at a time, even with no descriptors left",
        arguments: [true, false])
    func noneLost(hasEnds: Bool) async throws {
        let worker = try Worker(hasEnds: hasEnds)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<2_000 { group.addTask { _ = await worker.add() } }
        }
        #expect(await worker.add() == 2_001)
    }

    @Test("can be woken from a wait that has no end, even with no descriptors left", arguments: [true, false])
    func woken(hasEnds: Bool) async throws {
        let worker = try Worker(hasEnds: hasEnds)
        async let result = worker.wait(nil)
        // The wake-up may come before the wait; it then ends the wait at once.
        worker.wake()
        #expect(await result == .woken)
    }

    @Test("runs tasks as well, before and after they called its actor, and no others'")
    func tasks() async throws {
        let (worker, other) = (try Worker(), try Worker())
        let (here, elsewhere) = await worker.here {
            let here = [await currentThread(), await worker.thread, await currentThread()]
            return (here, await other.thread)
        }
        #expect(Set(here) == [await worker.thread])
        #expect(await other.thread == elsewhere && !here.contains(elsewhere))
    }

    @Test("is woken by a job of its own too, once, and runs it")
    func ownJobs() async throws {
        let worker = try Worker()
        #expect(await worker.waitBesideJob() == .woken)
        #expect(await worker.results == [1])
        #expect(await worker.wait(.milliseconds(10)) == .timedOut)
    }

    @Test("waits no longer than it was told", arguments: [true, false])
    func timeout(hasEnds: Bool) async throws {
        let worker = try Worker(hasEnds: hasEnds)
        #expect(await worker.wait(.milliseconds(10)) == .timedOut)
    }

    @Test("waits on where a signal's byte comes after the signal was spent")
    func lateByte() async throws {
        let results = try await Worker().waitTwiceBesideLateByte()
        #expect(results.last == .timedOut)
    }

    @Test("comes to rest between jobs where a signal's byte comes after the signal was spent")
    func lateByteBetweenJobs() async throws {
        let worker = try Worker()
        #expect(await worker.add() == 1)
        try worker.writeLate()
        for _ in 0..<1_000 where worker.hasByte { try await Task.sleep(for: .milliseconds(10)) }
        #expect(!worker.hasByte)
        #expect(await worker.add() == 2)
    }

    @Test("says in words that there is no thread to be had, and goes on when there is")
    func noThread() async throws {
        // No address space has room for such a stack, so the system refuses as it does when it has no threads left.
        let error = #expect(throws: ThreadError.self) {
            try ThreadExecutor(name: "worker", pipe: WakePipe(), stack: 1 << 50)
        }
        #expect(error?.description.hasPrefix("no thread can be started: ") == true)
        #expect(try await Worker().add() == 1)
    }
}
