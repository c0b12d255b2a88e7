internal import Glibc

/// Runs `body` on an OS thread of its own, which ends with it: for a C call that blocks and that nothing ends.
///
/// - Parameter name: cut to 15 bytes, the most that Linux shows in `top -H`.
package func runOnThread(name: String, _ body: @escaping @Sendable () -> Void) {
    let context = unsafe Unmanaged.passRetained(
        Work {
            nameCurrentThread(String(name.prefix(15)))
            body()
        })
    var handle = pthread_t()
    let started = unsafe pthread_create(
        &handle, nil,
        { context in
            unsafe Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().body()
            return nil
        }, context.toOpaque())
    precondition(started == 0, "pthread_create failed with \(started)")
    pthread_detach(handle)
}

private final class Work: Sendable {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
    }
}
