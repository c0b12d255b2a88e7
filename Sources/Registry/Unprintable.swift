internal import Values

// What is sealed, what seals it, and what it is on its way there.

extension SecretBox: Unprintable {}
extension WebhookSecrets: Unprintable {}
extension StoredKey: Unprintable {}
extension SourceSecret: Unprintable {}
extension BrokerAccount: Unprintable {}
