internal import Domain
internal import NIOSSL

/// What a receiver's certificate says of itself, whether it can be trusted or not.
struct ShownCertificate: Equatable {
    /// Seconds since 1970.
    var validFrom: Int64
    var validUntil: Int64
    var isSelfSigned = false
    /// Whether it may be shown by a server, as far as it says what it is for.
    var isForServers = true
    /// The common name of who issued it, or their organization.
    var issuer: String?
    /// The hosts that it is for.
    var names: [String] = []
}

extension ShownCertificate {
    init(_ certificate: NIOSSLCertificate) {
        self.init(validFrom: Int64(certificate.notValidBefore), validUntil: Int64(certificate.notValidAfter))
        for name in certificate._subjectAlternativeNames() {
            let bytes = Array(name.contents)
            if name.nameType == .dnsName { self.names.append(Self.printable(bytes)) }
            if name.nameType == .ipAddress, bytes.count == 4 {
                self.names.append(bytes.map { "\($0)" }.joined(separator: "."))
            }
        }
        // Its bytes cannot be had only where there is no memory.
        guard let der = try? certificate.toDERBytes() else { return }
        self.readNames(der)
    }

    /// Reads who issued whom (RFC 5280, section 4.1).
    private mutating func readNames(_ der: [UInt8]) {
        var outer = DER(der[...])
        guard let certificate = outer.next() else { return }
        var inner = DER(certificate.content)
        guard let signed = inner.next() else { return }
        var fields = DER(signed.content)
        var field = fields.next()
        // The version is there in all but the oldest.
        if field?.tag == 0xA0 { field = fields.next() }
        // Behind the serial number and the signature's algorithm.
        guard field != nil, fields.next() != nil, let issuer = fields.next(), fields.next() != nil,
            let subject = fields.next()
        else { return }
        self.isSelfSigned = issuer.content == subject.content
        self.issuer = Self.name(issuer.content)
        while let field = fields.next() {
            if field.tag == 0xA3, let usages = Self.usages(field.content) {
                // id-kp-serverAuth and anyExtendedKeyUsage.
                self.isForServers = usages.contains { usage in
                    usage.elementsEqual([0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01])
                        || usage.elementsEqual([0x55, 0x1D, 0x25, 0x00])
                }
            }
        }
    }

    /// What the extension 2.5.29.37 lists; nil if there is none.
    private static func usages(_ extensions: ArraySlice<UInt8>) -> [ArraySlice<UInt8>]? {
        var outer = DER(extensions)
        guard let list = outer.next() else { return nil }
        var entries = DER(list.content)
        while let entry = entries.next() {
            var parts = DER(entry.content)
            guard parts.next()?.content.elementsEqual([0x55, 0x1D, 0x25]) == true else { continue }
            // Whether it is critical may stand between.
            while let part = parts.next() {
                guard part.tag == 0x04 else { continue }
                var text = DER(part.content)
                guard let sequence = text.next() else { return nil }
                var names = DER(sequence.content)
                var usages: [ArraySlice<UInt8>] = []
                while let name = names.next() { usages.append(name.content) }
                return usages
            }
        }
        return nil
    }

    private static func name(_ bytes: ArraySlice<UInt8>) -> String? {
        var (common, organization): (String?, String?)
        var sets = DER(bytes)
        while let set = sets.next() {
            var pairs = DER(set.content)
            guard let pair = pairs.next() else { continue }
            var parts = DER(pair.content)
            guard let kind = parts.next(), let value = parts.next() else { continue }
            // 2.5.4.3 and 2.5.4.10.
            if kind.content.elementsEqual([0x55, 0x04, 0x03]) { common = Self.printable(value.content) }
            if kind.content.elementsEqual([0x55, 0x04, 0x0A]) { organization = Self.printable(value.content) }
        }
        return common ?? organization
    }

    /// The receiver chose it.
    private static func printable(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: bytes.prefix(100).map { (0x20...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self)
    }
}
