internal import Glibc
internal import Synchronization

/// Where the lines of a log go, each in one piece: a file, or a pipe that somebody reads.
///
/// Who logs does not wait for who reads. A pipe that is full is waited for a moment, once; from then on lines are left out until it is
/// read again, and then it is said how many. One that is read, if slowly, loses nothing.
package final class LogOutput: Sendable {
    /// Standard error.
    package static let standardError = LogOutput(STDERR_FILENO)

    private struct State {
        var isStuck = false
        var leftOut = 0
        /// Whether a line was begun that is not whole.
        var isInLine = false

        mutating func cutOff() {
            (self.isStuck, self.isInLine) = (true, true)
            self.leftOut += 1
        }
    }

    /// As much as a pipe that has room takes at once (POSIX says so of `PIPE_BUF`).
    private static let piece = 4_096
    /// In milliseconds.
    private static let patience: Int32 = 100

    private let descriptor: Int32
    private let state = Mutex(State())

    package init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// - Parameter note: the line that says how many were left out.
    package func write(_ line: String, note: (_ leftOut: Int) -> String) {
        self.state.withLock { state in
            // It is asked again each time, but waited for no more.
            guard self.hasRoom(state) else {
                state.isStuck = true
                state.leftOut += 1
                return
            }
            state.isStuck = false
            var text = state.isInLine ? "\n" : ""
            if state.leftOut > 0 { text += note(state.leftOut) }
            (state.leftOut, state.isInLine) = (0, false)
            self.write(text + line, &state)
        }
    }

    private func write(_ text: String, _ state: inout State) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            guard self.hasRoom(state) else { return state.cutOff() }
            let count = rest.prefix(Self.piece).withUnsafeBytes {
                Glibc.write(self.descriptor, $0.baseAddress, $0.count)
            }
            if count < 0 {
                if errno == EINTR { continue }
                if errno == EAGAIN { state.cutOff() }
                // Of all else nobody can be told: nobody is there to read it, or its disk is full.
                return
            }
            rest = rest.dropFirst(count)
        }
    }

    private func hasRoom(_ state: State) -> Bool {
        var entry = pollfd(fd: self.descriptor, events: Int16(POLLOUT), revents: 0)
        // What cannot be asked is written to, which says the rest.
        return poll(&entry, 1, state.isStuck ? 0 : Self.patience) != 0
    }
}
