internal import Glibc
internal import SystemPackage

/// A port on 127.0.0.1 that this process, or one that it starts, is about to listen on. Until somebody listens there it is free to everybody
/// who looks, also to another of the same kind that starts in the same moment. So they tell each other by a name among the abstract
/// addresses of local sockets: one at a time can have it, and the kernel takes it back when the process ends, however that ends.
package final class ReservedPort: Sendable {
    package let number: Int
    private let descriptor: FileDescriptor?

    /// One that was asked for by its number, whoever else means to have it.
    package init(given number: Int) {
        self.number = number
        self.descriptor = nil
    }

    /// The preferred port, or another where somebody listens there, or means to.
    ///
    /// - Throws: ``LocalServiceError`` if there is none.
    package static func preferring(_ preferred: Int) throws -> ReservedPort {
        if !isListening(on: preferred), let port = try ReservedPort(preferred) { return port }
        return try self.any()
    }

    package static func any() throws -> ReservedPort {
        while true {
            if let port = try ReservedPort(freePort()) { return port }
        }
    }

    /// - Returns: nil if somebody has it.
    private init?(_ number: Int) throws {
        // What is started from here must not hold it on.
        let opened = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard opened >= 0 else { throw LocalServiceError("no socket: \(Errno(rawValue: errno))") }
        let descriptor = FileDescriptor(rawValue: opened)
        guard bindAbstract(opened, to: "hookline port \(number)") else {
            let reason = Errno(rawValue: errno)
            try descriptor.close()
            guard reason == .addressInUse else {
                throw LocalServiceError("port \(number) cannot be reserved: \(reason)")
            }
            return nil
        }
        self.number = number
        self.descriptor = descriptor
    }

    deinit {
        if let descriptor { _ = Glibc.close(descriptor.rawValue) }
    }
}

/// An abstract address begins with a NUL, has no file, and is as long as it is said to be.
private func bindAbstract(_ descriptor: Int32, to name: String) -> Bool {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? MemoryLayout<sa_family_t>.size
    return withUnsafeMutableBytes(of: &address) { bytes in
        bytes[start...].dropFirst().copyBytes(from: name.utf8)
        return bind(
            descriptor, bytes.assumingMemoryBound(to: sockaddr.self).baseAddress,
            socklen_t(start + 1 + name.utf8.count)) == 0
    }
}
