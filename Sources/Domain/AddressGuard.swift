/// Decides which addresses Hookline may connect to on behalf of somebody else.
///
/// By default only the public internet. The ranges are those of the IANA special-purpose registries (RFC 6890 and
/// later), widened by what attacks on webhook senders have used. Addresses that carry an IPv4 address inside are
/// refused whole, except `64:ff9b::/96` (RFC 6052), which is judged by the address inside because it is what a host
/// behind NAT64 sees of the IPv4 internet.
package struct AddressGuard: Sendable {
    /// Refused, and no allow-list can open them: they hand out a machine's credentials.
    private static let metadata = networks([
        // Nearly everybody's; Azure's other one, Alibaba's, Oracle's former one.
        "169.254.169.254/32", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32",
        // Amazon: instances, tasks of ECS, pods of EKS.
        "fd00:ec2::254/128", "169.254.170.2/32", "169.254.170.23/32", "fd00:ec2::23/128",
        // Google, Oracle, Scaleway.
        "fd20:ce::254/128", "fd00:c1::a9fe:a9fe/128", "169.254.42.42/32", "fd00:42::42/128",
    ])

    private static let forbidden = networks([
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
        "::/8", "64:ff9b::/32", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16",
        "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    ])

    private static let nat64 = Network("64:ff9b::/96")

    private let allowed: [Network]

    /// - Parameter allowed: blocks beyond the public internet that may be reached, such as a LAN.
    package init(allowed: [Network] = []) {
        self.allowed = allowed
    }

    /// For what the operator names, which is wherever it is; metadata services are refused all the same.
    package static let everywhere = AddressGuard(allowed: ["0.0.0.0/0", "::/0"].compactMap { Network($0) })

    /// The same guard with more blocks opened, for one group.
    package func allowing(_ more: [Network]) -> AddressGuard {
        more.isEmpty ? self : AddressGuard(allowed: self.allowed + more)
    }

    package func permits(_ address: IPAddress) -> Bool {
        if Self.nat64?.contains(address) == true {
            return self.permits(IPAddress(family: .v4, bits: address.bits & 0xFFFF_FFFF))
        }
        if Self.isMetadata(address) || Self.embeddedIPv4(in: address).contains(where: Self.isMetadata) { return false }
        if self.allowed.contains(where: { $0.contains(address) }) { return true }
        if Self.isISATAP(address) { return false }
        return !Self.forbidden.contains { $0.contains(address) }
    }

    private static func isMetadata(_ address: IPAddress) -> Bool {
        Self.metadata.contains { $0.contains(address) }
    }

    /// The IPv4 addresses that an IPv6 address may lead to, by any of the forms that were ever in use: an allow-list of
    /// IPv6 blocks must not open a metadata service by a detour.
    private static func embeddedIPv4(in address: IPAddress) -> [IPAddress] {
        guard address.family == .v6 else { return [] }
        func v4(_ bits: UInt128) -> IPAddress { IPAddress(family: .v4, bits: bits & 0xFFFF_FFFF) }
        var found: [IPAddress] = []
        // Compatible (::/96), mapped (::ffff:0:0/96), translated (::ffff:0:0:0/96), NAT64 (64:ff9b::/32), ISATAP.
        let high = address.bits >> 32
        if high == 0 || high == 0xFFFF || high == 0xFFFF_0000 || address.bits >> 96 == 0x0064_FF9B
            || Self.isISATAP(address)
        {
            found.append(v4(address.bits))
        }
        // 6to4 (RFC 3056): behind the first two bytes.
        if address.bits >> 112 == 0x2002 { found.append(v4(address.bits >> 80)) }
        // Teredo (RFC 4380): the server, and the client with its bits turned over.
        if address.bits >> 96 == 0x2001_0000 { found += [v4(address.bits >> 64), v4(~address.bits)] }
        return found
    }

    /// `…:0:5efe:a.b.c.d` and `…:200:5efe:a.b.c.d` (RFC 5214, section 6.1): an IPv4 address under any prefix.
    private static func isISATAP(_ address: IPAddress) -> Bool {
        guard address.family == .v6 else { return false }
        let identifier = UInt32(truncatingIfNeeded: address.bits >> 32)
        return identifier == 0x0000_5EFE || identifier == 0x0200_5EFE
    }

    private static func networks(_ texts: [String]) -> [Network] {
        texts.map { text in
            guard let network = Network(text) else { preconditionFailure("\(text) is no network") }
            return network
        }
    }
}
