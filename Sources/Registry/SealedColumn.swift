internal import Postgres

/// Every column of the database that holds something under seal.
///
/// Nothing can be sealed but as a value of one of these, and whatever is done to sealed values as a whole goes through all
/// of them: sealing them anew at the start, and the look at whether the keys are the right ones. So what is new here stays
/// behind at no change of keys.
package enum SealedColumn: String, Sendable, CaseIterable {
    /// A webhook's headers, options and signing keys.
    case webhookSecrets = "webhooks.secrets"
    /// The query of a webhook's url.
    case webhookQuery = "webhooks.url_query"
    /// The same two of an org's webhook. Its copies have the bytes as they are here.
    case orgWebhookSecrets = "org_webhooks.secrets"
    case orgWebhookQuery = "org_webhooks.url_query"
    /// What signatures of a source's callers are checked with.
    case sourceSecret = "sources.secret"
    /// A thing's key, for its account at the broker.
    case thingKey = "things.key_sealed"
    /// What an org's notices are signed with.
    case orgSecrets = "orgs.secrets"
    /// Where notices go: the url of a chat is all that it takes to write there.
    case noticeTarget = "notice_channels.secrets"
    /// A group's client certificate, with what else there is of how its requests are secured.
    case groupTLS = "group_tls.secrets"
    /// What the installation signs with that nobody else is to know.
    case installationSecret = "installation_secrets.secrets"

    /// Whether it is stored as it is where no key seals. If not, what an earlier key has sealed stays as it is: nobody asks
    /// for a thing's key then, and a query is put back where it was (``QuerySealing``).
    var isKeptWithoutKey: Bool { self != .thingKey && !self.isQuery }

    var isQuery: Bool { self == .webhookQuery || self == .orgWebhookQuery }

    package var kind: UnreadableRows.Kind {
        switch self {
        case .webhookSecrets, .webhookQuery: .webhook
        case .orgWebhookSecrets, .orgWebhookQuery: .orgWebhook
        case .sourceSecret: .source
        case .thingKey: .account
        case .orgSecrets: .org
        case .noticeTarget: .noticeChannel
        case .groupTLS: .groupTLS
        case .installationSecret: .installation
        }
    }

    // MARK: SQL

    /// The table, whose rows have an `id`.
    var table: Query {
        switch self {
        case .webhookSecrets, .webhookQuery: "webhooks"
        case .orgWebhookSecrets, .orgWebhookQuery: "org_webhooks"
        case .sourceSecret: "sources"
        case .thingKey: "things"
        case .orgSecrets: "orgs"
        case .noticeTarget: "notice_channels"
        case .groupTLS: "group_tls"
        case .installationSecret: "installation_secrets"
        }
    }

    /// What the seal is bound to: the row's id, or of a copy its definition's.
    var owner: Query { self.kind == .webhook ? "coalesce(org_webhook_id, id)" : "id" }

    var column: Query {
        switch self {
        case .webhookSecrets, .orgWebhookSecrets, .orgSecrets, .noticeTarget, .groupTLS, .installationSecret: "secrets"
        case .webhookQuery, .orgWebhookQuery: "url_query"
        case .sourceSecret: "secret"
        case .thingKey: "key_sealed"
        }
    }

    /// What tells a row that cannot be read from the same one later.
    var version: Query {
        switch self {
        case .webhookSecrets, .webhookQuery, .orgWebhookSecrets, .orgWebhookQuery, .sourceSecret: "version::text"
        case .thingKey: AccountStore.fingerprint
        case .orgSecrets, .noticeTarget, .groupTLS, .installationSecret: "md5(secrets)"
        }
    }

    /// True of rows that are not as this key would have them. The sealed value itself says which key it is under; a column
    /// beside it that says so too is for the version before, and a 0 there for rows that are not complete.
    func isDue(_ box: SecretBox) -> Query {
        let prefix = box.prefix
        let isElsewhere: Query =
            "\(self.column) IS NOT NULL AND substring(\(self.column) for \(Int32(prefix.count))) <> \(Bytes(prefix))"
        return switch self {
        case .webhookSecrets, .orgWebhookSecrets, .noticeTarget, .groupTLS, .installationSecret:
            "(\(isElsewhere) OR secrets_key IS DISTINCT FROM \(box.keyID))"
        case .orgSecrets: "(\(isElsewhere) OR secrets IS NOT NULL AND secrets_key IS DISTINCT FROM \(box.keyID))"
        case .sourceSecret: "(\(isElsewhere) OR secret IS NOT NULL AND secret_key IS DISTINCT FROM \(box.keyID))"
        case .thingKey, .webhookQuery, .orgWebhookQuery: "(\(isElsewhere))"
        }
    }

    /// What else changes where a value is sealed anew, which stands in `r.sealed`.
    func assignments(_ box: SecretBox) -> Query {
        switch self {
        case .webhookSecrets: "secrets = r.sealed, secrets_key = \(box.keyID), version = version + 1"
        case .sourceSecret: "secret = r.sealed, secret_key = \(box.keyID)"
        case .thingKey: "key_sealed = r.sealed"
        case .webhookQuery, .orgWebhookQuery: "url_query = r.sealed"
        case .orgWebhookSecrets, .orgSecrets, .noticeTarget, .groupTLS, .installationSecret:
            "secrets = r.sealed, secrets_key = \(box.keyID)"
        }
    }
}
