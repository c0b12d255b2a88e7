import Logging
import Observability
import Synchronization
import Testing

/// A generator whose every number is the largest, so that a pause is as long as it may be.
private struct Longest: RandomNumberGenerator {
    func next() -> UInt64 { .max }
}

/// Counts what is done, and how long the pauses are, of which the last does not end.
private final class Course: Sendable {
    private let pauses = Mutex<[Duration]>([])
    let lines = Mutex<[String]>([])

    func run(
        _ outcomes: [Bool], backoff: Backoff? = nil, body: @Sendable () async throws -> Void = {}
    ) async -> [Duration] {
        let logger = Logger(label: "test") { label in
            LineLogHandler(label: label, level: .info, format: .text) { line in
                self.lines.withLock { $0.append(line) }
            }
        }
        let periodic = Periodic(every: .seconds(7), orSay: "it fails", backoff: backoff, logger: logger) { pause in
            try self.pauses.withLock {
                $0.append(pause)
                if $0.count == outcomes.count { throw CancellationError() }
            }
        }
        var times = 0
        await periodic.run {
            times += 1
            try await body()
            if !outcomes[times - 1] { throw Broken() }
        }
        return self.pauses.withLock { $0 }
    }
}

private struct Broken: Error {}

@Suite("What is done again and again")
struct PeriodicTests {
    @Test("goes on after a failure as after a success, until it is cancelled")
    func goesOn() async {
        let course = Course()
        #expect(await course.run([true, false, false, true]) == Array(repeating: .seconds(7), count: 4))
    }

    @Test("says that it fails, and with what, but not each time")
    func says() async {
        let course = Course()
        _ = await course.run([true, false, false, false])
        let lines = course.lines.withLock { $0 }
        #expect(lines.count == 1)
        #expect(lines.first?.contains("it fails error=\"Broken()\"") == true)
    }

    @Test("waits longer after each failure in a row if it is to, and no longer once it has succeeded")
    func backsOff() async {
        let backoff = Backoff(first: .seconds(8), longest: .seconds(30), generator: Longest())
        let pauses = await Course().run([false, false, false, false, true, false], backoff: backoff)
        let seconds = pauses.map { ($0 / Duration.seconds(1)).rounded() }
        #expect(seconds == [8, 16, 30, 30, 7, 8])
    }

    @Test("ends when it is cancelled, and what fails because of that is no failure")
    func cancelled() async {
        let course = Course()
        let begun = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            await course.run([true, true]) {
                begun.continuation.yield()
                try await Task.sleep(for: .seconds(3_600))
            }
        }
        for await _ in begun.stream { break }
        task.cancel()
        #expect(await task.value.isEmpty)
        #expect(course.lines.withLock { $0.isEmpty })
    }
}
