/// Which user properties of a message become headers of its request: what `forward_properties` says.
///
/// The webhook's owners choose the names, and a device the values. So a name may be none that says how a request is framed, who
/// it is from or what its body is, and a value that is none of a header is left out.
package struct PropertyForwarding: Sendable, Equatable, Codable {
    /// Of the properties, as they are published.
    package let names: [String]
    /// What stands before the name in the header.
    package let prefix: String

    package static let most = 32
    static let longestPrefix = 50

    package init(names: [String], prefix: String = "") {
        self.names = names
        self.prefix = prefix
    }

    /// Beyond what no webhook may set: credentials, who asks, and what Hookline and its formats say.
    private static let refused: Set<String> = [
        "authorization", "cookie", "set-cookie", "www-authenticate", "api-key", "x-api-key", "x-auth-token",
        "forwarded", "via", "x-real-ip", "user-agent", "traceparent",
    ]
    private static let refusedPrefixes = ["content-", "proxy-", "x-forwarded-", "ce-"]

    func check(_ field: String) throws(InvalidField) {
        guard (1...Self.most).contains(self.names.count) else {
            throw InvalidField("\(field).names", "must hold 1 to \(Self.most) names of user properties")
        }
        var seen: Set<String> = []
        for (index, name) in self.names.enumerated() {
            let header = (self.prefix + name).lowercased()
            let at = "\(field).names[\(index)]"
            guard !name.isEmpty else { throw InvalidField(at, "is no header name") }
            if let reason = Header(name: header, value: "").refusal { throw InvalidField(at, reason) }
            guard !Self.refused.contains(header), !Self.refusedPrefixes.contains(where: header.hasPrefix) else {
                throw InvalidField(at, "would be the header \(header), which no device may set")
            }
            guard seen.insert(header).inserted else {
                throw InvalidField(at, "is given twice (names of headers do not differ by case)")
            }
        }
    }

    /// - Throws: ``InvalidField`` if one is also a header of the webhook's own.
    func check(besides headers: [Header]) throws(InvalidField) {
        let own = Set(headers.map { $0.name.lowercased() })
        if let index = self.names.firstIndex(where: { own.contains((self.prefix + $0).lowercased()) }) {
            throw InvalidField("forward_properties.names[\(index)]", "is a header of the webhook's own")
        }
    }

    /// Whether it is one of its headers.
    func sets(_ header: String) -> Bool { self.names.contains { self.prefix + $0 == header } }

    /// A header for each of the properties that are wanted, repeated ones too.
    ///
    /// - Parameter room: for their names and values together, in bytes.
    /// - Returns: them, and how many are left out because their value is none of a header, or there is no room for it.
    func headers(
        of properties: MessageProperties?, room: Int
    ) -> (headers: [(name: String, value: [UInt8])], leftOut: Int) {
        var headers: [(name: String, value: [UInt8])] = []
        var (rest, leftOut) = (room, 0)
        for (name, value) in properties?.user ?? [] where self.names.contains(name) {
            let header = self.prefix + name
            guard Header.isValue(value), header.utf8.count + value.utf8.count <= rest else {
                leftOut += 1
                continue
            }
            rest -= header.utf8.count + value.utf8.count
            headers.append((header, Array(value.utf8)))
        }
        return (headers, leftOut)
    }
}

extension FieldKind where Value == PropertyForwarding {
    static var forwarding: FieldKind {
        let names = Form.list(.text(1...Header.longestName), 1...PropertyForwarding.most)
        return FieldKind(
            .either(
                names,
                .object([
                    .init("names", names, isRequired: true),
                    .init("prefix", .text(0...PropertyForwarding.longestPrefix)),
                ])),
            read: { (object, name) throws(InvalidField) in
                if case .array? = object.fields[name] {
                    return try object.strings(name).map { PropertyForwarding(names: $0) }
                }
                guard let fields = try object.object(name) else { return nil }
                return PropertyForwarding(
                    names: try fields.strings("names") ?? [], prefix: try fields.string("prefix") ?? "")
            },
            write: { forwarding in
                .object([
                    "names": .array(forwarding.names.map(JSONValue.string)), "prefix": .string(forwarding.prefix),
                ])
            },
            check: { (forwarding, name) throws(InvalidField) in
                guard forwarding.prefix.utf8.count <= PropertyForwarding.longestPrefix else {
                    throw InvalidField(
                        "\(name).prefix", "must be at most \(PropertyForwarding.longestPrefix) bytes long")
                }
                try forwarding.check(name)
            })
    }
}
