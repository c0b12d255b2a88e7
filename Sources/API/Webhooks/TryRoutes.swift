internal import Domain
internal import Hummingbird
internal import Journal
internal import Queue
internal import Registry
internal import Schema

/// Trying webhooks out, and firing those that wait to be.
struct TryRoutes: Sendable {
    let webhooks: WebhookRoutes
    let events: EventStore
    let messages: MessageStore
    let audit: AuditStore
    let test: WebhookTest
    let newestMessage: @Sendable (EntityID) -> Message?
    let ids: MessageIDGenerator
    let explainer: Explainer

    func add(to routes: RouterGroup<APIContext>) {
        routes.post("groups/:id/webhooks/test") { try await self.testDraft($0, $1) }
        routes.post("webhooks/:id/test") { try await self.testSaved($0, $1) }
        routes.post("webhooks/:id/trigger") { try await self.trigger($0, $1) }
    }

    // MARK: Tests

    /// `{"webhook": {…}, "message"?: {…}, "dry_run"?: bool}`: a webhook as it would be created. A dry run renders the
    /// request and sends nothing.
    private func testDraft(_ request: Request, _ context: APIContext) async throws -> Response {
        let group = try context.id(of: "group")
        let role = try await self.webhooks.access.requireGroup(.editor, group, for: context.caller())
        let object = try JSONObject(try await JSON.body(of: request, as: .test), at: "")
        guard let fields = try object.object("webhook") else { throw InvalidField("webhook", "is required") }
        let draft: WebhookDraft
        do throws(InvalidField) { draft = try WebhookDraft(fields, changing: nil) } catch {
            return try await self.tell(error, of: group, object, to: role)
        }
        let record = try await self.webhooks.access.groups.find(group)
        let target = WebhookTarget(
            key: WebhookKey(rawValue: 0), id: .random(), group: group, version: 0, url: draft.url,
            headers: draft.headers, policy: draft.policy, options: draft.options, org: record?.org,
            signingKeys: SigningKeys(current: try SigningKey.wanted(by: fields)),
            allowedNetworks: record?.allowedNetworks ?? [])
        return try await self.test(target, object, for: role) {
            try await self.audit.note(
                AuditNote(.tested, .draft(name: draft.name, group: group), url: draft.url.text))
        }
    }

    /// `{"webhook"?: {…}, "message"?: {…}, "dry_run"?: bool}`; `webhook` is what would be changed.
    private func testSaved(_ request: Request, _ context: APIContext) async throws -> Response {
        // What it sends is not for the group to see, nor to have go elsewhere.
        let (webhook, role) = try await self.webhooks.findOwn(context)
        let object = try JSONObject(try await JSON.optionalBody(of: request, as: .test), at: "")
        let key = try await self.webhooks.key(of: webhook)
        guard var (target, _) = try await self.webhooks.webhooks.target(of: key) else {
            throw APIError.notFound("webhook")
        }
        if let fields = try object.object("webhook") {
            let draft: WebhookDraft
            do throws(InvalidField) { draft = try WebhookDraft(fields, changing: webhook) } catch {
                return try await self.tell(error, of: webhook.group, object, to: role)
            }
            target = WebhookTarget(
                key: key, id: webhook.id, group: webhook.group, version: webhook.version, url: draft.url,
                headers: draft.headers, policy: draft.policy, options: draft.options, org: target.org,
                signingKeys: target.signingKeys, allowedNetworks: target.allowedNetworks)
        } else if let fault = target.fault {
            throw StorageError.unreadable(fault)
        }
        let url = target.url
        return try await self.test(target, object, for: role) {
            try await self.webhooks.webhooks.countTest(of: key, in: webhook.group, to: url)
        }
    }

