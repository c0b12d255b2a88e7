/// What stands in the place of a secret.
enum Mask {
    static let text = "***"
}

extension Field<WebhookOptions> {
    static var auth: Field {
        Field(
            "auth", \.auth, stored: [StoredField("auth", \.auth)], WebhookAuth.form, isSecret: true,
            read: { (object, options) throws(InvalidField) in
                options.auth = try WebhookAuth(object, changing: options.auth)
            },
            write: { options, role in JSONValue(options.auth, seenBy: role) },
            check: { (options) throws(InvalidField) in try options.auth.check() })
    }
}

extension WebhookAuth {
    fileprivate static let form = Form.object(
        [.init("type", .choice(of: Kind.self), isRequired: true)]
            + ["username", "password", "token", "client_id", "client_secret", "token_url", "scope", "audience"].map {
                Form.Member($0, .text())
            }
            + [.init("client_auth", .choice(of: ClientAuth.self))]
            + ["private_key", "key_id"].map { Form.Member($0, .text()) })

    /// A secret that is not mentioned, or sent back masked, stays as it is.
    fileprivate init(_ object: JSONObject, changing auth: WebhookAuth) throws(InvalidField) {
        self.init()
        guard let fields = try object.object("auth") else { return }
        guard let kind: Kind = try fields.choice("type") else {
            throw InvalidField(fields.name("type"), "is required: none, basic, bearer or oauth2")
        }
        self.kind = kind
        let old = auth.kind == kind ? auth : WebhookAuth()
        func secret(_ field: String, _ stored: String?) throws(InvalidField) -> String? {
            let given = try fields.string(field)
            return given == nil || given == Mask.text ? stored : given
        }
        switch kind {
        case .none: return
        case .basic:
            self.username = try fields.string("username") ?? old.username
            self.password = try secret("password", old.password)
        case .bearer: self.token = try secret("token", old.token)
        case .oauth2:
            self.clientID = try fields.string("client_id") ?? old.clientID
            self.clientAuth = try fields.choice("client_auth") ?? old.clientAuth
            let hasKey = self.clientAuth == .privateKey
            self.clientSecret = try secret("client_secret", hasKey ? nil : old.clientSecret)
            self.privateKey = try secret("private_key", hasKey ? old.privateKey : nil)
            self.keyID = fields.has("key_id") ? try fields.string("key_id") : hasKey ? old.keyID : nil
            self.audience = fields.has("audience") ? try fields.string("audience") : old.audience
            self.tokenURL = try fields.string("token_url") ?? old.tokenURL
            self.scope = fields.has("scope") ? try fields.string("scope") : old.scope
        }
    }
}

extension JSONValue {
    fileprivate init(_ auth: WebhookAuth, seenBy role: Role) {
        func secret(_ text: String?) -> JSONValue { .string(role >= .editor ? text ?? "" : Mask.text) }
        var fields: JSONFields = ["type": .string(auth.kind.rawValue)]
        switch auth.kind {
        case .none: break
        case .basic:
            fields["username"] = .string(auth.username ?? "")
            fields["password"] = secret(auth.password)
        case .bearer: fields["token"] = secret(auth.token)
        case .oauth2:
            fields["client_id"] = .string(auth.clientID ?? "")
            if let clientAuth = auth.clientAuth { fields["client_auth"] = .string(clientAuth.rawValue) }
            if auth.clientAuth == .privateKey {
                fields["private_key"] = secret(auth.privateKey)
                if let keyID = auth.keyID { fields["key_id"] = .string(keyID) }
            } else {
                fields["client_secret"] = secret(auth.clientSecret)
            }
            if let audience = auth.audience { fields["audience"] = .string(audience) }
            fields["token_url"] = .string(auth.tokenURL.map { ShownURL.text($0, to: role) } ?? "")
            if let scope = auth.scope { fields["scope"] = .string(scope) }
        }
        self = .object(fields)
    }
}
