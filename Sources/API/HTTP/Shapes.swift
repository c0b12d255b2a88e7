package import Domain

// The bodies that there are. A test compares them with openapi.json, and with what is answered.

extension Shape {
    /// What every object of Mainflux may have, and nothing is done with.
    private static let mainflux: Set<String> = [
        "id", "group_id", "org_id", "owner_id", "description", "metadata", "created_at", "updated_at",
    ]

    static let group = Shape.flat(
        "name", "org_id", "allowed_networks", "allowed_topics", "new_thing_profile_id", "new_things_per_hour",
        ignored: mainflux.subtracting(["org_id"]).union(["role"]))
    static let groupTLS = GroupTLS.shape
    static let topicRule = Shape.object(
        [
            "id": .any, "filter": .any, "subtopic": .any, "thing": .any, "split": .any, "split_path": .any,
            "retained": .any, "presence": .flat("path", "online", "offline", "always", "deliver"),
            "decode": .any,
        ], ignored: ["granted", "fault"])
    static let topicRules = Shape.object(
        ["match": .any, "rules": .list(topicRule)], ignored: ["allowed_topics", "refused"])
    static let topicQuestion = Shape.flat("topic", "retained", "payload", "payload_base64")
    static let topicRuleIDs = Shape.flat("rule_ids")
    static let member = Shape.flat("member_id", "role", ignored: ["email"])
    static let memberIDs = Shape.flat("member_ids")
    static let key = Shape.flat("name", "role", "expires_at", "ends_with_creator")
    static let ownKey = Shape.flat("name", "role", "expires_at")
    static let keyIDs = Shape.flat("key_ids")
    static let me = Shape.flat(
        "email", "metadata",
        ignored: ["user_id", "root", "expires_at", "groups", "orgs", "broker", "key", "token_email", "has_mail"])
    static let noticeChannel = Shape.flat(
        "id", "name", "type", "status", "events", "gather_seconds", "to", "url",
        ignored: ["topic", "given", "dropped", "last_given_at", "last_error", "last_error_at", "secret"])
    static let noticeChannels = Shape.object(["channels": .list(noticeChannel)])
    static let noticeTest = Shape.flat("channel_id")
    static let org = Shape.flat("notification_url", ignored: mainflux.union(["name", "role"]))

    static let signIn = Shape.flat("code", "code_verifier", "redirect_uri", "nonce", "refresh_token")

    // MARK: Things

    /// A profile's `config` keeps whatever its owners want.
    static let profile = Shape.flat(
        "name", "config", "labels", "metadata", ignored: mainflux.subtracting(["metadata"]).union(["unreadable"]))
    private static let ofThing: Set<String> = ["last_seen_at", "connected", "connected_at", "disconnected_at"]
    static let thing = Shape.flat(
        "id", "name", "profile_id", "key", "external_id", "labels", "metadata",
        ignored: mainflux.subtracting(["metadata"]).union(["external_key"]).union(ofThing))
    /// One of many: its profile may be named too.
    static let newThing = Shape.flat(
        "id", "name", "profile_id", "profile", "key", "external_id", "labels", "metadata",
        ignored: mainflux.subtracting(["metadata"]).union(["external_key"]).union(ofThing))
    static let thingIDs = Shape.flat("thing_ids", "external_ids")
    static let thingMove = Shape.flat("group_id", "profile_id")

    // MARK: Webhooks

    private static let rateLimit = Shape.flat("per_second", "burst")

    /// What the tables of fields have, and what every webhook has.
    static let webhook = Shape.object(
        DeliveryPolicy.shapes.merging(WebhookOptions.shapes) { first, _ in first }.merging([
            "name": .any, "url": .any, "headers": .any, "status": .any, "secret": .any, "signature": .any,
        ]) { first, _ in first },
        ignored: [
            "id", "group_id", "org_id", "owner_id", "thing_id", "profile_id", "status_reason", "version", "created_at",
            "updated_at", "last_triggered_at", "attempts", "consecutive_failures", "last_status", "skipped", "activity",
            "waiting_for", "health", "org_webhook_id",
        ])

    static let orgWebhookStatus = Shape.flat("status")
    static let webhookIDs = Shape.flat("webhook_ids")
    static let webhookStatus = Shape.flat("webhook_ids", "status")
    static let rotation = Shape.flat("secret", "overlap_seconds")
    static let replay = Shape.flat("since", "delivery_ids")
    static let resend = Shape.flat(
        "from", "to", "things", "subtopics", "status", "delivery_ids", "ids", "conditions", "rate", "dry_run")
    static let firing = Shape.flat("payload", "thing_id")
    static let question = Shape.flat("subtopic", "payload", "payload_base64", "webhook_id")
    static let test = Shape.object([
        "webhook": webhook, "dry_run": .any,
        "message": .flat(
            "payload", "payload_base64", "thing_id", "subtopic", "content_type", "mqtt", ignored: ["id", "received_at"]),
    ])

    // MARK: Sources

    static let source = Shape.object(
        [
            "name": .any, "thing_id": .any, "status": .any, "subtopic": .any,
            "auth": .flat(
                "type", "vendor", "secret", "header", "algorithm", "encoding", "prefix", "timestamp_header", "tolerance"
            ),
            "conditions": Conditions.form.shape, "schema": .any, "rate_limit": rateLimit, "repetition_window": .any,
            "event_id_path": .any, "thing": .flat("path", "by", "otherwise"), "handshake": .any,
        ],
        ignored: [
            "id", "group_id", "status_reason", "path", "url", "key", "secret", "sample", "version", "created_at",
            "updated_at",
            "accepted", "ignored", "rejected", "last_event_at",
        ])

    static let sample = Shape.flat("sample", "apply_schema")
    static let listening = Shape.flat("timeout")
}

/// The bodies that can be declared in a file.
package enum DeclarableBodies {
    package static let org = Shape.org
    package static let group = Shape.group
    package static let member = Shape.member
    package static let profile = Shape.profile
    package static let thing = Shape.thing
    package static let topicRule = Shape.topicRule
    package static let webhook = Shape.webhook
    package static let source = Shape.source
}
