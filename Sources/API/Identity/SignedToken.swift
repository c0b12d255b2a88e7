internal import Domain
internal import Observability

/// A JWT in its compact form (RFC 7519, section 3), taken apart. Nothing in it is to be believed before its signature was
/// checked.
struct SignedToken: Sendable {
    let algorithm: String
    let keyID: String?
    /// What kind of token it is, in lower case and without `application/`.
    let type: String?
    let claims: Claims
    /// What the signature is of.
    let signed: [UInt8]
    let signature: [UInt8]

    /// Providers write hundreds of groups into one.
    static let longest = 32 * 1024

    init(_ text: some StringProtocol) throws(TokenRefusal) {
        guard text.utf8.count <= Self.longest else { throw .malformed }
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Self.bytes(parts[0]), let payload = Self.bytes(parts[1]),
            let signature = Self.bytes(parts[2]),
            case .object(let fields)? = Self.json(header), case .object(let claims)? = Self.json(payload),
            case .string(let algorithm)? = fields["alg"]
        else { throw .malformed }
        // Whatever it lists, we do not know it; and what it must not be (RFC 7515), it is not to be either.
        guard fields["crit"] == nil else { throw .critical }
        self.algorithm = algorithm
        switch fields["kid"] {
        case nil, .null?: self.keyID = nil
        case .string(let id)?: self.keyID = id
        default: throw .malformed
        }
        switch fields["typ"] {
        case nil, .null?: self.type = nil
        case .string(let type)?:
            let lowered = type.lowercased()
            self.type = lowered.hasPrefix("application/") ? String(lowered.dropFirst(12)) : lowered
        default: throw .malformed
        }
        self.claims = Claims(fields: claims)
        self.signed = Array("\(parts[0]).\(parts[1])".utf8)
        self.signature = signature
    }

    /// The strict form alone (RFC 7515, section 2): no padding, no other alphabet.
    private static func bytes(_ part: some StringProtocol) -> [UInt8]? {
        guard !part.utf8.contains(where: { "+/=".utf8.contains($0) }) else { return nil }
        return Base64.decode(String(part).replacing("-", with: "+").replacing("_", with: "/"))
    }

    private static func json(_ bytes: [UInt8]) -> JSONValue? {
        do throws(InvalidField) { return try JSONValue(reading: bytes) } catch { return nil }
    }
}
