internal import Domain
internal import NIOCore
package import Values

/// A proxy that connections to receivers go by: it is asked for each with CONNECT (RFC 9110, section 9.3.6).
///
/// By CONNECT for http too: what the proxy says is then never taken for the receiver's answer, and a connection belongs to one
/// receiver, so that pooling, limits and who is at fault are the same as without a proxy.
package struct ForwardProxy: Sendable, Unprintable {
    let host: String
    let port: Int
    /// The `proxy-authorization` header.
    let authorization: String?
    let exceptions: [Exception]
    let target: Target

    /// How receivers are named to it.
    package enum Target: String, Sendable, CaseIterable {
        /// By the address that was checked, so that it leads nowhere else.
        case address
        /// By name, for proxies that decide by names. They look it up themselves, and what they find is theirs to guard.
        case name
    }

    /// What is connected to without it.
    enum Exception: Equatable {
        case everything
        /// This host and those below it; at one port if there is one.
        case host(String, port: Int?)
        /// Receivers all of whose addresses are in here.
        case network(Network)
    }

    /// What is no url of a proxy, or no exception.
    package struct Refusal: Error, Equatable {
        package let isOfExceptions: Bool
        package let reason: String
    }

    /// - Parameters:
    ///   - url: `http://user:password@proxy:3128`.
    ///   - exceptions: hosts, addresses and CIDRs, parted by commas; `*` is everything.
    package init(_ url: Secret, exceptions: String, target: Target) throws(Refusal) {
        func refusal() -> Refusal {
            Refusal(isOfExceptions: false, reason: "must be http://proxy:3128 or http://user:password@proxy:3128")
        }
        var rest = url.reveal()[...]
        guard rest.hasPrefix("http://") else { throw refusal() }
        rest = rest.dropFirst(7)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        var authorization: String?
        if let at = rest.lastIndex(of: "@") {
            guard let credentials = PercentEncoding.decode(rest[..<at].utf8), credentials.contains(UInt8(ascii: ":"))
            else { throw refusal() }
            authorization = "Basic \(Base64.encode(credentials))"
            rest = rest[rest.index(after: at)...]
        }
        // Host and port as in any other url.
        guard !rest.contains(where: { "/?#".contains($0) }), let parsed = try? WebhookURL("http://\(rest)/") else {
            throw refusal()
        }
        self.host = parsed.host
        self.port = parsed.port
        self.authorization = authorization
        self.target = target
        self.exceptions = try Self.exceptions(exceptions)
    }

    /// Whether exceptions are some, for who has no proxy yet.
    package static func check(exceptions: String) throws(Refusal) { _ = try self.exceptions(exceptions) }

    private static func exceptions(_ text: String) throws(Refusal) -> [Exception] {
        var exceptions: [Exception] = []
        for part in text.split(separator: ",").map(\.trimmingSpaces) where !part.isEmpty {
            if part == "*" {
                exceptions.append(.everything)
            } else if let network = Network(part) {
                exceptions.append(.network(network))
            } else {
                var name = part.lowercased()
                if name.hasPrefix("*.") { name.removeFirst(2) }
                if name.hasPrefix(".") { name.removeFirst() }
                // A network that is none would pass for a host with a path.
                guard !name.contains(where: { "/?#@".contains($0) }), let url = try? WebhookURL("http://\(name)/")
                else {
                    throw Refusal(
                        isOfExceptions: true,
                        reason: "\"\(part)\" is no host such as example.com, no address and no CIDR such as 10.0.0.0/8")
                }
                exceptions.append(.host(url.host, port: name.contains(":") ? url.port : nil))
            }
        }
        return exceptions
    }

    /// Whether a receiver is reached by it.
    func leads(to place: Place, at addresses: [SocketAddress]) -> Bool {
        self.leads(toHost: place.host, port: place.port, at: addresses.compactMap { IPAddress($0) })
    }

    func leads(toHost host: String, port: Int, at addresses: [IPAddress]) -> Bool {
        !self.exceptions.contains { exception in
            switch exception {
            case .everything: true
            case .host(let name, let only):
                (host == name || host.hasSuffix(".\(name)")) && (only == nil || only == port)
            case .network(let network): !addresses.isEmpty && addresses.allSatisfy(network.contains)
            }
        }
    }
}
