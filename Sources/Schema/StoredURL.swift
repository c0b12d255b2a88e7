package import Domain
internal import Postgres

/// A url was checked before it was stored; one that no longer passes was stored by other hands.
package enum StoredURL {
    package static func decode(_ text: String) throws -> WebhookURL {
        do throws(WebhookURL.Refusal) {
            return try WebhookURL(text)
        } catch {
            throw PostgresError(.decoding, "a stored url \(error.reason)")
        }
    }
}
