internal import Domain
internal import Postgres

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// What of a webhook's secrets was changed, by name. Sealed bytes are others whenever they are written, and what they are is
/// nobody's to read, so who changes them tells the audit's triggers.
enum SealedChanges {
    /// For changes of webhooks that follow in the same transaction.
    static func tell(from old: WebhookSecrets, to new: WebhookSecrets, on db: isolated Connection) throws {
        let hidden = ["before": "***", "after": "***"]
        let names = Self.names(from: old, to: new).prefix(40).map { (String($0.prefix(64)), hidden) }
        let json = try JSONEncoder().encode(Dictionary(names) { first, _ in first })
        try db.execute("SELECT set_config('hookline.sealed', \(String(decoding: json, as: UTF8.self)), true)")
    }

    static func names(from old: WebhookSecrets, to new: WebhookSecrets) -> [String] {
        let (before, after) = (old.options ?? WebhookOptions(), new.options ?? WebhookOptions())
        let key = old.signingKey == new.signingKey ? [] : ["signing_key"]
        let headers = Set(old.headers.keys).union(new.headers.keys).filter { old.headers[$0] != new.headers[$0] }
        return key + after.differences(from: before) + headers.sorted().map { "headers.\($0)" }
    }
}
