import Glibc
import LocalServices
import Synchronization

/// Accepts connections, as the kernel does for who listens, and never says a word: what a machine that is lost looks like.
final class SilentServer: Sendable {
    let port: Int
    private let descriptor: Int32
    private let accepted = Mutex<[Int32]>([])

    /// On a free port of 127.0.0.1.
    init() throws {
        self.port = try freePort()
        self.descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(self.port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        try Self.listen(on: self.descriptor, &address)
    }

    /// On ::1.
    init(onIPv6 port: Int) throws {
        self.port = port
        self.descriptor = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = UInt16(port).bigEndian
        address.sin6_addr = in6addr_loopback
        try Self.listen(on: self.descriptor, &address)
    }

    deinit {
        for descriptor in [self.descriptor] + self.accepted.withLock({ $0 }) { close(descriptor) }
    }

    private static func listen<Address>(on descriptor: Int32, _ address: inout Address) throws {
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<Address>.size)) == 0
            }
        }
        guard isBound, Glibc.listen(descriptor, 16) == 0, fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 else {
            throw LocalServiceError("cannot listen: \(String(cString: strerror(errno)))")
        }
    }

    /// How many have connected since it was asked last. They stay connected.
    func takeConnections() -> Int {
        self.accepted.withLock { accepted in
            let before = accepted.count
            while case let descriptor = accept(self.descriptor, nil, nil), descriptor >= 0 {
                accepted.append(descriptor)
            }
            return accepted.count - before
        }
    }
}
