internal import Values

/// How a webhook's requests look, beyond url and headers.
package struct RequestSpec: FieldTable {
    package enum Method: String, Sendable, Codable, CaseIterable {
        case post = "POST"
        case get = "GET"
        case put = "PUT"
        case delete = "DELETE"
        case patch = "PATCH"
    }

    /// What the request says its body is.
    package enum BodyType: String, Sendable, Codable, CaseIterable {
        /// What the thing's profile says.
        case profile
        case json, form, text

        /// nil leaves it to the profile.
        package var mediaType: String? {
            switch self {
            case .profile: nil
            case .json: "application/json"
            case .form: "application/x-www-form-urlencoded"
            case .text: "text/plain; charset=utf-8"
            }
        }
    }

    /// A template for the body. Without one it is the message's payload, as it was published.
    package enum Body: Sendable, Equatable, Codable {
        case json(String)
        case text(String)
        case form([Row])
    }

    /// A key and the template of its value.
    package struct Row: Sendable, Equatable, Codable {
        package let key: String
        package let value: String

        package init(key: String, value: String) {
            self.key = key
            self.value = value
        }
    }

    package enum Format: String, Sendable, Codable, CaseIterable {
        case plain
        /// CloudEvents 1.0, binary content mode.
        case cloudEvents = "cloudevents"
    }

    package var method = Method.post
    package var contentType = BodyType.profile
    package var body: Body?
    package var query: [Row] = []
    package var format = Format.plain
    /// User properties that become headers; nil is none.
    package var forwarding: PropertyForwarding?

    package init() {}

    package static let longestKey = 100
    package static let mostRows = 100
    package static let longestBody = 64 * 1024
}

/// Several messages in one request.
package struct Batching: Sendable, Equatable, Codable {
    package enum Form: String, Sendable, Codable, CaseIterable { case json, ndjson }

    package let mostItems: Int
    /// How long the first message waits for others, in milliseconds.
    package let longestWait: Int
    package let form: Form

    package init(mostItems: Int, longestWait: Int, form: Form = .json) {
        self.mostItems = mostItems
        self.longestWait = longestWait
        self.form = form
    }

    static let items: ClosedRange<Int64> = 1...1_000
    /// In milliseconds.
    static let waits: ClosedRange<Int64> = 1...60_000

    package func check() throws(InvalidField) {
        guard Self.items.contains(Int64(self.mostItems)) else {
            throw InvalidField("batch.max_items", "must be a number from 1 to 1000")
        }
        guard Self.waits.contains(Int64(self.longestWait)) else {
            throw InvalidField("batch.max_wait_ms", "must be a number from 1 to 60000")
        }
    }
}

/// How a webhook shows who it is.
package struct WebhookAuth: Sendable, Equatable, Codable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        case none, basic, bearer
        /// Client credentials (RFC 6749, section 4.4).
        case oauth2
    }

    /// How a client shows at the token url who it is, by the names of RFC 7591, section 2.
    package enum ClientAuth: String, Sendable, Codable, CaseIterable {
        case basic = "client_secret_basic"
        case post = "client_secret_post"
        case privateKey = "private_key_jwt"
    }

    package var kind = Kind.none
    package var username: String?
    package var password: String?
    package var token: String?
    package var clientID: String?
    package var clientSecret: String?
    package var tokenURL: String?
    package var scope: String?
    package var audience: String?
    /// nil is ``ClientAuth/basic``.
    package var clientAuth: ClientAuth?
    /// PEM, in place of the secret.
    package var privateKey: String?
    package var keyID: String?

    package init() {}

    func check() throws(InvalidField) {
        switch self.kind {
        case .none: return
        case .basic:
            let name = try Self.given(self.username, "username")
            guard !name.has(":") else {
                throw InvalidField("auth.username", "must not contain a colon (RFC 7617, section 2)")
            }
            _ = try Self.given(self.password, "password", mayBeEmpty: true)
        case .bearer:
            // As it is copied from a line of curl: it would be sent twice, and refused at night.
            guard try !Self.given(self.token, "token").lowercased().hasPrefix("bearer ") else {
                throw InvalidField("auth.token", "is without \"Bearer \", which is sent before it")
            }
        case .oauth2:
            _ = try Self.given(self.clientID, "client_id")
            try self.checkClientAuth()
            let text = try Self.given(self.tokenURL, "token_url")
            do throws(WebhookURL.Refusal) { _ = try WebhookURL(text) } catch {
                throw InvalidField("auth.token_url", error.reason)
            }
            if let scope { _ = try Self.given(scope, "scope", mayBeEmpty: true) }
            if let audience { _ = try Self.given(audience, "audience", mayBeEmpty: true) }
        }
    }

    private func checkClientAuth() throws(InvalidField) {
        guard self.clientAuth == .privateKey else {
            guard self.privateKey?.isEmpty ?? true, self.keyID?.isEmpty ?? true else {
                throw InvalidField("auth.private_key", "and key_id go with client_auth private_key_jwt")
            }
            _ = try Self.given(self.clientSecret, "client_secret")
            return
        }
        guard self.clientSecret?.isEmpty ?? true else {
            throw InvalidField("auth.client_secret", "does not go with client_auth private_key_jwt")
        }
        guard let privateKey, privateKey.utf8.count <= 16_384 else {
            throw InvalidField("auth.private_key", "is required, in PEM and at most 16384 bytes long")
        }
        let key = try ClientKey(pem: privateKey)
        // One that signs now signs later.
        do { _ = try key.assertion(client: "", audience: "", keyID: nil, now: 0, id: "") } catch {
            throw InvalidField("auth.private_key", "does not sign")
        }
        if let keyID { _ = try Self.given(keyID, "key_id", mayBeEmpty: true) }
    }

    private static func given(
        _ value: String?, _ field: String, mayBeEmpty: Bool = false
    ) throws(InvalidField) -> String {
        guard let value, mayBeEmpty || !value.isEmpty else { throw InvalidField("auth.\(field)", "is required") }
        guard value.utf8.count <= 4_096, value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw InvalidField("auth.\(field)", "must be at most 4096 bytes without control characters")
        }
        return value
    }

    /// The `authorization` header where it is always the same; nil if there is none, or a token has to be fetched.
    package var authorization: String? {
        switch self.kind {
        case .none, .oauth2: nil
        case .basic: "Basic " + Base64.encode("\(self.username ?? ""):\(self.password ?? "")".utf8)
        case .bearer: "Bearer \(self.token ?? "")"
        }
    }
}
