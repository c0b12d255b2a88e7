// The bodies that there are. A test compares them with openapi.json, and with what is answered.

extension Shape {
    /// What every object of Mainflux may have, and nothing is done with.
    private static let mainflux: Set<String> = [
        "id", "group_id", "org_id", "owner_id", "description", "metadata", "created_at", "updated_at",
    ]

    static let group = Shape.flat(
        "name", "org_id", "allowed_networks", ignored: mainflux.subtracting(["org_id"]).union(["role"]))
    static let member = Shape.flat("member_id", "role", ignored: ["email"])
    static let memberIDs = Shape.flat("member_ids")
    static let key = Shape.flat("name", "role", "expires_at", "ends_with_creator")
    static let ownKey = Shape.flat("name", "role", "expires_at")
    static let keyIDs = Shape.flat("key_ids")
    static let org = Shape.flat("notification_url", ignored: mainflux.union(["name"]))

    static let signIn = Shape.flat("code", "code_verifier", "redirect_uri", "nonce", "refresh_token")

    // MARK: Things

    /// A profile's `config` keeps whatever its owners want.
    static let profile = Shape.flat("name", "config", ignored: mainflux.union(["unreadable"]))
    static let thing = Shape.flat("id", "name", "profile_id", "key", ignored: mainflux.union(["external_key"]))

    // MARK: Webhooks

    private static let rateLimit = Shape.flat("per_second", "burst")
    static let row = Shape.flat("key", "value")
    private static let conditions: Shape = {
        let rules = Shape.list(.flat("path", "operator", "value"))
        return .either(.object(["match": .any, "rules": rules]), rules)
    }()

    static let webhook = Shape.object(
        [
            "name": .any, "url": .any, "headers": .any, "status": .any, "success_statuses": .any,
            "retry_schedule": .any, "max_attempts": .any, "max_age": .any, "retry_client_errors": .any,
            "failure_limit": .any, "failure_window": .any, "rate_limit": .flat("per_second", "burst", "overflow"),
            "max_in_flight": .any,
            "ordering": .any, "method": .any,
            "content_type": .any,
            // JSON of one's own, or the rows of a form; those are read by whoever reads them.
            "body": .any, "query": .list(row), "format": .any,
            "auth": .flat(
                "type", "username", "password", "token", "client_id", "client_secret", "token_url", "scope", "audience",
                "client_auth", "private_key", "key_id"),
            "trigger": .flat("type", "subtopics", "things", "after"), "conditions": conditions, "notify": .any,
            "respond": .any, "batch": .flat("max_items", "max_wait_ms", "format"), "description": .any,
            "metadata": .any, "secret": .any, "signature": .any,
        ],
        ignored: [
            "id", "group_id", "org_id", "owner_id", "thing_id", "profile_id", "status_reason", "version", "created_at",
            "updated_at", "last_triggered_at", "attempts", "consecutive_failures", "last_status", "skipped", "activity",
            "waiting_for",
        ])

    static let webhookIDs = Shape.flat("webhook_ids")
    static let webhookStatus = Shape.flat("webhook_ids", "status")
    static let rotation = Shape.flat("secret", "overlap_seconds")
    static let replay = Shape.flat("since", "delivery_ids")
    static let firing = Shape.flat("payload", "thing_id")
    static let test = Shape.object([
        "webhook": webhook, "dry_run": .any,
        "message": .flat(
            "payload", "payload_base64", "thing_id", "subtopic", "content_type", ignored: ["id", "received_at"]),
    ])

    // MARK: Sources

    static let source = Shape.object(
        [
            "name": .any, "thing_id": .any, "status": .any, "subtopic": .any,
            "auth": .flat(
                "type", "vendor", "secret", "header", "algorithm", "encoding", "prefix", "timestamp_header", "tolerance"
            ),
            "conditions": conditions, "schema": .any, "rate_limit": rateLimit, "repetition_window": .any,
            "event_id_path": .any,
        ],
        ignored: [
            "id", "group_id", "status_reason", "path", "url", "key", "sample", "version", "created_at", "updated_at",
            "accepted", "ignored", "rejected", "last_event_at",
        ])

    static let sample = Shape.flat("sample", "apply_schema")
    static let listening = Shape.flat("timeout")
}
