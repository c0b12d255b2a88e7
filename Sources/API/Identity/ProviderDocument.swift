internal import Domain
internal import Values

/// What a provider says of itself (OpenID Connect Discovery 1.0, section 3), as far as it is wanted.
struct ProviderDocument: Sendable {
    let keys: WebhookURL
    let authorization: WebhookURL?
    let token: WebhookURL?
    let endSession: WebhookURL?
    /// Whether a client's secret stands in the form instead of a header.
    let wantsSecretInForm: Bool

    /// No provider says more.
    static let longest = 256 * 1024

    /// - Throws: what is wrong with it, as an ``InvalidField``.
    init(reading json: [UInt8], of configuration: ProviderConfiguration) throws(InvalidField) {
        let object = try JSONObject(try JSONValue(reading: json), at: "")
        // Whoever answers for another is not the one that was asked (section 4.3).
        let issuer = try object.string("issuer") ?? "absent"
        guard issuer.isExactly(configuration.issuer) else {
            throw InvalidField("issuer", "is \(issuer.printable(most: 200)), not \(configuration.issuer)")
        }
        func url(_ name: String) throws(InvalidField) -> WebhookURL? {
            guard let text = try object.string(name), !text.isEmpty else { return nil }
            let url: WebhookURL
            do throws(WebhookURL.Refusal) { url = try WebhookURL(text) } catch {
                throw InvalidField(name, error.reason)
            }
            guard url.isTLS || !configuration.isTLS else { throw InvalidField(name, "must be https") }
            return url
        }
        guard let keys = try url("jwks_uri") else { throw InvalidField("jwks_uri", "is absent") }
        self.keys = keys
        self.authorization = try url("authorization_endpoint")
        self.token = try url("token_endpoint")
        self.endSession = try url("end_session_endpoint")
        let methods = Claims.texts(object.fields["token_endpoint_auth_methods_supported"])
        self.wantsSecretInForm =
            methods.contains("client_secret_post") && !methods.contains("client_secret_basic")
    }
}
