internal import Glibc

/// A pipe whose only message is "look again": it ends a `poll(2)` from another thread.
///
/// Both ends are non-blocking. A full pipe is as good as a written one, so a failed write needs no handling. A process that has
/// no descriptors left gets a pipe without ends: whoever waits looks by itself again every few milliseconds (``patience``).
@safe
struct WakePipe: ~Copyable, Sendable {
    let readEnd: Int32
    private let writeEnd: Int32

    /// - Parameter hasEnds: false for one as it is where there are no descriptors left.
    init(hasEnds: Bool = true) {
        var ends: (Int32, Int32) = (-1, -1)
        guard hasEnds else {
            (self.readEnd, self.writeEnd) = ends
            return
        }
        let created = unsafe withUnsafeMutableBytes(of: &ends) { raw in
            unsafe pipe(raw.baseAddress!.assumingMemoryBound(to: Int32.self))
        }
        guard created == 0 else {
            (self.readEnd, self.writeEnd) = (-1, -1)
            return
        }
        for end in [ends.0, ends.1] {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        self.readEnd = ends.0
        self.writeEnd = ends.1
    }

    /// How long one may wait for it at most, in milliseconds, as `poll(2)` takes it: -1 is for ever.
    var patience: Int32 { self.readEnd < 0 ? 10 : -1 }

    deinit {
        guard self.readEnd >= 0 else { return }
        close(self.readEnd)
        close(self.writeEnd)
    }

    func wake() {
        guard self.writeEnd >= 0 else { return }
        var byte: UInt8 = 1
        _ = unsafe write(self.writeEnd, &byte, 1)
    }

    /// Takes everything out of the pipe, so that the next poll waits again.
    func drain() {
        guard self.readEnd >= 0 else { return }
        unsafe withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
            while unsafe read(self.readEnd, buffer.baseAddress, buffer.count) == 64 {}
        }
    }
}
