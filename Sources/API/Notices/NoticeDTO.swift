internal import Domain
internal import Registry
internal import Values

/// A channel as it is shown. Its url never is: whoever has that of a chat can write there.
struct ChannelDTO: Encodable {
    let id: String
    let name: String
    let type: String
    let status: String
    let events: [String]
    let gather_seconds: Int32
    let to: String?
    let url: String?
    let topic: String?
    let given: Int64
    let dropped: Int64
    let last_given_at: Int64?
    let last_error: String?
    let last_error_at: Int64?
    /// Only in the answer that makes it.
    let secret: String?

    init(_ record: NoticeChannelRecord, of owner: NoticeOwner, to role: Role, made: SigningKey?) {
        self.id = record.id.description
        self.name = record.name
        self.type = record.kind
        self.status = record.target == nil ? "UNREADABLE" : record.isEnabled ? "ENABLED" : "DISABLED"
        self.events = NoticeEvent.allCases.filter(record.events.contains).map(\.rawValue)
        self.gather_seconds = record.gatherSeconds
        self.to =
            if case .mail(let address)? = record.target {
                role < .admin ? address.masked : address.text
            } else {
                nil
            }
        self.url = (record.target?.url).map { ShownURL.origin($0.text) }
        self.topic =
            if case .bus? = record.target { owner.topic } else { nil }
        self.given = record.given
        self.dropped = record.dropped
        self.last_given_at = record.lastGivenAt?.milliseconds
        self.last_error = record.lastError
        self.last_error_at = record.lastErrorAt?.milliseconds
        self.secret = made?.text
    }
}

extension NoticeTarget {
    /// What its posts are signed with, if they are.
    var signingKey: SigningKey? {
        if case .post(_, let key) = self { key } else { nil }
    }
}

extension NoticeChannelStore.Draft {
    /// - Parameters:
    ///   - known: what the owner has. One of these keeps where it leads unless something else is said.
    init(
        _ object: JSONObject, of owner: NoticeOwner, known: [EntityID: NoticeChannelRecord],
        _ addressGuard: AddressGuard
    ) throws {
        let id = try object.id("id")
        if let id, known[id] == nil { throw InvalidField(object.name("id"), "is no channel that there is") }
        let old = id.flatMap { known[$0] }
        let gather = try object.integer("gather_seconds") ?? Int64(old?.gatherSeconds ?? NoticeChannel.gathered)
        guard (0...Int64(NoticeChannel.longestGathering)).contains(gather) else {
            throw InvalidField(
                object.name("gather_seconds"), "must be from 0 to \(NoticeChannel.longestGathering)")
        }
        self.init(
            id: id ?? .random(),
            name: try Name.chosen(try object.string("name"), insteadOf: old?.name, field: object.name("name")),
            target: try Self.target(object, of: owner, old, addressGuard), events: try Self.events(object, old),
            isEnabled: try Self.isEnabled(object) ?? old?.isEnabled ?? true, gatherSeconds: Int32(gather))
    }

    private static func isEnabled(_ object: JSONObject) throws(InvalidField) -> Bool? {
        switch try object.string("status") {
        // Clients send back what they have read.
        case nil, "UNREADABLE"?: nil
        case "ENABLED"?: true
        case "DISABLED"?: false
        default: throw InvalidField(object.name("status"), "must be ENABLED or DISABLED")
        }
    }

    private static func events(
        _ object: JSONObject, _ old: NoticeChannelRecord?
    ) throws(InvalidField) -> Set<NoticeEvent> {
        guard let texts = try object.strings("events") else { return old?.events ?? Set(NoticeEvent.allCases) }
        let names = NoticeEvent.allCases.map(\.rawValue).joined(separator: ", ")
        return Set(try object.parsed("events", of: texts, expected: "one of \(names)") { NoticeEvent(rawValue: $0) })
    }

    /// nil for the one that there is.
    private static func target(
        _ object: JSONObject, of owner: NoticeOwner, _ old: NoticeChannelRecord?, _ addressGuard: AddressGuard
    ) throws -> NoticeTarget? {
        let kinds = NoticeTarget.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        let text = try object.string("type")
        // What this version cannot read stays, unless something else is to be there.
        if let old, old.target == nil, text ?? old.kind == old.kind, !object.has("url"), !object.has("to") {
            return nil
        }
        guard let kind = (text ?? old?.kind).flatMap({ NoticeTarget.Kind(rawValue: $0) }) else {
            throw InvalidField(object.name("type"), "must be one of \(kinds)")
        }
        // Also what goes with another type, and is not looked at further.
        for (field, longest) in [("url", WebhookURL.longest), ("to", MailAddress.longest)] {
            guard try object.string(field)?.utf8.count ?? 0 <= longest else {
                throw InvalidField(object.name(field), "must be at most \(longest) bytes long")
            }
        }
        let same = old?.target?.kind == kind ? old?.target : nil
        switch kind {
        case .email: return try Self.mail(object, of: owner, same)
        case .mqtt: return .bus
        case .slack: return try Self.url(object, same, addressGuard).map { .slack($0) }
        case .teams: return try Self.url(object, same, addressGuard).map { .teams($0) }
        case .discord: return try Self.url(object, same, addressGuard).map { .discord($0) }
        case .post:
            return try Self.url(object, same, addressGuard).map {
                .post($0, same?.signingKey ?? WebhookStore.randomKey())
            }
        }
    }

    private static func mail(
        _ object: JSONObject, of owner: NoticeOwner, _ same: NoticeTarget?
    ) throws(InvalidField) -> NoticeTarget? {
        if let text = try object.string("to"), !text.isEmpty {
            guard let address = MailAddress(text) else {
                throw InvalidField(object.name("to"), "must be an address such as ops@example.com")
            }
            if case .mail(address)? = same { return nil }
            return .mail(address)
        }
        // Users need not say again what their address is.
        if case .user(let user) = owner { return .userMail(user) }
        guard same != nil else { throw InvalidField(object.name("to"), "is required: an address") }
        return nil
    }

    private static func url(
        _ object: JSONObject, _ same: NoticeTarget?, _ addressGuard: AddressGuard
    ) throws(InvalidField) -> WebhookURL? {
        let text = try object.string("url") ?? ""
        // As it was shown is as it was.
        if let known = same?.url, text.isEmpty || text == ShownURL.origin(known.text) { return nil }
        guard !text.isEmpty else { throw InvalidField(object.name("url"), "is required") }
        let url: WebhookURL
        do throws(WebhookURL.Refusal) { url = try WebhookURL(text) } catch {
            throw InvalidField(object.name("url"), error.reason)
        }
        if let address = IPAddress(url.host), !addressGuard.permits(address) {
            throw InvalidField(object.name("url"), "must not lead to \(address)")
        }
        return url
    }
}
