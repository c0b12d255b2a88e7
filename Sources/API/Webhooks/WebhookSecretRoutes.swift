internal import Domain
internal import Hummingbird
internal import Registry
internal import Schema
internal import Values

/// The key that a webhook's requests are signed with: showing it, and changing it.
struct WebhookSecretRoutes: Sendable {
    let webhooks: WebhookRoutes
    let store: WebhookStore
    let audit: AuditStore
    let wallClock: WallClock

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("webhooks/:id/secret") { _, context in
            let (webhook, _) = try await self.webhooks.findOwn(context)
            guard let keys = try await self.store.signingKeys(of: webhook.id) else {
                throw APIError.notFound("secret")
            }
            try await self.audit.note(AuditNote(.shown, .webhook(try await self.webhooks.key(of: webhook))))
            return try Response.json(SecretDTO(keys.current))
        }
        routes.post("webhooks/:id/secret/rotate") { request, context in
            let (webhook, _) = try await self.webhooks.findOwn(context)
            let rotation = try KeyRotation(
                try JSONObject(try await JSON.optionalBody(of: request, as: .rotation), at: ""))
            let key = try await self.store.rotateSigningKey(
                of: webhook.id, to: { rotation.key(after: $0) },
                formerUntil: (self.wallClock.now + rotation.overlap).seconds)
            guard let key else { throw APIError.notFound("webhook") }
            await self.webhooks.refresh([.webhooks(group: webhook.group)])
            return try Response.json(SecretDTO(key))
        }
    }
}

/// `{"overlap_seconds"?, "secret"?}`: how a signing key is to be changed.
struct KeyRotation: Sendable {
    /// For how long the former key signs along.
    let overlap: Duration
    private let given: SigningKey?

    private static let defaultOverlap: Int64 = 86_400
    private static let longestOverlap: Int64 = 30 * 86_400

    init(_ object: JSONObject) throws(InvalidField) {
        let overlap = try object.integer("overlap_seconds") ?? Self.defaultOverlap
        guard (0...Self.longestOverlap).contains(overlap) else {
            throw InvalidField("overlap_seconds", "must be a number from 0 to \(Self.longestOverlap)")
        }
        self.overlap = .seconds(overlap)
        self.given = try SigningKey.given(in: object)
    }

    /// The one that was given, or else a new one of the same kind.
    func key(after current: SigningKey?) -> SigningKey {
        var generator = SystemRandomNumberGenerator()
        return self.given ?? .random(current?.kind ?? .hmac, using: &generator)
    }
}

struct SecretDTO: Encodable {
    let secret: String
    /// What receivers check with, if that is not the secret itself.
    let public_key: String?

    init(_ key: SigningKey) {
        self.secret = key.text
        self.public_key = key.publicText
    }
}

extension SigningKey {
    /// The field `secret`, if it is there.
    static func given(in object: JSONObject) throws(InvalidField) -> SigningKey? {
        guard let text = try object.string("secret"), !text.isEmpty else { return nil }
        do throws(InvalidField) {
            return try SigningKey(text)
        } catch {
            throw InvalidField(object.name(error.field), error.reason)
        }
    }

    /// What a new webhook signs with: the `secret` given, or else a new one for the `signature` asked for, v1 or v1a.
    static func wanted(by object: JSONObject) throws(InvalidField) -> SigningKey {
        if let given = try Self.given(in: object) { return given }
        var generator = SystemRandomNumberGenerator()
        switch try object.string("signature") ?? "v1" {
        case "v1": return .random(.hmac, using: &generator)
        case "v1a": return .random(.ed25519, using: &generator)
        default: throw InvalidField(object.name("signature"), "must be v1 (HMAC-SHA256) or v1a (Ed25519)")
        }
    }
}
