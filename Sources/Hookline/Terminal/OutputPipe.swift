// `stdout` is a variable of C, which nothing here sets.
@preconcurrency internal import Glibc

/// Standard output of a command: whoever reads it may go, which ends the command and is no failure. What cannot be written otherwise,
/// such as to a disk that is full, is one.
enum OutputPipe {
    /// Nobody reads it any more.
    struct Closed: Error {}

    /// Not all of what was told is where it was to go.
    struct Failure: Error, CustomStringConvertible {
        let code: Int32

        var description: String { "standard output cannot be written: \(String(cString: strerror(self.code)))" }
    }

    /// Writes what `print` has kept back, before a command ends with success.
    static func flush() throws(Failure) {
        let isFlushed = fflush(stdout) == 0
        let code = errno
        // What failed earlier has left its mark, and not its reason.
        guard !isFlushed || ferror(stdout) != 0, Self.isOpen else { return }
        throw Failure(code: isFlushed ? EIO : code)
    }

    /// Writes all of it, at once as far as the reader takes it.
    ///
    /// - Throws: ``Closed``, ``Failure``.
    static func write(_ text: String) throws {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0 {
                switch errno {
                case EINTR: break
                case EAGAIN: Self.waitForReader()
                case EPIPE, EBADF: throw Closed()
                case let code: throw Failure(code: code)
                }
                continue
            }
            rest = rest.dropFirst(count)
        }
    }

    private static func waitForReader() {
        var entry = pollfd(fd: STDOUT_FILENO, events: Int16(POLLOUT), revents: 0)
        poll(&entry, 1, 1_000)
    }

    /// Whether somebody still reads it, where that can be told without writing.
    static var isOpen: Bool {
        var entry = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
        return poll(&entry, 1, 0) < 1 || Int32(entry.revents) & (POLLERR | POLLNVAL) == 0
    }
}
