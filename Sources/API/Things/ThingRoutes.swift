internal import Crypto
internal import Domain
internal import Hummingbird
internal import Journal
internal import Registry
internal import Schema
internal import Values

/// `/things`, the things of groups, and the messages they sent.
struct ThingRoutes: Sendable {
    let things: ThingStore
    let messages: MessageStore
    let access: Access
    let refresh: RouteRefresh
    let exports: Exports

    func add(to routes: RouterGroup<APIContext>) {
        routes.post("groups/:id/things") { try await self.create($0, $1) }
        routes.get("groups/:id/things") { request, context in
            let group = try context.id(of: "group")
            try await self.access.requireGroup(.viewer, group, for: context.caller())
            var choice = ThingChoice()
            choice.ids = try request.ids()
            choice.beginning = request.text("name_begins").flatMap { $0.isEmpty ? nil : $0 }
            let pageRequest = try request.pageRequest(
                orders: PageRequest.Order.ofThings, byBeginning: choice.beginning != nil)
            choice.externalID = request.text("external_id")
            choice.profile = try request.queryID("profile")
            choice.labels = try request.labels()
            choice.isConnected = try request.flag("connected")
            let page = try await self.things.list(in: group, choosing: choice, pageRequest)
            return try Response.json(PageDTO("things", page, pageRequest) { ThingDTO($0, key: nil) })
        }
        routes.get("things/:id") { _, context in
            try Response.json(ThingDTO(try await self.access.thing(context, needing: .viewer), key: nil))
        }
        routes.put("things/:id") { try await self.update($0, $1, needsName: true) }
        routes.patch("things/:id") { try await self.update($0, $1, needsName: false) }
        routes.delete("things/:id") { _, context in
            let thing = try await self.access.thing(context, needing: .editor)
            guard try await self.things.remove(thing.id, from: thing.group) else { throw APIError.notFound("thing") }
            await self.refresh([.thing(thing.id)])
            return Response.noContent
        }
        routes.get("things/:id/messages") { try await self.listMessages($0, $1) }
    }

    private func create(_ request: Request, _ context: APIContext) async throws -> Response {
        let group = try context.id(of: "group")
        try await self.access.requireGroup(.editor, group, for: context.caller())
        var created: [ThingRecord] = []
        var keys: [ThingKey] = []
        for object in try JSONObject.list(try await JSON.body(of: request, as: .list(.thing))) {
            let draft = try ThingDraft(object)
            created.append(try draft.record(in: group))
            keys.append(draft.key ?? .random())
        }
        try await self.things.create(created, keys: keys.map(\.stored))
        await self.refresh(created.map { .thing($0.id) })
        return try Response.json(.created, zip(created, keys).map { ThingDTO($0, key: $1) })
    }

    private func update(_ request: Request, _ context: APIContext, needsName: Bool) async throws -> Response {
        let thing = try await self.access.thing(context, needing: .editor)
        let object = try JSONObject(try await JSON.body(of: request, as: .thing), at: "")
        let draft = try ThingDraft(object, changing: thing)
        guard draft.name != nil || !needsName else { throw InvalidField("name", "is required") }
        guard let updated = try await self.things.update(thing.id, in: thing.group, draft.change) else {
            throw APIError.notFound("thing")
        }
        await self.refresh([.thing(thing.id)])
        return try Response.json(ThingDTO(updated, key: draft.key))
    }

    private func listMessages(_ request: Request, _ context: APIContext) async throws -> Response {
        let thing = try await self.access.thing(context, needing: .viewer)
        if let format = try request.exportFormat() {
            return try self.exportMessages(of: thing, as: format, request, context)
        }
        let start = try request.pageStart(order: MessageStore.order, key: MessageStore.keyParts)
        let limit = try request.limit()
        let page = try await self.messages.list(
            of: thing.id, in: thing.group, from: try request.time("from"), to: try request.time("to"),
            subtopic: request.text("subtopic"), start: start, limit: limit)
        return try Response.json(
            PageDTO(
                "messages", page, from: start, limit: limit, order: "received_at", dir: "desc", MessageDTO.init))
    }
}

