internal import Crypto
package import Values

/// What a certificate says of itself (RFC 5280, section 4.1), whether it can be trusted or not.
package struct Certificate: Sendable, Equatable {
    /// For people: `CN=device, O=Example`.
    package let subject: String
    package let issuer: String
    package let validFrom: Instant
    package let validUntil: Instant
    /// SHA-256 of the whole, as `openssl x509 -fingerprint -sha256` writes it.
    package let fingerprint: String
    /// Both in DER, to see who has signed whom.
    let subjectName: [UInt8]
    let issuerName: [UInt8]
    /// In DER, as a SubjectPublicKeyInfo.
    let publicKey: [UInt8]

    /// nil if it is none.
    package init?(der: [UInt8]) {
        var file = DER(der[...])
        guard let outer = file.next(tag: 0x30), file.isAtEnd else { return nil }
        var parts = DER(outer.content)
        guard let signed = parts.next(tag: 0x30), parts.next(tag: 0x30) != nil, parts.next(tag: 0x03) != nil else {
            return nil
        }
        var fields = DER(signed.content)
        var field = fields.next()
        // The version is there in all but the oldest.
        if field?.tag == 0xA0 { field = fields.next() }
        // The serial number, and the signature's algorithm.
        guard field?.tag == 0x02, fields.next(tag: 0x30) != nil, let issuer = fields.next(tag: 0x30),
            let validity = fields.next(tag: 0x30), let subject = fields.next(tag: 0x30),
            let publicKey = fields.next(tag: 0x30)
        else { return nil }
        var times = DER(validity.content)
        guard let from = times.next().flatMap(Self.time), let until = times.next().flatMap(Self.time) else {
            return nil
        }
        self.subject = Self.words(subject.content)
        self.issuer = Self.words(issuer.content)
        self.validFrom = from
        self.validUntil = until
        self.subjectName = Array(subject.content)
        self.issuerName = Array(issuer.content)
        self.publicKey = Array(publicKey.whole)
        let digest = Hex.encode(SHA256.hash(data: der)).uppercased()
        self.fingerprint = stride(from: 0, to: digest.utf8.count, by: 2).map { digest.dropFirst($0).prefix(2) }
            .joined(separator: ":")
    }

    /// `YYMMDDHHMMSSZ`, of this century if the year is below 50, or `YYYYMMDDHHMMSSZ` (section 4.1.2.5).
    private static func time(_ value: DER.Value) -> Instant? {
        guard value.tag == 0x17 || value.tag == 0x18, value.content.last == UInt8(ascii: "Z") else { return nil }
        let digits = value.content.dropLast().map { Int64($0) - 0x30 }
        let yearLength = value.tag == 0x17 ? 2 : 4
        guard digits.allSatisfy({ (0...9).contains($0) }), digits.count == yearLength + 10 else { return nil }
        var year = digits.prefix(yearLength).reduce(0) { $0 * 10 + $1 }
        if yearLength == 2 { year += year < 50 ? 2_000 : 1_900 }
        let pairs = stride(from: yearLength, to: digits.count, by: 2).map { digits[$0] * 10 + digits[$0 + 1] }
        guard (1...12).contains(pairs[0]), (1...CivilDate.days(inMonth: pairs[0], of: year)).contains(pairs[1]),
            pairs[2] < 24, pairs[3] < 60, pairs[4] < 61
        else { return nil }
        let days = CivilDate.days(year: year, month: pairs[0], day: pairs[1])
        let seconds = days * 86_400 + pairs[2] * 3_600 + pairs[3] * 60 + pairs[4]
        // Some say 1950, and some for ever.
        return Instant(clampingMicroseconds: seconds.multiplied(by: 1_000_000))
    }

    /// The attributes that people know, in their order.
    private static let attributes: [([UInt8], String)] = [
        ([0x55, 0x04, 0x03], "CN"), ([0x55, 0x04, 0x0A], "O"), ([0x55, 0x04, 0x0B], "OU"), ([0x55, 0x04, 0x06], "C"),
    ]

    private static func words(_ name: ArraySlice<UInt8>) -> String {
        var found: [String] = []
        var sets = DER(name)
        while let set = sets.next() {
            var pairs = DER(set.content)
            guard let pair = pairs.next() else { continue }
            var parts = DER(pair.content)
            guard let kind = parts.next(), let value = parts.next(),
                let known = Self.attributes.first(where: { kind.content.elementsEqual($0.0) })
            else { continue }
            found.append("\(known.1)=\(Self.printable(value.content))")
        }
        return found.joined(separator: ", ")
    }

    /// Somebody chose it.
    package static func printable(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: bytes.prefix(100).map { (0x20...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self)
    }
}

extension Certificate {
    /// The certificates of a text in PEM.
    ///
    /// - Parameter field: whose text it is.
    /// - Returns: at least one, and what they are made of in PEM without what stands between them.
    package static func list(
        _ text: String, most: Int, field: String
    ) throws(InvalidField) -> (certificates: [Certificate], pem: String) {
        guard text.utf8.count <= most * 16_384, let blocks = PEM.blocks(of: text) else {
            throw InvalidField(field, "must be certificates in PEM (-----BEGIN CERTIFICATE-----)")
        }
        let found = blocks.filter { ["CERTIFICATE", "X509 CERTIFICATE"].contains($0.label) }
        guard (1...most).contains(found.count) else {
            throw InvalidField(field, "must hold 1 to \(most) certificates in PEM (-----BEGIN CERTIFICATE-----)")
        }
        var certificates: [Certificate] = []
        for block in found {
            guard let certificate = Certificate(der: block.bytes) else {
                throw InvalidField(field, "holds a certificate that cannot be read: number \(certificates.count + 1)")
            }
            certificates.append(certificate)
        }
        let pem = found.map { PEM(label: "CERTIFICATE", bytes: $0.bytes).text }.joined()
        return (certificates, pem)
    }
}
