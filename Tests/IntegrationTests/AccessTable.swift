import Foundation

/// What somebody is to a group; each may do what those before may.
enum Standing: Int, Comparable {
    /// Whose token, if there is one, is none.
    case refused
    /// Has a good token and no role in the group.
    case stranger
    case viewer, editor, admin, owner, root

    static func < (lhs: Standing, rhs: Standing) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// What paths and bodies name: a group, and what is in it.
struct Place: Sendable {
    var group = Place.random()
    var org = Place.random()
    var profile = Place.random()
    /// One that no thing has.
    var spare = Place.random()
    var thing = Place.random()
    var webhook = Place.random()
    /// One of an org that has another group and the same members.
    var orgWebhook = Place.random()
    /// A webhook that is fired by hand.
    var manual = Place.random()
    var source = Place.random()
    /// A source whose key stays what it is.
    var door = Place.random()
    var key = "none"
    /// An API key of the group.
    var apiKey = Place.random()
    var delivery = "msg_zzzzzz_zzz"
    /// One of the webhook, that is over.
    var resend = "0"
    /// One that the webhook has raised.
    var alarm = "msg_zzzzzz_zzz"
    /// One that waits for the thing.
    var command = Place.random()

    static func random() -> String { UUID().uuidString.lowercased() }

    var ids: [String] {
        [
            self.group, self.org, self.profile, self.spare, self.thing, self.webhook, self.manual, self.source,
            self.door, self.apiKey, self.delivery, self.orgWebhook,
        ]
    }

    /// What `{id}` is in a path that begins with this.
    func id(in collection: Substring) -> String {
        switch collection {
        case "groups": self.group
        case "orgs": self.org
        case "org-webhooks": self.orgWebhook
        case "profiles": self.profile
        case "things": self.thing
        case "webhooks": self.webhook
        case "sources": self.source
        case "deliveries": self.delivery
        case "resends": self.resend
        case "alarms": self.alarm
        case "commands": self.command
        case "in": self.door
        default: ""
        }
    }
}

/// Who may call an operation of `/openapi.json`, and how it is called.
struct AccessRow: Sendable {
    enum Least: Equatable {
        /// No token is looked at.
        case nobody
        /// Whoever has a token.
        case user
        /// Root alone, which is told to everybody.
        case rootAlone
        /// This in the group; who has no role in it is told that it is not there.
        case member(Standing)
        /// This in the org; the same.
        case orgMember(Standing)
    }

    /// As `/openapi.json` has it: `PUT /webhooks/{id}`.
    let operation: String
    let least: Least
    /// What who is let through is answered.
    let answer: Int
    /// Whether it can be called once alone.
    let usesUp: Bool
    let query: String
    /// What `{id}` is, if it is not what the path begins with.
    let target: (@Sendable (Place) -> String)?
    let body: (@Sendable (Place) -> String)?
    /// Whether it is the affair of users, whatever role a key has.
    let isForUsers: Bool

    init(
        _ operation: String, _ least: Least, _ answer: Int = 200, usesUp: Bool = false, isForUsers: Bool = false,
        query: String = "", with body: (@Sendable (Place) -> String)? = nil,
        target: (@Sendable (Place) -> String)? = nil
    ) {
        self.isForUsers = isForUsers
        self.operation = operation
        self.least = least
        self.answer = answer
        self.usesUp = usesUp
        self.query = query
        self.target = target
        self.body = body
    }

    var method: String { String(self.operation.prefix { $0 != " " }) }

    func path(in place: Place) -> String {
        let path = self.operation.split(separator: " ")[1]
        let id = self.target?(place) ?? place.id(in: path.split(separator: "/").first ?? "")
        return path.replacingOccurrences(of: "{id}", with: id)
            + self.query.replacingOccurrences(of: "{key}", with: place.key)
    }

    /// - Parameters:
    ///   - inOrg: nil for who is none of its members.
    ///   - withKey: whether they call with a group's API key.
    func expected(of standing: Standing, inOrg: Standing? = nil, withKey: Bool = false) -> Int {
        let expected = self.expected(of: standing, inOrg)
        return withKey && self.isForUsers && expected == self.answer ? 403 : expected
    }

