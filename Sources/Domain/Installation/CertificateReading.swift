package import Values

/// Certificates that an installation relies on.
package struct CertificateReading: Sendable, Equatable {
    /// What they are, for people: a setting with its file, or who shows them.
    package let place: String
    package let certificates: [Certificate]
    /// Whether all have to be good, as of a certificate that is shown, or one is enough, as of authorities.
    package let needsAll: Bool

    package init(_ place: String, _ certificates: [Certificate], needsAll: Bool) {
        self.place = place
        self.certificates = certificates
        self.needsAll = needsAll
    }

    private static let soon = Duration.seconds(30 * 86_400)

    package func finding(at now: Instant) -> InstallationFinding {
        let subject = "certificates"
        let bad = self.certificates.filter { now < $0.validFrom || $0.validUntil < now }
        if let first = bad.first, self.needsAll || bad.count == self.certificates.count {
            let words =
                now < first.validFrom
                ? "is good from \(first.validFrom.text) on" : "ended at \(first.validUntil.text)"
            return .init(
                .fail, subject, "\(self.place): \(Self.name(first)) \(words)",
                hint: "replace it; an instance reads it anew when it connects or starts")
        }
        let good = self.certificates.filter { !bad.contains($0) }
        guard let next = good.min(by: { $0.validUntil < $1.validUntil }) else {
            return .init(.fail, subject, "\(self.place): there is no certificate", hint: "name a PEM file")
        }
        let words = "\(self.place): \(Self.name(next)) ends at \(next.validUntil.text)"
        // Of many authorities some end always.
        if next.validUntil < now + Self.soon, self.needsAll || self.certificates.count == 1 {
            return .init(.warn, subject, words, hint: "renew it before that")
        }
        return .init(.ok, subject, words)
    }

    private static func name(_ certificate: Certificate) -> String {
        certificate.subject.isEmpty ? "the certificate" : certificate.subject
    }
}

/// What a server shows when it is connected to, beside what is trusted.
package struct ShownChain: Sendable, Equatable {
    /// Who shows it, for people.
    package let place: String
    /// The name or address that it was reached by.
    package let host: String
    /// The server's own first.
    package let chain: [Certificate]
    /// The names and addresses that its own is for.
    package let names: [String]
    /// Those that it may lead to.
    package let authorities: [Certificate]

    package init(
        _ place: String, host: String, chain: [Certificate], names: [String], authorities: [Certificate]
    ) {
        self.place = place
        self.host = host
        self.chain = chain
        self.names = names
        self.authorities = authorities
    }

    package func findings(at now: Instant) -> [InstallationFinding] {
        guard let own = self.chain.first else {
            return [.init(.fail, "certificates", "\(self.place) shows no certificate", hint: "see its settings")]
        }
        var findings = [CertificateReading(self.place, [own], needsAll: true).finding(at: now)]
        if !self.leadsToAuthority {
            findings.append(
                .init(
                    .fail, "certificates",
                    "\(self.place): issued by \(own.issuer), which leads to no authority of MQTT_TLS_CA_FILE",
                    hint: "put the authority's certificate into that file, or have the server show the ones between"))
        }
        if !self.names.isEmpty, !self.names.contains(where: self.isMeant) {
            findings.append(
                .init(
                    .fail, "certificates",
                    "\(self.place): it is for \(self.names.joined(separator: ", ")) and not for \(self.host)",
                    hint: "name it in MQTT_HOST as its certificate does, or have the certificate made for that name"))
        }
        return findings
    }

    /// By their names. Whether they have signed is seen where it is connected to in earnest.
    private var leadsToAuthority: Bool {
        let trusted = self.authorities.map(\.subjectName)
        return self.chain.contains { trusted.contains($0.issuerName) || self.authorities.contains($0) }
    }

    /// As RFC 6125 has it (section 6.4.3): a star is the whole first label.
    private func isMeant(_ name: String) -> Bool {
        if let address = IPAddress(self.host) { return IPAddress(name) == address }
        let (name, host) = (name.lowercased(), self.host.lowercased())
        guard name.hasPrefix("*.") else { return name == host }
        return host.firstIndex(of: ".").map { host[$0...] == name.dropFirst() } ?? false
    }
}