    /// Who only wants to know what the request would be, while it is being written, is answered what is missing.
    private func tell(
        _ error: InvalidField, of group: EntityID, _ object: JSONObject, to role: Role
    ) async throws -> Response {
        guard try object.bool("dry_run") == true else { throw error }
        let (message, source) = try await self.message(object, in: group, for: Trigger())
        let report = TestReport(
            steps: [TestReport.Step(name: "check", error: error.description, microseconds: 0)], request: nil,
            status: nil, body: [], hasSucceeded: false, microseconds: 0)
        return try Response.json(TestReportDTO(report, message: message, source: source, seenBy: role))
    }

    /// - Parameter note: notes that something is sent, before it is.
    private func test(
        _ target: WebhookTarget, _ object: JSONObject, for role: Role, noting note: () async throws -> Void
    ) async throws -> Response {
        let (message, source) = try await self.message(object, in: target.group, for: target.options.trigger)
        let sends = try object.bool("dry_run") != true
        if sends { try await note() }
        let obstacle = try await self.explainer.obstacle(of: message, to: target)
        let report = await self.test(target, message, sends)
        return try Response.json(
            TestReportDTO(report, message: message, source: source, obstacle: obstacle, seenBy: role))
    }

    /// The message to try with: the one given, the newest real one, or a made-up one.
    private func message(
        _ object: JSONObject, in group: EntityID, for trigger: Trigger
    ) async throws -> (Message, source: String) {
        let kind = trigger.kind
        if let fields = try object.object("message") {
            return (try await self.message(fields, in: group, for: kind), "given")
        }
        if kind == .message {
            if let newest = self.newestMessage(group) { return (newest, "newest") }
            if let newest = try await self.messages.newest(in: group) { return (newest, "newest") }
        }
        let thing = kind.isOfThing ? EntityID.random() : Message.noThing
        let sample =
            switch kind {
            case .message: #"{"value":21.70,"unit":"C"}"#
            case .logEvent:
                #"{"level":"\#((trigger.levels.first ?? LogEvent.usualLevel).rawValue)","description":"a sample"}"#
            default: #"{"type":"\#(kind.rawValue)","group_id":"\#(group)","is_sample":true}"#
            }
        let subtopic = kind == .logEvent ? "\(LogEvent.folder)/\(trigger.codes.first ?? "sample")" : ""
        return (
            Message(
                id: self.ids.next(1)[0], thing: thing, group: group, subtopic: subtopic,
                contentType: ProfileConfig.defaultContentType, payload: Array(sample.utf8), traceparent: nil,
                isKept: false, receivedNanoseconds: nil, event: kind.isOfMessages ? nil : kind), "sample"
        )
    }

    static func subtopic(_ fields: JSONObject) throws(InvalidField) -> String? {
        guard let subtopic = try fields.string("subtopic") else { return nil }
        guard subtopic.utf8.count <= ThingTopic.longestSubtopic,
            subtopic.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else {
            throw InvalidField(
                fields.name("subtopic"),
                "must be at most \(ThingTopic.longestSubtopic) bytes without control characters")
        }
        return subtopic
    }

    /// A payload that is a string is the payload's text; what is no text comes in base64.
    static func payload(_ fields: JSONObject) throws(InvalidField) -> [UInt8] {
        let encoded = try fields.string("payload_base64")
        let given: [UInt8]?
        switch fields.fields["payload"] {
        case nil, .null?: given = nil
        case .string(let text)?: given = Array(text.utf8)
        case let value?: given = Array(JSON.text(value).utf8)
        }
        guard let encoded else { return given ?? [] }
        guard given == nil else {
            throw InvalidField(fields.name("payload_base64"), "or payload may be given, not both")
        }
        guard let payload = Base64.decode(encoded) else {
            throw InvalidField(fields.name("payload_base64"), "must be base64 (RFC 4648, section 4)")
        }
        return payload
    }