    private func expected(of standing: Standing, _ inOrg: Standing?) -> Int {
        switch (self.least, standing) {
        case (.nobody, _): self.answer
        case (_, .refused): 401
        case (.user, _): self.answer
        case (.rootAlone, _): standing == .root ? self.answer : 403
        case (.member, .stranger): 404
        case (.member(let needed), _): standing >= needed ? self.answer : 403
        case (.orgMember, .root): self.answer
        case (.orgMember(let needed), _): inOrg.map { $0 >= needed ? self.answer : 403 } ?? 404
        }
    }
}

/// One row, or several, for every operation there is; one without a row fails ``ManagementTests/AccessTests``.
enum AccessTable {
    private static func name() -> String { Place.random() }

    private static let named: @Sendable (Place) -> String = { _ in #"{"name":"\#(name())"}"# }
    private static let webhook: @Sendable (Place) -> String = { _ in
        #"{"name":"\#(name())","url":"http://127.0.0.1:9/"}"#
    }
    private static let webhooks: @Sendable (Place) -> String = { "[\(webhook($0))]" }
    private static let webhookIDs: @Sendable (Place) -> String = { #"{"webhook_ids":["\#($0.webhook)"]}"# }

    static let rows: [AccessRow] = open + groups + things + webhookRows + logs + sources

    private static let open: [AccessRow] = [
        AccessRow("GET /health", .nobody), AccessRow("GET /ready", .nobody), AccessRow("GET /metrics", .nobody),
        AccessRow("GET /openapi.json", .nobody), AccessRow("GET /presets", .user),
        AccessRow("GET /topic-presets", .user), AccessRow("GET /source-presets", .user),
        AccessRow("GET /broker/topics", .rootAlone, query: "?seconds=1"),
        AccessRow("GET /me", .user),
        AccessRow("PUT /me", .user, isForUsers: true) { _ in #"{"email":"a@example.com"}"# },
        AccessRow("GET /me/notices", .user, isForUsers: true),
        AccessRow("PUT /me/notices", .user, isForUsers: true) { _ in #"{"channels":[]}"# },
        AccessRow("POST /me/notices/test", .user, 404, isForUsers: true) { _ in #"{"channel_id":"\#(name())"}"# },
        AccessRow("GET /auth", .nobody),
        // There is no provider whose codes could be exchanged.
        AccessRow("POST /auth/token", .nobody, 404) { _ in #"{"code":"c"}"# },
        AccessRow("GET /me/keys", .user, isForUsers: true),
        AccessRow("POST /me/keys", .user, 201, isForUsers: true) { _ in #"[{"name":"\#(name())","role":"viewer"}]"# },
        AccessRow("DELETE /me/keys", .user, 404, isForUsers: true) { _ in #"{"key_ids":["\#(name())"]}"# },
        AccessRow("GET /audit", .rootAlone),
        // A user's token is not a source's key.
        AccessRow("POST /in/{id}", .nobody, 401) { _ in "{}" },
        AccessRow("POST /in/{id}", .nobody, 202, query: "?key={key}") { _ in "{}" },
        AccessRow("GET /in/{id}", .nobody, 405), AccessRow("OPTIONS /in/{id}", .nobody, 401),
        AccessRow("OPTIONS /in/{id}", .nobody, 400, query: "?key={key}"),
        AccessRow("GET /orgs", .user), AccessRow("GET /orgs/{id}", .orgMember(.viewer)),
        AccessRow("GET /orgs/{id}/groups", .orgMember(.viewer)),
        AccessRow("GET /orgs/{id}/members", .orgMember(.viewer)),
        AccessRow("PUT /orgs/{id}/members", .orgMember(.admin)) { _ in #"[{"member_id":"new","role":"viewer"}]"# },
        AccessRow("DELETE /orgs/{id}/members", .orgMember(.admin), 204) { _ in #"{"member_ids":["nobody"]}"# },
        AccessRow("PUT /orgs/{id}", .rootAlone) { _ in #"{"notification_url":"http://127.0.0.1:9/"}"# },
        AccessRow("GET /orgs/{id}/notices", .rootAlone),
        AccessRow("PUT /orgs/{id}/notices", .rootAlone) { _ in #"{"channels":[]}"# },
        AccessRow("POST /orgs/{id}/notices/test", .rootAlone, 404) { _ in #"{"channel_id":"\#(name())"}"# },
        AccessRow("GET /orgs/{id}/webhooks", .orgMember(.viewer)),
        // One that is complete would be in all groups from then on.
        AccessRow("POST /orgs/{id}/webhooks", .orgMember(.admin), 400) { _ in #"[{"name":"w"}]"# },
        AccessRow("GET /org-webhooks/{id}", .orgMember(.viewer)),
        AccessRow("GET /org-webhooks/{id}/copies", .orgMember(.viewer)),
        AccessRow("GET /org-webhooks/{id}/secret", .orgMember(.admin)),
        AccessRow("PUT /org-webhooks/{id}", .orgMember(.admin)) { _ in
            #"{"name":"\#(name())","url":"http://127.0.0.1:9/","status":"DISABLED"}"#
        },
        AccessRow("DELETE /org-webhooks/{id}", .orgMember(.admin), 204, usesUp: true),
        AccessRow("PUT /org-webhooks/{id}/status", .orgMember(.admin)) { _ in #"{"status":"DISABLED"}"# },
        AccessRow("POST /org-webhooks/{id}/secret/rotate", .orgMember(.admin)),
        AccessRow("GET /orgs/{id}/secret", .rootAlone), AccessRow("POST /orgs/{id}/secret/rotate", .rootAlone),
    ]

    private static let groups: [AccessRow] = [
        AccessRow("GET /groups", .user),
        AccessRow("POST /groups", .user, 201, isForUsers: true) { _ in #"[{"name":"\#(name())"}]"# },
        AccessRow("GET /groups/{id}", .member(.viewer)),
        AccessRow("PUT /groups/{id}", .member(.admin), with: named),
        AccessRow("PUT /groups/{id}", .member(.root)) { _ in #"{"name":"\#(name())","allowed_networks":[]}"# },
        AccessRow("PUT /groups/{id}", .member(.root)) { _ in #"{"name":"\#(name())","allowed_topics":[]}"# },
        AccessRow("GET /groups/{id}/topic-rules", .member(.viewer)),
        AccessRow("PUT /groups/{id}/topic-rules", .member(.admin)) { _ in #"{"rules":[]}"# },
        AccessRow("POST /groups/{id}/topic-rules/explain", .member(.viewer)) { _ in #"{"topic":"a/b"}"# },
        // Nothing is granted.
        AccessRow("POST /groups/{id}/topic-rules", .member(.admin), 403) { _ in #"{"filter":"a/{thing}"}"# },
        AccessRow("DELETE /groups/{id}/topic-rules", .member(.admin), 204) { _ in #"{"rule_ids":["\#(name())"]}"# },
        AccessRow("DELETE /groups/{id}", .member(.owner), 204, usesUp: true),
        AccessRow("GET /groups/{id}/members", .member(.viewer)),
        AccessRow("PUT /groups/{id}/members", .member(.admin)) { _ in #"[{"member_id":"new","role":"admin"}]"# },
        AccessRow("PUT /groups/{id}/members", .member(.owner)) { _ in #"[{"member_id":"new","role":"owner"}]"# },
        AccessRow("DELETE /groups/{id}/members", .member(.admin), 204) { _ in #"{"member_ids":["nobody"]}"# },
        AccessRow("GET /groups/{id}/tls", .member(.viewer)),
        AccessRow("PUT /groups/{id}/tls", .member(.admin)) { _ in #"{"minimum":"1.2"}"# },
        AccessRow("DELETE /groups/{id}/tls", .member(.admin), 204),
        AccessRow("GET /groups/{id}/notices", .member(.viewer)),
        AccessRow("PUT /groups/{id}/notices", .member(.admin)) { _ in #"{"channels":[{"name":"n","type":"mqtt"}]}"# },
        AccessRow("POST /groups/{id}/notices/test", .member(.admin), 404) { _ in #"{"channel_id":"\#(name())"}"# },
        AccessRow("GET /groups/{id}/live", .member(.viewer), query: "?timeout=1"),
        AccessRow("GET /groups/{id}/log/live", .member(.viewer), query: "?timeout=1"),
        AccessRow("GET /groups/{id}/audit", .member(.admin)),
        AccessRow("GET /groups/{id}/audit", .member(.admin), query: "?format=ndjson"),
        AccessRow("GET /groups/{id}/keys", .member(.viewer)),
        AccessRow("POST /groups/{id}/keys", .member(.admin), 201, isForUsers: true) { _ in
            #"[{"name":"\#(name())","role":"viewer","ends_with_creator":false}]"#
        },
        AccessRow("DELETE /groups/{id}/keys", .member(.admin), 204, usesUp: true, isForUsers: true) {
            #"{"key_ids":["\#($0.apiKey)"]}"#
        },
        AccessRow("POST /groups/{id}/profiles", .member(.admin), 201) { _ in #"[{"name":"\#(name())","config":{}}]"# },
        AccessRow("GET /groups/{id}/profiles", .member(.viewer)),
        AccessRow("GET /profiles/{id}", .member(.viewer)),
        AccessRow("GET /profiles/{id}/descriptors", .member(.viewer), 404),
        AccessRow("PUT /profiles/{id}", .member(.admin), with: named, target: { $0.spare }),
        AccessRow("DELETE /profiles/{id}", .member(.admin), 204, usesUp: true, target: { $0.spare }),
    ]

    private static let things: [AccessRow] = [
        AccessRow("POST /groups/{id}/things", .member(.editor), 201) {
            #"[{"name":"\#(name())","profile_id":"\#($0.profile)"}]"#
        },
        AccessRow("GET /groups/{id}/things", .member(.viewer)),
        AccessRow("GET /groups/{id}/things", .member(.viewer), query: "?label=a&external_id=b"),
        AccessRow("POST /groups/{id}/things/bulk", .member(.editor), 201) {
            #"[{"external_id":"\#(name())","profile_id":"\#($0.profile)"}]"#
        },
        AccessRow("DELETE /groups/{id}/things", .member(.editor), 404) { _ in
            #"{"thing_ids":["\#(name())"]}"#
        },
        AccessRow("PATCH /things/{id}", .member(.editor)) { _ in #"{"labels":["a"]}"# },
        AccessRow("POST /things/{id}/move", .member(.editor), 400) {
            #"{"group_id":"\#($0.group)","profile_id":"\#($0.profile)"}"#
        },
        AccessRow("GET /things/{id}", .member(.viewer)),
        AccessRow("PUT /things/{id}", .member(.editor), with: named),
        AccessRow("DELETE /things/{id}", .member(.editor), 204, usesUp: true),
        AccessRow("GET /things/{id}/messages", .member(.viewer)),
        AccessRow("POST /things/{id}/messages", .member(.editor), 202) { _ in "21.7" },
        AccessRow("POST /things/{id}/messages/{subtopic}", .member(.editor), 202) { _ in "21.7" },
        AccessRow("POST /things/{id}/commands", .member(.editor), 202) { _ in "21.7" },
        AccessRow("POST /things/{id}/commands/{subtopic}", .member(.editor), 202) { _ in "21.7" },
        AccessRow("GET /things/{id}/commands", .member(.viewer)), AccessRow("GET /commands/{id}", .member(.viewer)),
        AccessRow("DELETE /commands/{id}", .member(.editor), 204),
        AccessRow("POST /things/{id}/explain", .member(.viewer)) { _ in #"{"payload":1}"# },
        AccessRow("GET /things/{id}/messages", .member(.viewer), query: "?format=ndjson"),
        AccessRow("DELETE /things/{id}/messages", .member(.editor), 202, usesUp: true),
        AccessRow("GET /groups/{id}/erasures", .member(.viewer)),
        AccessRow("GET /things/{id}/live", .member(.viewer), query: "?timeout=1"),
        AccessRow("GET /things/{id}/webhooks", .member(.viewer)),
        AccessRow("POST /things/{id}/webhooks", .member(.editor), 201, with: webhooks),
    ]

    private static let webhookRows: [AccessRow] = [
        AccessRow("GET /webhooks", .user), AccessRow("GET /webhooks", .user, query: "?include=activity"),
        AccessRow("DELETE /webhooks", .member(.editor), 204, usesUp: true, with: webhookIDs),
        AccessRow("PATCH /webhooks", .member(.editor), 204, usesUp: true, with: webhookIDs),
        AccessRow("PUT /webhooks/status", .member(.editor), 204) {
            #"{"webhook_ids":["\#($0.webhook)"],"status":"ENABLED"}"#
        },
        AccessRow("GET /groups/{id}/webhooks", .member(.viewer)),
        AccessRow("POST /groups/{id}/webhooks", .member(.editor), 201, with: webhooks),
        AccessRow("PATCH /groups/{id}/webhooks", .member(.editor), 204, usesUp: true, with: webhookIDs),
        AccessRow("GET /webhooks/{id}", .member(.viewer)),
        AccessRow("PUT /webhooks/{id}", .member(.editor), usesUp: true, with: webhook),
        AccessRow("DELETE /webhooks/{id}", .member(.editor), 204, usesUp: true),
        AccessRow("GET /webhooks/{id}/secret", .member(.editor)),
        AccessRow("POST /webhooks/{id}/secret/rotate", .member(.editor)),
        AccessRow("POST /groups/{id}/webhooks/test", .member(.editor)) {
            #"{"dry_run":true,"webhook":\#(webhook($0))}"#
        },
        AccessRow("POST /webhooks/{id}/test", .member(.editor)) { _ in #"{"dry_run":true}"# },
        AccessRow("POST /webhooks/{id}/trigger", .member(.editor), 202, with: { _ in "{}" }, target: { $0.manual }),
    ]

    private static let logs: [AccessRow] = [
        AccessRow("GET /webhooks/{id}/log/live", .member(.viewer), query: "?timeout=1"),
        AccessRow("GET /webhooks/{id}/deliveries", .member(.viewer)),
        AccessRow("GET /webhooks/{id}/deliveries", .member(.viewer), query: "?status=waiting"),
        AccessRow("POST /webhooks/{id}/replay", .member(.editor), 202) { _ in #"{"since":0}"# },
        AccessRow("POST /webhooks/{id}/resends", .member(.editor)) { _ in #"{"from":0,"dry_run":true}"# },
        AccessRow("POST /webhooks/{id}/resends", .member(.editor), 202) { _ in #"{"from":0}"# },
        AccessRow("GET /webhooks/{id}/resends", .member(.viewer)),
        AccessRow("GET /resends/{id}", .member(.viewer)), AccessRow("DELETE /resends/{id}", .member(.editor), 204),
        AccessRow("GET /groups/{id}/alarms", .member(.viewer)),
        AccessRow("POST /alarms/{id}/acknowledge", .member(.editor)),
        AccessRow("POST /alarms/{id}/clear", .member(.editor), 204),
        AccessRow("GET /webhooks/{id}/log", .member(.viewer)), AccessRow("GET /groups/{id}/log", .member(.viewer)),
        AccessRow("GET /webhooks/{id}/log", .member(.viewer), query: "?format=ndjson"),
        AccessRow("GET /groups/{id}/log", .member(.viewer), query: "?format=csv"),
        // By their order what is hidden could be told.
        AccessRow("GET /webhooks/{id}/log", .member(.editor), query: "?order=url"),
        AccessRow("GET /groups/{id}/log", .member(.editor), query: "?order=url"),
        AccessRow("GET /webhooks/{id}/stats", .member(.viewer)), AccessRow("GET /groups/{id}/stats", .member(.viewer)),
        AccessRow("GET /deliveries/{id}", .member(.viewer)),
    ]

    private static let sources: [AccessRow] = [
        AccessRow("POST /groups/{id}/sources", .member(.editor), 201) {
            #"[{"name":"\#(name())","thing_id":"\#($0.thing)"}]"#
        },
        AccessRow("GET /groups/{id}/sources", .member(.viewer)),
        AccessRow("GET /sources/{id}", .member(.viewer)),
        AccessRow("PUT /sources/{id}", .member(.editor), with: named),
        AccessRow("DELETE /sources/{id}", .member(.editor), 204, usesUp: true),
        AccessRow("POST /sources/{id}/key/rotate", .member(.editor)),
        AccessRow("GET /sources/{id}/log", .member(.viewer)),
        AccessRow("POST /sources/{id}/listen", .member(.editor)) { _ in #"{"timeout":1}"# },
        AccessRow("PUT /sources/{id}/sample", .member(.editor), usesUp: true) { _ in #"{"sample":{"a":1}}"# },
    ]
}