extension ThingRoutes {
    private func exportMessages(
        of thing: ThingRecord, as format: ExportFormat, _ request: Request, _ context: APIContext
    ) throws -> Response {
        let (from, to) = (try request.time("from"), try request.time("to"))
        let subtopic = request.text("subtopic")
        return try self.exports.response(as: format, of: thing.group, to: context.caller()) { start in
            let page = try await self.messages.list(
                of: thing.id, in: thing.group, from: from, to: to, subtopic: subtopic, start: start,
                limit: PageRequest.highestLimit)
            return (page.items.map(MessageDTO.init), page.next)
        }
    }
}

/// A thing's password at the broker. It is shown when it is made and then only its hash is known.
struct ThingKey: Sendable {
    let text: String

    var stored: StoredKey { StoredKey(self.text) }

    static func random() -> ThingKey {
        ThingKey(text: SymmetricKey(size: .bits256).withUnsafeBytes { Hex.encode($0) })
    }

    static func given(in object: JSONObject) throws(InvalidField) -> ThingKey? {
        guard let text = try object.string("key"), !text.isEmpty else { return nil }
        guard (16...1_024).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw InvalidField(object.name("key"), "must be 16 to 1024 visible ASCII characters")
        }
        return ThingKey(text: text)
    }
}

struct ThingDTO: Encodable {
    let id: String
    let group_id: String
    let profile_id: String
    let name: String
    let external_id: String?
    let labels: [String]
    /// null if it cannot be read.
    let metadata: JSONValue
    let key: String?
    let last_seen_at: Int64?
    /// As topic rules tell it; absent if that is not known.
    let connected: Bool?
    let connected_at: Int64?
    let disconnected_at: Int64?

    init(_ thing: ThingRecord, key: ThingKey?) {
        self.connected = thing.presence?.isConnected
        self.connected_at = thing.presence?.connectedAt?.milliseconds
        self.disconnected_at = thing.presence?.disconnectedAt?.milliseconds
        self.last_seen_at = thing.lastSeen?.milliseconds
        self.external_id = thing.externalID
        self.labels = thing.labels
        self.metadata = (try? JSON.decode(thing.metadata)) ?? .null
        self.id = thing.id.description
        self.group_id = thing.group.description
        self.profile_id = thing.profile.description
        self.name = thing.name
        self.key = key?.text
    }
}

extension JSONValue {
    /// As they stand: they were read when they were stored, and whatever their names are.
    init(_ properties: MessageProperties) { self = .object(JSONFields([:], raw: properties.json)) }
}

struct MessageDTO: Encodable, Sendable {
    let id: String
    let thing_id: String
    let subtopic: String
    let content_type: String
    /// Milliseconds since 1970.
    let received_at: Int64
    /// The payload if it is text…
    let payload: String?
    /// …and otherwise in base64.
    let payload_base64: String?
    /// What the publish said of itself.
    let mqtt: JSONValue?
    /// The JSON that is made of the payload, if its thing's profile said so.
    let decoded: JSONValue?
    /// Why there is none.
    let undecoded: String?

    init(_ message: Message) {
        self.mqtt = message.properties.map(JSONValue.init)
        self.id = String(message.id.rawValue)
        self.thing_id = message.thing.description
        self.subtopic = message.subtopic
        self.content_type = message.contentType
        self.received_at = message.id.millisecondsSince1970
        self.payload = String(validating: message.payload, as: UTF8.self)
        self.payload_base64 = self.payload == nil ? Base64.encode(message.payload) : nil
        var (decoded, undecoded): (JSONValue?, String?) = (nil, nil)
        if let decoder = message.decoder {
            do {
                let view = try decoder.view(of: message.payload, received: message.id.time)
                decoded = try JSONValue(reading: view)
            } catch { undecoded = "\(error)" }
        }
        (self.decoded, self.undecoded) = (decoded, undecoded)
    }
}
