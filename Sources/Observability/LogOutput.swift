internal import Glibc
internal import Synchronization

/// Where the lines of a log go, each in one piece: a file, or a pipe or a socket (journald's) that somebody reads.
///
/// Who logs does not wait for who reads: for a tenth of the time at the most. What is still full then loses lines until it has room
/// again, and is told how many. One whose reader keeps up loses none. A terminal that was stopped is waited for.
package final class LogOutput: Sendable {
    /// Standard error.
    package static let standardError = LogOutput(STDERR_FILENO)

    private struct State {
        /// How long may be waited.
        var allowance = LogOutput.patience
        var last: ContinuousClock.Instant?
        var isStuck = false
        var leftOut = 0
        /// Whether a line was begun that is not whole.
        var isInLine = false

        /// A tenth of the time that has passed.
        mutating func refill(at now: ContinuousClock.Instant) {
            if let last = self.last {
                self.allowance = min(LogOutput.patience, self.allowance + (now - last) / 10)
            }
            self.last = now
        }
    }

    /// As much as a pipe that has room takes at once (POSIX says so of `PIPE_BUF`).
    private static let piece = 4_096
    private static let patience: Duration = .milliseconds(100)

    private let descriptor: Int32
    private let isSocket: Bool
    private let state = Mutex(State())

    package init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var status = stat()
        self.isSocket = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }

    /// - Parameter note: the line that says how many were left out.
    package func write(_ line: String, note: (_ leftOut: Int) -> String) {
        self.state.withLock { state in
            if state.leftOut > 0 {
                guard self.put(note(state.leftOut), &state) else { return state.leftOut += 1 }
                state.leftOut = 0
            }
            if !self.put(line, &state) { state.leftOut += 1 }
        }
    }

    /// - Returns: false if there was no room for all of it.
    private func put(_ line: String, _ state: inout State) -> Bool {
        let whole = Array((state.isInLine ? "\n\(line)" : line).utf8)
        var rest = whole[...]
        while !rest.isEmpty {
            // A socket that takes more says only of its first quarter that it does: there it is tried.
            guard self.isSocket || self.hasRoom(&state) else { return self.isFull(whole, rest, &state) }
            let count = rest.prefix(Self.piece).withUnsafeBytes { self.push($0) }
            if count >= 0 {
                state.isStuck = false
                rest = rest.dropFirst(count)
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN where self.isSocket && !state.isStuck && self.hasRoom(&state):
                // Once more; who has room and takes nothing is full.
                state.isStuck = true
            case EAGAIN: return self.isFull(whole, rest, &state)
            // Of all else nobody can be told: nobody is there to read it, or its disk is full.
            default: return true
            }
        }
        state.isInLine = false
        return true
    }

    private func isFull(_ whole: [UInt8], _ rest: ArraySlice<UInt8>, _ state: inout State) -> Bool {
        state.isStuck = true
        if rest.count < whole.count { state.isInLine = true }
        return false
    }

    private func push(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard self.isSocket else { return Glibc.write(self.descriptor, bytes.baseAddress, bytes.count) }
        let flags = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
        return send(self.descriptor, bytes.baseAddress, bytes.count, flags)
    }

    private func hasRoom(_ state: inout State) -> Bool {
        var entry = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
        // What is gone or broken has room too: writing says which.
        if poll(&entry, 1, 0) > 0 { return true }
        // What was waited for in vain is asked each time, but waited for no more.
        guard !state.isStuck else { return false }
        let start = ContinuousClock.now
        state.refill(at: start)
        let hasRoom = poll(&entry, 1, Int32(state.allowance / .milliseconds(1))) > 0
        state.allowance = max(.zero, state.allowance - (.now - start))
        return hasRoom
    }
}
