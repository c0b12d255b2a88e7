internal import Domain
internal import Observability
internal import Values

/// What a token says.
struct Claims: Sendable {
    let fields: JSONFields

    /// How far the issuer's clock may be from ours.
    static let leeway: Duration = .seconds(60)

    /// nil if there is none.
    func text(_ name: String) -> String? {
        if case .string(let text)? = self.fields[name] { text } else { nil }
    }

    /// A string, or the strings of a list: what an audience is (RFC 7519, section 4.1.3), and groups and roles are.
    func texts(_ name: String) -> [String] { Self.texts(self.fields[name]) }

    static func texts(_ value: JSONValue?) -> [String] {
        switch value {
        case .string(let text)?: return [text]
        case .array(let values)?:
            return values.compactMap { value -> String? in
                if case .string(let text) = value { return text }
                return nil
            }
        default: return []
        }
    }

    /// The user: what the database can take as a name, for it would cut another.
    func subject() throws(TokenRefusal) -> String {
        guard let subject = self.text("sub"), !subject.isEmpty, subject.utf8.count <= 254, !subject.utf8.contains(0)
        else { throw .subject }
        return subject
    }

    /// The user's address, if the issuer has made sure that it is theirs (OpenID Connect Core 1.0, section 5.1).
    var verifiedEmail: MailAddress? {
        self.fields["email_verified"] == .bool(true) ? self.text("email").flatMap { MailAddress($0) } : nil
    }

    /// Seconds since 1970, whatever number they are.
    private func instant(_ name: String) throws(TokenRefusal) -> Instant? {
        switch self.fields[name] {
        case nil, .null?: nil
        case .integer(let seconds)?: Instant(clampingSeconds: Double(seconds))
        case .number(let number)?: Instant(clampingSeconds: number.value)
        default: throw .malformed
        }
    }

    /// The end, if there is one.
    ///
    /// - Parameter leeway: for how long it is good beyond it.
    func checkTimes(at now: Instant, leeway: Duration) throws(TokenRefusal) -> Instant? {
        let end = try self.instant("exp")
        if let end, end + leeway <= now { throw .expired }
        // Who has just made it may have a clock that is ahead of ours.
        if let start = try self.instant("nbf"), start - Self.leeway > now { throw .early }
        return end
    }
}
