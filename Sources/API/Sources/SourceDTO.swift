internal import Domain
internal import Registry
internal import Values

struct SourceDTO: Encodable {
    let id: String
    let group_id: String
    let name: String
    let thing_id: String
    let subtopic: String
    let status: String
    let status_reason: String?
    let auth: JSONValue
    /// The path to post to; with an API key in it when that has just been made.
    let path: String
    /// The same as a whole, to be pasted into the vendor's form.
    let url: String
    let key: String?
    /// What its callers sign with, where it has just been made.
    let secret: String?
    let thing: ThingDTO?
    let handshake: String?
    let conditions: JSONValue
    let schema: JSONValue
    let sample: JSONValue
    let rate_limit: WebhookDTO.RateLimitDTO
    let repetition_window: Int64
    let event_id_path: String?
    let version: Int64
    let created_at: Int64
    let updated_at: Int64
    let accepted: Int64
    let ignored: Int64
    let rejected: Int64
    let last_event_at: Int64?

    struct ThingDTO: Encodable {
        let path: String
        let by: String
        let otherwise: String

        init(_ thing: SourceThing) {
            self.path = thing.path
            self.by = thing.by.rawValue
            self.otherwise = thing.otherwise.rawValue
        }
    }

    /// - Parameters:
    ///   - base: how outside systems reach us.
    ///   - secret: if it has just been made.
    init(_ source: Source, at base: String, seenBy role: Role, key: SourceKey? = nil, secret: String? = nil) {
        let settings = source.settings
        self.id = source.id.description
        self.group_id = source.group.description
        self.name = source.name
        self.thing_id = source.thing.description
        self.subtopic = settings.subtopic
        self.status = !source.isEnabled ? "DISABLED" : source.fault == nil ? "ENABLED" : "UNREADABLE"
        self.status_reason = source.fault
        self.auth = JSONValue(settings.signature)
        self.path = "/in/\(source.id)" + (key.map { "?key=\($0.text)" } ?? "")
        self.url = base + self.path
        self.key = key?.text
        self.secret = secret
        self.thing = settings.thing.map(ThingDTO.init)
        self.handshake = settings.handshake?.rawValue
        self.conditions = JSONValue(settings.conditions)
        self.schema = settings.schema.flatMap { try? JSON.decode($0) } ?? .null
        // It is a real event, which may hold what is not for everybody.
        self.sample = role >= .editor ? settings.sample.flatMap { try? JSON.decode($0) } ?? .null : .null
        let rate = settings.rateLimit ?? SourceSettings.defaultRate
        self.rate_limit = WebhookDTO.RateLimitDTO(per_second: rate.perSecond, burst: rate.burst)
        self.repetition_window = settings.repetitionWindow
        self.event_id_path = settings.eventIDPath
        self.version = source.version
        self.created_at = source.createdAt.milliseconds
        self.updated_at = source.updatedAt.milliseconds
        self.accepted = source.counters.accepted
        self.ignored = source.counters.ignored
        self.rejected = source.counters.rejected
        self.last_event_at = source.counters.lastEventAt?.milliseconds
    }
}

struct SourceLogDTO: Encodable {
    let date: Int64
    let outcome: String
    let reason: String?
    let event_id: String?
    let subtopic: String?
    let bytes: Int

    init(_ entry: SourceLogEntry) {
        self.date = entry.at.milliseconds
        self.outcome = entry.outcome
        self.reason = entry.reason
        self.event_id = entry.eventID
        self.subtopic = entry.subtopic
        self.bytes = entry.bytes
    }
}

extension SourceSettings {
    /// What is not mentioned stays, and null puts it back to its default.
    init(_ object: JSONObject, changing settings: SourceSettings) throws(InvalidField) {
        let initial = SourceSettings()
        self = settings
        if object.has("auth") { self.signature = try SignatureScheme(object) }
        if object.has("subtopic") { self.subtopic = try object.string("subtopic") ?? initial.subtopic }
        if object.has("conditions") { self.conditions = try Conditions(object) }
        if object.has("schema") {
            self.schema = try object.object("schema").map { JSON.text(.object($0.fields)) }
        }
        if object.has("rate_limit") { self.rateLimit = try RateLimit(object) }
        if object.has("repetition_window") {
            self.repetitionWindow = try object.integer("repetition_window") ?? initial.repetitionWindow
        }
        if object.has("event_id_path") { self.eventIDPath = try object.string("event_id_path") }
        if object.has("thing") { self.thing = try SourceThing(object) }
        if object.has("handshake") { self.handshake = try object.choice("handshake") }
        do throws(InvalidField) { try self.check(changing: settings) } catch {
            throw InvalidField(object.name(error.field), error.reason)
        }
    }
}

extension SourceThing {
    /// nil for the source's own.
    fileprivate init?(_ object: JSONObject) throws(InvalidField) {
        guard let fields = try object.object("thing") else { return nil }
        guard let path = try fields.string("path") else { throw InvalidField(fields.name("path"), "is required") }
        self.init(
            path: path, by: try fields.choice("by") ?? .externalID,
            otherwise: try fields.choice("otherwise") ?? .refuse)
    }
}

extension SignatureScheme {
    /// nil for an API key: `{"type":"api_key"}`, or nothing at all.
    fileprivate init?(_ object: JSONObject) throws(InvalidField) {
        guard let fields = try object.object("auth") else { return nil }
        switch try fields.string("type") ?? "api_key" {
        case "api_key": return nil
        case "signature": break
        default: throw InvalidField(fields.name("type"), "must be api_key or signature")
        }
        self.init(vendor: try fields.choice("vendor") ?? .standard)
        self.header = try fields.string("header")
        self.algorithm = try fields.choice("algorithm") ?? .sha256
        self.encoding = try fields.choice("encoding") ?? .hex
        self.prefix = try fields.string("prefix") ?? ""
        self.timestampHeader = try fields.string("timestamp_header")
        self.tolerance = try fields.integer("tolerance") ?? Self.defaultTolerance
    }
}

extension JSONValue {
    fileprivate init(_ scheme: SignatureScheme?) {
        guard let scheme else {
            self = .object(["type": .string("api_key")])
            return
        }
        var fields: JSONFields = [
            "type": .string("signature"), "vendor": .string(scheme.vendor.rawValue),
            "tolerance": .integer(scheme.tolerance), "secret": .string("***"),
        ]
        if scheme.vendor == .custom {
            fields["header"] = .string(scheme.header ?? "")
            fields["algorithm"] = .string(scheme.algorithm.rawValue)
            fields["encoding"] = .string(scheme.encoding.rawValue)
            fields["prefix"] = .string(scheme.prefix)
            if let header = scheme.timestampHeader { fields["timestamp_header"] = .string(header) }
        }
        self = .object(fields)
    }
}
