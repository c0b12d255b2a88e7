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
    ///
    /// - Parameter urls: before and after. If they differ in their query alone, the triggers see no difference.
    static func tell(
        from old: WebhookSecrets, to new: WebhookSecrets, urls: (String, String)? = nil, on db: isolated Connection
    ) throws {
        let hidden = ["before": "***", "after": "***"]
        let names = Self.names(from: old, to: new).prefix(40).map { (String($0.prefix(64)), hidden) }
        let json = try JSONEncoder().encode(Dictionary(names) { first, _ in first })
        let secrets: Query = "\(String(decoding: json, as: UTF8.self))::jsonb"
        var url: Query = "'{}'::jsonb"
        if let (before, after) = urls, before != after {
            url = """
                jsonb_build_object('url', jsonb_build_object(
                    'before', audit_url(\(before)), 'after', audit_url(\(after))))
                """
        }
        try db.execute("SELECT set_config('hookline.sealed', (\(secrets) || \(url))::text, true)")
    }

    static func names(from old: WebhookSecrets, to new: WebhookSecrets) -> [String] {
        let (before, after) = (old.options ?? WebhookOptions(), new.options ?? WebhookOptions())
        let key = old.signingKey == new.signingKey ? [] : ["signing_key"]
        let headers = Set(old.headers.keys).union(new.headers.keys).filter { old.headers[$0] != new.headers[$0] }
        return key + after.differences(from: before) + headers.sorted().map { "headers.\($0)" }
    }
}
