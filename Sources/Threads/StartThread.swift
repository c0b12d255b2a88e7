internal import Glibc

/// Why no thread can be started: there are as many as there may be, or there is no memory for another.
package struct ThreadError: Error, Sendable, CustomStringConvertible {
    let code: Int32

    package var description: String { unsafe "no thread can be started: \(String(cString: strerror(self.code)))" }
}

/// Runs `body` on an OS thread of its own, which ends with it.
///
/// - Parameters:
///   - name: cut to 15 bytes, the most that Linux shows in `top -H`.
///   - stack: in bytes; nil is what the system gives.
func startThread(
    name: String, stack: Int? = nil, _ body: @escaping @Sendable () -> Void
) throws(ThreadError) {
    let work = unsafe Unmanaged.passRetained(
        Work {
            nameCurrentThread(String(name.prefix(15)))
            body()
        })
    var attributes = pthread_attr_t()
    unsafe pthread_attr_init(&attributes)
    defer { unsafe pthread_attr_destroy(&attributes) }
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    if let stack { unsafe pthread_attr_setstacksize(&attributes, stack) }
    var handle = pthread_t()
    let code = unsafe pthread_create(
        &handle, &attributes,
        { context in
            unsafe Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().body()
            return nil
        }, work.toOpaque())
    guard code == 0 else {
        unsafe work.release()
        throw ThreadError(code: code)
    }
}

private final class Work: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
    }
}

/// Names the calling thread. `pthread_setname_np` and `prctl` are not visible to Swift (one hides behind
/// `_GNU_SOURCE`, the other is variadic); this file of the kernel's does the same.
private func nameCurrentThread(_ name: String) {
    let descriptor = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    var name = name
    _ = name.withUTF8 { unsafe write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
}
