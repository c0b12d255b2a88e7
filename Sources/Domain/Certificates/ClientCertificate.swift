package import Values

/// By what Hookline shows to a receiver who it is, where the receiver asks for it (RFC 8446, section 4.3.2).
package struct ClientCertificate: Sendable, Equatable, Codable, Unprintable {
    /// In PEM: its own certificate, and behind it those that each have signed the one before.
    package private(set) var chain: String
    /// In PEM.
    package private(set) var privateKey: String

    static let mostInChain = 10
    static let longestKey = 16_384
    /// How the API names its parts.
    private static let chainName = "client_certificate.certificate"
    private static let keyName = "client_certificate.private_key"

    package init(chain: String, privateKey: String) {
        self.chain = chain
        self.privateKey = privateKey
    }

    /// What its own certificate says; nil if this version cannot read it.
    package var certificate: Certificate? {
        PEM.blocks(of: self.chain)?.first.flatMap { Certificate(der: $0.bytes) }
    }

    /// - Throws: ``InvalidField``, named as the API names it. Whether it has ended is not asked: it may end later as well.
    package func check() throws(InvalidField) {
        let (chain, _) = try Certificate.list(self.chain, most: Self.mostInChain, field: Self.chainName)
        for (signed, signer) in zip(chain, chain.dropFirst()) where signed.issuerName != signer.subjectName {
            throw InvalidField(
                Self.chainName,
                "must hold the certificate first, and behind it those that each have signed the one before: "
                    + "\(signed.subject) is signed by \(signed.issuer), and not by \(signer.subject)")
        }
        let key = try CertificateKey.normalized(self.privateKey, field: Self.keyName)
        guard let publicKey = CertificateKey.publicKey(of: key) else {
            throw InvalidField(Self.keyName, CertificateKey.expected)
        }
        guard publicKey == chain[0].publicKey else {
            throw InvalidField(Self.keyName, "does not belong to the certificate of \(chain[0].subject)")
        }
    }

    /// - Throws: ``InvalidField`` if no receiver would take it at that time.
    package func checkIsValid(at now: Instant) throws(InvalidField) {
        guard let certificate, certificate.validUntil <= now else { return }
        throw InvalidField(Self.chainName, "has expired, on \(certificate.validUntil.text.prefix(10))")
    }
}

// MARK: The API

extension ClientCertificate {
    static let form = Form.object(
        [
            .init("certificate", .text(), isRequired: true), .init("private_key", .text()),
        ] + Self.facts.map { Form.Member($0, .text()) } + [.init("expires_at", .own)])

    /// What is answered and ignored where it is sent back.
    private static let facts = ["subject", "issuer", "fingerprint"]

    /// A key that is not mentioned, or sent back masked, stays as it is.
    ///
    /// - Parameter old: what there was.
    init?(_ object: JSONObject, changing old: ClientCertificate?) throws(InvalidField) {
        guard let fields = try object.object("client_certificate") else { return nil }
        guard let text = try fields.string("certificate") ?? old?.chain else {
            throw InvalidField(fields.name("certificate"), "is required: a certificate in PEM")
        }
        let chain = try Certificate.list(text, most: Self.mostInChain, field: fields.name("certificate")).pem
        let given = try fields.string("private_key")
        let isStored = given == nil || given == Mask.text
        guard let key = isStored ? old?.privateKey : given else {
            throw InvalidField(fields.name("private_key"), "is required: the certificate's key in PEM")
        }
        self.init(
            chain: chain, privateKey: try CertificateKey.normalized(key, field: fields.name("private_key")))
    }
}

extension JSONValue {
    /// The key is never shown, to nobody.
    package init(_ client: ClientCertificate?) {
        guard let client else {
            self = .null
            return
        }
        var fields: JSONFields = client.certificate.map { JSONFields($0) } ?? [:]
        fields["certificate"] = .string(client.chain)
        fields["private_key"] = .string(Mask.text)
        self = .object(fields)
    }
}

extension JSONFields {
    /// What people want to know of a certificate.
    package init(_ certificate: Certificate) {
        self = [
            "subject": .string(certificate.subject), "issuer": .string(certificate.issuer),
            "expires_at": .integer(certificate.validUntil.milliseconds),
            "fingerprint": .string(certificate.fingerprint),
        ]
    }
}

extension Field<WebhookOptions> {
    static var clientCertificate: Field {
        Field(
            "client_certificate", \.clientCertificate,
            stored: [StoredField("clientCertificate", \.clientCertificate)], ClientCertificate.form, isSecret: true,
            read: { (object, options) throws(InvalidField) in
                options.clientCertificate = try ClientCertificate(object, changing: options.clientCertificate)
            },
            write: { options, _ in JSONValue(options.clientCertificate) },
            check: { (options) throws(InvalidField) in try options.clientCertificate?.check() })
    }
}
