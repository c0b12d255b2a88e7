/// Runs `body` on an OS thread of its own, which ends with it: for a C call that blocks and that nothing ends.
///
/// - Parameters:
///   - name: cut to 15 bytes, the most that Linux shows in `top -H`.
///   - body: what blocks.
/// - Throws: ``ThreadError``, and `body` was not run.
package func runOnThread(name: String, _ body: @escaping @Sendable () -> Void) throws(ThreadError) {
    try startThread(name: name, body)
}
