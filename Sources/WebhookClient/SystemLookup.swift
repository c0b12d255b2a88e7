internal import NIOCore

#if canImport(Glibc)
internal import Glibc
#endif

/// Looks up a host as everything else on this machine does: /etc/hosts, name servers, search domains, in the order that
/// nsswitch.conf and resolv.conf say. What it finds is checked like any address.
@Sendable
package func systemLookup(_ host: String) -> LookupAnswer {
    let answer = addresses(of: host)
    // Names below localhost are this machine (RFC 6761, section 6.3), whether or not the system's library knows that.
    guard case .failure(.noSuchHost) = answer, host.hasSuffix(".localhost") else { return answer }
    return addresses(of: "localhost")
}

/// `getaddrinfo(3)` blocks.
private func addresses(of host: String) -> LookupAnswer {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_ADDRCONFIG
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, nil, &hints, &list)
    guard code == 0, let list else { return .failure(LookupFailure(code: code)) }
    defer { freeaddrinfo(list) }
    let addresses = sequence(first: list, next: { $0.pointee.ai_next }).compactMap { entry -> SocketAddress? in
        guard let address = entry.pointee.ai_addr else { return nil }
        switch entry.pointee.ai_family {
        case AF_INET: return address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { SocketAddress($0.pointee) }
        case AF_INET6:
            return address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { SocketAddress($0.pointee) }
        default: return nil
        }
    }
    return addresses.isEmpty ? .failure(.noSuchHost("it has no address")) : .success(addresses)
}

extension LookupFailure {
    /// `EAI_NODATA` and `EAI_ADDRFAMILY`, which glibc shows only to those who ask for GNU's names: a host that is there,
    /// without an address (of a family that this machine has).
    private static let withoutAddress: Set<Int32> = [-5, -9]

    /// - Parameter code: what `getaddrinfo(3)` returned. Only a name server that knows says that there is nothing;
    ///   everything else is between this machine and its name servers.
    init(code: Int32) {
        let text = String(cString: gai_strerror(code))
        self =
            code == EAI_NONAME || Self.withoutAddress.contains(code) ? .noSuchHost(text) : .unanswered(text)
    }
}
