internal import Glibc

/// One entry of a connection string's lists: where one or more servers may be.
struct Host: Sendable, Hashable {
    /// A name, an address, or the folder of a socket; nil is libpq's default.
    let name: String?
    /// An address that was given beside the name (`hostaddr`).
    let address: String?
    let port: String

    /// The entries of `host`, `hostaddr` and `port`, which libpq has found to match in number.
    static func list(names: String?, addresses: String?, ports: String?) -> [Host] {
        func entries(_ list: String?) -> [String?] {
            guard let list, !list.isEmpty else { return [] }
            return list.split(separator: ",", omittingEmptySubsequences: false).map { $0.isEmpty ? nil : String($0) }
        }
        let (names, addresses, ports) = (entries(names), entries(addresses), entries(ports))
        return (0..<max(1, names.count, addresses.count)).map { index in
            Host(
                name: index < names.count ? names[index] : nil,
                address: index < addresses.count ? addresses[index] : nil,
                port: (ports.count == 1 ? ports[0] : index < ports.count ? ports[index] : nil) ?? "5432")
        }
    }

    /// The servers behind it, one for each address. Looking a name up blocks this thread.
    func servers() throws(PostgresError) -> [Server] {
        guard let name, self.address == nil, !name.hasPrefix("/"), !name.hasPrefix("@") else {
            return [Server(host: self, address: self.address)]
        }
        var hints = unsafe addrinfo()
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = unsafe getaddrinfo(name, nil, &hints, &list)
        guard code == 0 else {
            throw PostgresError(
                .connect, "\(name): \(unsafe gai_strerror(code).map { unsafe String(cString: $0) } ?? "")")
        }
        defer { unsafe freeaddrinfo(list) }
        var servers: [Server] = []
        var next = unsafe list
        while let entry = unsafe next {
            let server = unsafe Server(host: self, address: numericAddress(entry.pointee))
            if server.address != nil, !servers.contains(server) { servers.append(server) }
            unsafe next = entry.pointee.ai_next
        }
        return servers
    }
}

/// One server to try: a host by one of its addresses.
struct Server: Sendable, Hashable, CustomStringConvertible {
    let host: Host
    /// nil if the host is a socket's folder.
    let address: String?

    var description: String {
        let name = self.host.name ?? self.address ?? "the default socket"
        let address = self.address.map { $0 == name ? "" : " (\($0))" } ?? ""
        return "\(name), port \(self.host.port)\(address)"
    }
}

private func numericAddress(_ entry: addrinfo) -> String? {
    var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let code = unsafe getnameinfo(
        entry.ai_addr, entry.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
    guard code == 0 else { return nil }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
