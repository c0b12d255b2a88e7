internal import Glibc
internal import SystemPackage

/// A folder that one process at a time works in: a second one would end what the first has started there. The kernel lets go of it with the
/// process, however that ends.
package final class FolderLock: Sendable {
    private let descriptor: FileDescriptor

    /// - Returns: nil if somebody has it.
    package init?(_ folder: String) throws {
        // What is started from here must not hold it on.
        let descriptor = try FileDescriptor.open(
            FilePath("\(folder)/lock"), .readWrite, options: [.create, .closeOnExec], permissions: .ownerReadWrite)
        guard flock(descriptor.rawValue, LOCK_EX | LOCK_NB) == 0 else {
            let reason = Errno(rawValue: errno)
            try descriptor.close()
            guard reason == .wouldBlock else {
                throw LocalServiceError("\(folder)/lock cannot be locked: \(reason)")
            }
            return nil
        }
        self.descriptor = descriptor
    }

    deinit {
        _ = Glibc.close(self.descriptor.rawValue)
    }
}
