package import Domain
internal import Values

/// Where in a token something stands: a claim of this name, or else the way of names between dots, as in
/// `realm_access.roles`. A name may have dots itself, as the urls that Auth0 wants do.
struct ClaimPath: Sendable, Equatable {
    let text: String

    init?(_ text: some StringProtocol) {
        guard (1...254).contains(text.utf8.count) else { return nil }
        self.text = String(text)
    }

    func value(in claims: Claims) -> JSONValue? {
        if let value = claims.fields[self.text] { return value }
        var value = JSONValue.object(claims.fields)
        for name in self.text.split(separator: ".", omittingEmptySubsequences: false) {
            guard case .object(let fields) = value, let next = fields[String(name)] else { return nil }
            value = next
        }
        return value
    }
}

/// Which claim makes its bearer root: `root=true`, or `realm_access.roles=hookline-root`.
package struct RootClaim: Sendable, Equatable {
    private let path: ClaimPath
    private let value: String

    package init?(_ text: String) {
        let parts = text.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let path = ClaimPath(parts[0]) else { return nil }
        self.path = path
        self.value = String(parts[1])
    }

    /// The value itself, or one of a list of them.
    func holds(in claims: Claims) -> Bool {
        switch self.path.value(in: claims) {
        case .bool(let bool)?: self.value.isExactly(bool ? "true" : "false")
        case .integer(let integer)?: self.value.isExactly(String(integer))
        case let value: Claims.texts(value).contains { $0.isExactly(self.value) }
        }
    }
}

/// Which claim gives roles in groups, and what its values mean: those of a table, and `hookline:GROUP:ROLE` or
/// `/hookline/GROUP/ROLE`, which say it themselves.
package struct RoleClaim: Sendable, Equatable {
    struct Grant: Sendable, Equatable {
        let group: EntityID
        let role: Role

        /// `GROUP:ROLE`
        init?(_ text: some StringProtocol, separator: Character = ":") {
            let parts = text.split(separator: separator, omittingEmptySubsequences: false)
            guard parts.count == 2, let group = EntityID(parts[0]), let role = Role(rawValue: String(parts[1])) else {
                return nil
            }
            self.group = group
            self.role = role
        }
    }

    private let path: ClaimPath
    private let table: [ExactText: [Grant]]

    /// Whoever has more groups than this has the first of them.
    private static let most = 1_000

    /// - Parameter table: entries such as `operators=GROUP:editor`, parted by semicolons; nil for none.
    /// - Throws: the entry that is none.
    package init(claim: String, table: String?) throws(InvalidField) {
        guard let path = ClaimPath(claim) else { throw InvalidField("claim", "must be the name of a claim") }
        self.path = path
        var entries: [ExactText: [Grant]] = [:]
        for entry in (table ?? "").split(whereSeparator: { $0 == ";" || $0.isNewline }).map(\.trimmingSpaces) {
            if entry.isEmpty { continue }
            // What is in front may have any sign, as names in a directory do.
            guard let mark = entry.lastIndex(of: "="), mark > entry.startIndex,
                let grant = Grant(entry[entry.index(after: mark)...])
            else {
                throw InvalidField("table", "\"\(entry)\" must be like VALUE=GROUP:ROLE, parted by semicolons")
            }
            entries[ExactText(entry[..<mark]), default: []].append(grant)
        }
        self.table = entries
    }

    /// The highest role in each group.
    func grants(in claims: Claims) -> [EntityID: Role] {
        var roles: [EntityID: Role] = [:]
        for value in Claims.texts(self.path.value(in: claims)).prefix(Self.most) {
            for grant in self.table[ExactText(value)] ?? Self.ofItself(value).map({ [$0] }) ?? [] {
                roles[grant.group] = max(roles[grant.group] ?? .viewer, grant.role)
            }
        }
        return roles
    }

    private static func ofItself(_ value: String) -> Grant? {
        if value.hasPrefix("hookline:") { return Grant(value.dropFirst(9)) }
        if value.hasPrefix("/hookline/") { return Grant(value.dropFirst(10), separator: "/") }
        return nil
    }
}
