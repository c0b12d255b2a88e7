internal import Glibc
internal import LocalServices

/// A port on loopback to which nobody can connect and which refuses nobody: what is sent to it is dropped, as by a
/// machine that is gone.
package final class BlackHole: Sendable {
    package let port: Int
    private let descriptors: [Int32]

    /// The kernel drops a SYN when the queue of those not yet accepted is full (listen(2)).
    package init() throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var fillers: [Int32] = []
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                guard bind(listener, pointer, length) == 0, listen(listener, 0) == 0,
                    getsockname(listener, pointer, &length) == 0
                else { return false }
                for _ in 0..<4 {
                    let filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                    _ = fcntl(filler, F_SETFL, O_NONBLOCK)
                    _ = connect(filler, pointer, length)
                    fillers.append(filler)
                }
                return true
            }
        }
        self.descriptors = [listener] + fillers
        self.port = Int(UInt16(bigEndian: address.sin_port))
        guard isListening else { throw LocalServiceError("no black hole: errno \(errno)") }
    }

    deinit {
        for descriptor in self.descriptors { close(descriptor) }
    }
}
