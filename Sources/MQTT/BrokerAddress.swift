/// Where a broker listens.
package struct BrokerAddress: Sendable, Equatable, CustomStringConvertible {
    package let host: String
    package let port: Int

    package init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    /// Reads `broker`, `broker:1884`, `::1` or `[::1]:1884`; nil if it is none of these.
    package init?(_ text: String, defaultPort: Int) {
        var (host, port) = (text[...], nil as Substring?)
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            port = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = text.firstIndex(of: ":"), colon == text.lastIndex(of: ":") {
            (host, port) = (text[..<colon], text[text.index(after: colon)...])
        }
        guard !host.isEmpty, host.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !"[]/@,".utf8.contains($0) }) else {
            return nil
        }
        guard let number = port.map({ Int($0) }) ?? defaultPort, (1...65_535).contains(number) else { return nil }
        self.init(host: String(host), port: number)
    }

    package var description: String {
        self.host.contains(":") ? "[\(self.host)]:\(self.port)" : "\(self.host):\(self.port)"
    }
}

/// The brokers in the order in which they are tried: the one that worked last, then the others as they were named.
struct BrokerOrder {
    let addresses: [BrokerAddress]
    private var preferred = 0

    init(_ addresses: [BrokerAddress]) {
        self.addresses = addresses
    }

    var indices: [Int] {
        [self.preferred] + self.addresses.indices.filter { $0 != self.preferred }
    }

    mutating func worked(_ index: Int) {
        self.preferred = index
    }
}
