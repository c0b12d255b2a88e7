internal import Glibc

/// A pipe whose only message is "look again": it ends a `poll(2)` from another thread.
///
/// Both ends are non-blocking. A full pipe is as good as a written one, so a failed write needs no handling.
@safe
struct WakePipe: ~Copyable, Sendable {
    let readEnd: Int32
    private let writeEnd: Int32

    init() {
        var ends: (Int32, Int32) = (-1, -1)
        let created = unsafe withUnsafeMutableBytes(of: &ends) { raw in
            unsafe pipe(raw.baseAddress!.assumingMemoryBound(to: Int32.self))
        }
        // Only a process out of descriptors gets here, before it has any work to lose.
        precondition(created == 0, "pipe failed with errno \(errno)")
        for end in [ends.0, ends.1] {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        self.readEnd = ends.0
        self.writeEnd = ends.1
    }

    deinit {
        close(self.readEnd)
        close(self.writeEnd)
    }

    func wake() {
        var byte: UInt8 = 1
        _ = unsafe write(self.writeEnd, &byte, 1)
    }

    /// Takes everything out of the pipe, so that the next poll waits again.
    func drain() {
        unsafe withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
            while unsafe read(self.readEnd, buffer.baseAddress, buffer.count) == 64 {}
        }
    }
}
