internal import Crypto
package import Values

/// How connections are secured where that is not as everywhere else. Only connections on the same terms are shared.
package final class TLSTerms: Sendable, Hashable, Unprintable {
    package let client: ClientCertificate?
    /// In PEM, beside the installation's.
    package let authorities: String?
    package let minimum: TLSMinimum?
    /// From when to when the client certificate is good.
    package let clientLife: (start: Instant, end: Instant)?
    /// Of all of it: it is compared with every connection that is looked for.
    private let digest: SHA256Digest

    package init(client: ClientCertificate?, authorities: String? = nil, minimum: TLSMinimum? = nil) {
        self.client = client
        self.authorities = authorities
        self.minimum = minimum
        self.clientLife = client?.certificate.map { ($0.validFrom, $0.validUntil) }
        var hash = SHA256()
        for part in [client?.chain, client?.privateKey, authorities, minimum?.rawValue] {
            hash.update(data: Array("\(part?.utf8.count ?? -1):\(part ?? "")".utf8))
        }
        self.digest = hash.finalize()
    }

    /// nil if the group says nothing.
    package convenience init?(_ group: GroupTLS) {
        guard !group.isEmpty else { return nil }
        self.init(client: group.clientCertificate, authorities: group.authorities, minimum: group.minimum)
    }

    /// A webhook's own certificate goes before its group's.
    convenience init(own client: ClientCertificate, in group: TLSTerms?) {
        self.init(client: client, authorities: group?.authorities, minimum: group?.minimum)
    }

    package static func == (one: TLSTerms, other: TLSTerms) -> Bool {
        one === other || one.digest == other.digest
    }

    package func hash(into hasher: inout Hasher) {
        self.digest.withUnsafeBytes { hasher.combine(bytes: $0) }
    }
}
