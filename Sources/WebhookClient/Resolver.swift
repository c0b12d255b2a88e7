internal import Domain
internal import NIOCore
package import NIOPosix

#if canImport(Glibc)
internal import Glibc
#endif

/// Turns host names into addresses, on threads of its own: `getaddrinfo(3)` blocks.
package struct Resolver: Sendable {
    private let threads: NIOThreadPool

    /// - Parameter threads: started by whoever made it, and used by nobody else, so that a slow name server holds up
    ///   nothing but new connections.
    package init(threads: NIOThreadPool) {
        self.threads = threads
    }

    /// All addresses of a host in the system's order; an address literal is its own.
    func resolve(_ host: String, port: Int, on eventLoop: any EventLoop) -> EventLoopFuture<[SocketAddress]> {
        if let literal = try? SocketAddress(ipAddress: host, port: port) {
            return eventLoop.makeSucceededFuture([literal])
        }
        return self.threads.runIfActive(eventLoop: eventLoop) { try Self.lookUp(host, port: port) }
    }

    struct Unresolved: Error, CustomStringConvertible {
        let description: String
    }

    private static func lookUp(_ host: String, port: Int) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        // A name with a dot is taken as it stands: the trailing dot keeps `search` domains out of it.
        let name = host.contains(".") ? host + "." : host
        let code = getaddrinfo(name, String(port), &hints, &list)
        guard code == 0, let list else { throw Unresolved(description: String(cString: gai_strerror(code))) }
        defer { freeaddrinfo(list) }
        return sequence(first: list, next: { $0.pointee.ai_next }).compactMap { entry in
            guard let address = entry.pointee.ai_addr else { return nil }
            switch entry.pointee.ai_family {
            case AF_INET:
                return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { SocketAddress($0.pointee) }
            case AF_INET6:
                return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { SocketAddress($0.pointee) }
            default: return nil
            }
        }
    }
}

extension IPAddress {
    /// The bits that the kernel will connect to.
    init?(_ address: SocketAddress) {
        // By their places in `sockaddr_in` and `sockaddr_in6`: family, port, then the address.
        let (family, offset, length): (Family, Int, Int)
        switch address {
        case .v4: (family, offset, length) = (.v4, 4, 4)
        case .v6: (family, offset, length) = (.v6, 8, 16)
        case .unixDomainSocket: return nil
        }
        self = address.withSockAddr { pointer, size in
            let bytes = UnsafeRawBufferPointer(start: pointer, count: size)[offset..<(offset + length)]
            return IPAddress(family: family, bits: bytes.reduce(0) { $0 << 8 | UInt128($1) })
        }
    }
}
