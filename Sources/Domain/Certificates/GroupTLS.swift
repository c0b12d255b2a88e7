internal import Values

/// How a group's requests are secured, beyond what holds for the whole installation.
package struct GroupTLS: Sendable, Equatable, Codable, Unprintable {
    /// Shown where a webhook has none of its own.
    package var clientCertificate: ClientCertificate?
    /// In PEM: what is trusted by this group beside the installation's. Others trust no more for it.
    package var authorities: String?
    package var minimum: TLSMinimum?

    package static let mostAuthorities = 100

    package init() {}

    package var isEmpty: Bool { self == GroupTLS() }

    /// What is not mentioned stays, and null takes it away.
    ///
    /// - Throws: ``InvalidField``, named as the API names it.
    package mutating func change(by object: JSONObject) throws(InvalidField) {
        if object.has("client_certificate") {
            self.clientCertificate = try ClientCertificate(object, changing: self.clientCertificate)
            try self.clientCertificate?.check()
        }
        if object.has("authorities") {
            let text = try object.string("authorities") ?? ""
            self.authorities =
                text.isEmpty
                ? nil : try Certificate.list(text, most: Self.mostAuthorities, field: object.name("authorities")).pem
        }
        if object.has("minimum") { self.minimum = try object.choice("minimum") }
    }

    /// What the authorities say of themselves.
    package var trusted: [Certificate] {
        (self.authorities.flatMap { PEM.blocks(of: $0) } ?? []).compactMap { Certificate(der: $0.bytes) }
    }

    package static let shape = Shape.object(
        ["client_certificate": ClientCertificate.form.shape, "authorities": .any, "minimum": .any],
        ignored: ["trusted"])

    /// The names of what is not the same.
    package func differences(from other: GroupTLS) -> [String] {
        [
            ("client_certificate", self.clientCertificate == other.clientCertificate),
            ("authorities", self.authorities == other.authorities), ("minimum", self.minimum == other.minimum),
        ].filter { !$0.1 }.map(\.0)
    }
}

/// The oldest version of TLS that a group's requests are made with, if the installation's is older.
package enum TLSMinimum: String, Sendable, Codable, CaseIterable {
    case v12 = "1.2"
    case v13 = "1.3"
}