    /// `{"payload"?: any, "payload_base64"?, "thing_id"?, "subtopic"?, "content_type"?, "mqtt"?}`. What comes in base64 is read as
    /// what the thing sends is, and so is text of a format that is text; anything else is the JSON that would be made of it.
    private func message(_ fields: JSONObject, in group: EntityID, for kind: TriggerKind) async throws -> Message {
        let payload = try Self.payload(fields)
        let subtopic = try Self.subtopic(fields) ?? ""
        let type = try fields.string("content_type")
        if let type {
            do throws(InvalidField) { _ = try ProfileConfig.checkedContentType(type) } catch {
                throw InvalidField(fields.name("content_type"), error.reason)
            }
        }
        var decoder: PayloadDecoder?
        if kind.isOfMessages, let thing = try fields.id("thing_id") {
            let isWritten = try fields.string("payload_base64") == nil
            let own = try await self.explainer.decoder(of: thing, in: group)
            decoder = own.flatMap { $0.format.isText || !isWritten ? $0.chosen(for: subtopic) : nil }
        }
        return Message(
            id: self.ids.next(1)[0],
            thing: try fields.id("thing_id") ?? (kind.isOfThing ? EntityID.random() : Message.noThing),
            group: group, subtopic: subtopic, contentType: type ?? ProfileConfig.defaultContentType,
            payload: payload, traceparent: nil, isKept: false, receivedNanoseconds: nil,
            event: kind.isOfMessages ? nil : kind, decoder: decoder, properties: try MessageProperties(fields))
    }

    // MARK: Trigger

    /// `{"payload"?: any, "thing_id"?}`.
    private func trigger(_ request: Request, _ context: APIContext) async throws -> Response {
        let (webhook, _) = try await self.webhooks.find(context, needing: .editor)
        guard webhook.options.trigger.kind == .manual else {
            throw APIError.conflict(
                "its trigger is \(webhook.options.trigger.name); MANUAL is what can be fired, anything can be tested"
            )
        }
        guard webhook.status != .disabled else { throw APIError.conflict("the webhook is disabled") }
        let object = try JSONObject(try await JSON.optionalBody(of: request, as: .firing), at: "")
        let key = try await self.webhooks.key(of: webhook)
        let thing = try object.id("thing_id")
        if let thing, try await self.webhooks.access.things.find(thing)?.group != webhook.group {
            throw InvalidField("thing_id", "must be a thing of the webhook's group")
        }
        let message = self.ids.next(1)[0]
        let payload = object.fields["payload"]
        let details = try JSON.text(payload ?? .object(["user_id": .string(try context.caller().id)]))
        try await self.events.fire(
            key, of: webhook.group, as: message, thing: thing, details: details, isPayload: payload != nil)
        return try Response.json(
            .accepted, ["trigger_id": DeliveryID(message: message, webhook: key).text])
    }
}

struct TestReportDTO: Encodable {
    let success: Bool
    let status: Int?
    let latency_ms: Double
    let steps: [StepDTO]
    let request: RequestDTO?
    /// Of the answer.
    let headers: [String: String]?
    let response: BodyDTO?
    /// The message it was tried with, and whether that is the one given, the newest real one or a sample.
    let message: MessageDTO
    let message_source: String
    /// Why such a message would not come to the webhook, whatever came of the test.
    let skipped: String?

    struct StepDTO: Encodable {
        let name: String
        let ok: Bool
        let detail: String?
        let error: String?
        let latency_ms: Double
    }

    init(_ report: TestReport, message: Message, source: String, obstacle: String? = nil, seenBy role: Role) {
        self.success = report.hasSucceeded
        self.status = report.status
        self.latency_ms = Double(report.microseconds) / 1_000
        self.steps = report.steps.map { step in
            StepDTO(
                name: step.name, ok: step.error == nil, detail: step.detail, error: step.error,
                latency_ms: Double(step.microseconds) / 1_000)
        }
        self.request = report.request.map { RequestDTO($0, seenBy: role) }
        self.headers = report.headers?.named
        self.response = report.body.isEmpty ? nil : BodyDTO(report.body)
        self.message = MessageDTO(message)
        self.message_source = source
        self.skipped = obstacle.map { "this message would be skipped: \($0)" }
    }
}
