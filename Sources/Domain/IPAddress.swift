/// An IPv4 or IPv6 address as its bits. IPv4 stands in the low 32.
package struct IPAddress: Hashable, Sendable {
    package enum Family: Sendable { case v4, v6 }

    package let family: Family
    package let bits: UInt128

    package init(family: Family, bits: UInt128) {
        self.family = family
        self.bits = bits
    }

    package init?(_ text: some StringProtocol) {
        if let address = Self(ipv4: text) ?? Self(ipv6: text) { self = address } else { return nil }
    }

    /// Four decimal numbers without leading zeros: other spellings mean different addresses to different parsers.
    package init?(ipv4 text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bits: UInt128 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                part.utf8.count == 1 || part.first != "0", let number = UInt8(part)
            else { return nil }
            bits = bits << 8 | UInt128(number)
        }
        self.init(family: .v4, bits: bits)
    }

    /// The forms of RFC 4291, section 2.2, without a zone id.
    package init?(ipv6 text: some StringProtocol) {
        var text = String(text)[...]
        var tail: [UInt16] = []
        // The last 32 bits may be written as an IPv4 address.
        if text.contains("."), let colon = text.lastIndex(of: ":") {
            guard let embedded = IPAddress(ipv4: text[text.index(after: colon)...]) else { return nil }
            tail = [UInt16(truncatingIfNeeded: embedded.bits >> 16), UInt16(truncatingIfNeeded: embedded.bits)]
            text = text[...colon]
            // The colon that parted them stays only if it belongs to a `::`.
            if !text.hasSuffix("::") { text = text.dropLast() }
        }
        let halves = text.split(separator: "::", maxSplits: 2, omittingEmptySubsequences: false)
        guard let head = Self.groups(text.contains("::") ? halves[0] : text) else { return nil }
        guard text.contains("::") else {
            guard head.count + tail.count == 8 else { return nil }
            self.init(groups: head + tail)
            return
        }
        guard halves.count == 2, let last = Self.groups(halves[1]) else { return nil }
        let missing = 8 - head.count - last.count - tail.count
        guard missing >= 1 else { return nil }
        self.init(groups: head + [UInt16](repeating: 0, count: missing) + last + tail)
    }

    private init(groups: [UInt16]) {
        self.init(family: .v6, bits: groups.reduce(0) { $0 << 16 | UInt128($1) })
    }

    private static func groups(_ text: Substring) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        var groups: [UInt16] = []
        for part in text.split(separator: ":", omittingEmptySubsequences: false) {
            guard (1...4).contains(part.utf8.count), part.utf8.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
                let group = UInt16(part, radix: 16)
            else { return nil }
            groups.append(group)
        }
        return groups
    }
}

extension IPAddress: CustomStringConvertible {
    package var description: String {
        switch self.family {
        case .v4:
            (0..<4).map { String(UInt8(truncatingIfNeeded: self.bits >> (24 - 8 * UInt128($0)))) }.joined(
                separator: ".")
        case .v6:
            (0..<8).map { String(UInt16(truncatingIfNeeded: self.bits >> (112 - 16 * UInt128($0))), radix: 16) }
                .joined(separator: ":")
        }
    }
}

/// A block of addresses in CIDR notation.
package struct Network: Hashable, Sendable {
    package let base: IPAddress
    package let prefix: Int

    /// `10.0.0.0/8`, `fd00::/8`; an address alone is a block of one.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let base = IPAddress(parts[0]) else { return nil }
        let width = base.family == .v4 ? 32 : 128
        guard let prefix = parts.count == 2 ? Int(parts[1]) : width, (0...width).contains(prefix) else { return nil }
        self.base = base
        self.prefix = prefix
    }

    package func contains(_ address: IPAddress) -> Bool {
        guard address.family == self.base.family else { return false }
        let width = self.base.family == .v4 ? 32 : 128
        let shift = UInt128(width - self.prefix)
        return self.prefix == 0 || address.bits >> shift == self.base.bits >> shift
    }
}

extension Network: CustomStringConvertible {
    package var description: String { "\(self.base)/\(self.prefix)" }
}
