internal import Domain

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// What a webhook keeps secret, as one JSON object under one seal.
struct WebhookSecrets: Codable, Sendable {
    var headers: [String: String]
    /// nil for a webhook from before there were any.
    var options: WebhookOptions?
    var signingKey: String?
    var formerSigningKey: String?
    /// Seconds since 1970.
    var formerUntil: Int64?

    init(headers: [Header], options: WebhookOptions, signingKeys: SigningKeys) {
        self.options = options
        self.headers = Dictionary(headers.map { ($0.name, $0.value) }) { first, _ in first }
        self.signingKey = signingKeys.current.text
        self.formerSigningKey = signingKeys.former?.text
        self.formerUntil = signingKeys.former == nil ? nil : signingKeys.formerUntil
    }

    /// In the order of the names, so that requests look the same every time.
    var headerList: [Header] {
        self.headers.map { Header(name: $0.key, value: $0.value) }.sorted { $0.name < $1.name }
    }

    /// What a secret that cannot be read leaves.
    private init() { self.headers = [:] }

    /// nil for a webhook from before there were any, until the service has started once.
    var signingKeys: SigningKeys? {
        self.signingKey.flatMap {
            SigningKeys(stored: $0, former: self.formerSigningKey, until: self.formerUntil)
        }
    }

    func sealed(by box: SecretBox, of webhook: EntityID) throws -> [UInt8] {
        try box.seal(self.json(), of: webhook, in: .webhookSecrets)
    }

    /// What is sealed.
    func json() throws -> [UInt8] { Array(try JSONEncoder().encode(self)) }

    /// What is stored, with a signing key if it has none; as it is, if a newer version wrote what this one does not know.
    static func completed(_ json: [UInt8], _ makeKey: () -> SigningKey) throws -> [UInt8] {
        guard var secrets = try? JSONDecoder().decode(WebhookSecrets.self, from: Data(json)), secrets.signingKey == nil
        else { return json }
        secrets.signingKey = makeKey().text
        return Array(try JSONEncoder().encode(secrets))
    }

    /// - Throws: ``SecretBox/Unreadable``, or a `DecodingError` if a newer version wrote what this one does not know.
    static func open(_ bytes: [UInt8], by box: SecretBox, of webhook: EntityID) throws -> WebhookSecrets {
        try JSONDecoder().decode(WebhookSecrets.self, from: Data(try box.open(bytes, of: webhook)))
    }

    /// Reads what can be read, and adds what cannot to `faults`.
    ///
    /// - Returns: and why the seal does not open, if it does not. The options are nil if there are none, or nothing can be
    ///   said of them.
    static func read(
        _ bytes: [UInt8], by box: SecretBox, of webhook: EntityID, _ faults: inout [String]
    ) -> (WebhookSecrets, SecretBox.Unreadable?) {
        let json: Data
        do throws(SecretBox.Unreadable) {
            json = Data(try box.open(bytes, of: webhook))
        } catch {
            faults.append("\(error)")
            return (WebhookSecrets(), error)
        }
        var secrets: WebhookSecrets
        do {
            secrets = try JSONDecoder().decode(WebhookSecrets.self, from: json)
        } catch {
            let place = (error as? DecodingError)?.place ?? ""
            faults.append("this version cannot read its \(place.isEmpty ? "options" : place)")
            secrets = Self.salvaged(from: json)
        }
        let keys = [secrets.signingKey, secrets.formerSigningKey].compactMap(\.self)
        if keys.contains(where: { (try? SigningKey($0)) == nil }) {
            faults.append("this version cannot read its signing key")
        }
        return (secrets, nil)
    }

    /// What can be read of secrets that cannot be as a whole, each part by itself: that one cannot be has been told.
    private static func salvaged(from json: Data) -> WebhookSecrets {
        struct Keys: Decodable {
            let headers: [String: String]
            let signingKey: String?
            let formerSigningKey: String?
            let formerUntil: Int64?
        }
        struct Choosing<Part: Decodable>: Decodable {
            let options: Part
        }
        struct TriggerPart: Decodable { let trigger: Trigger }
        struct ConditionsPart: Decodable { let conditions: Conditions }
        var secrets = WebhookSecrets()
        if let keys = try? JSONDecoder().decode(Keys.self, from: json) {
            secrets.headers = keys.headers
            secrets.signingKey = keys.signingKey
            secrets.formerSigningKey = keys.formerSigningKey
            secrets.formerUntil = keys.formerUntil
        }
        // Without the trigger, what the column says of it counts, and everything that may be meant waits.
        if let trigger = try? JSONDecoder().decode(Choosing<TriggerPart>.self, from: json).options.trigger {
            var options = WebhookOptions()
            options.trigger = trigger
            options.conditions = try? JSONDecoder().decode(Choosing<ConditionsPart>.self, from: json).options.conditions
            secrets.options = options
        }
        return secrets
    }
}

extension SigningKeys {
    /// As they are stored, of webhooks and orgs: a text that is no key is one that a newer version has written.
    ///
    /// - Parameters:
    ///   - former: one that cannot be read signs no more.
    ///   - until: seconds since 1970.
    /// - Returns: nil if the current one cannot be read.
    init?(stored current: String, former: String?, until: Int64?) {
        guard let key = try? SigningKey(current) else { return nil }
        self.init(current: key, former: former.flatMap { try? SigningKey($0) }, formerUntil: until ?? 0)
    }
}
