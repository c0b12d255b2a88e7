internal import Glibc

/// Standard output of a command that goes on: whoever reads it may go, which ends the command and is no failure.
enum OutputPipe {
    /// Nobody reads it any more.
    struct Closed: Error {}

    /// Writes all of it, at once as far as the reader takes it.
    static func write(_ text: String) throws(Closed) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0 {
                guard errno == EINTR || errno == EAGAIN else { throw Closed() }
                if errno == EAGAIN { Self.waitForReader() }
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
