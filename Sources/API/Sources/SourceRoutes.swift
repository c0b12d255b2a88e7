internal import Crypto
internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import Journal
internal import NIOCore
internal import Registry
internal import Schema

/// `/sources` and the sources of groups.
struct SourceRoutes: Sendable {
    let sources: SourceStore
    let things: ThingStore
    let access: Access
    let wallClock: WallClock
    /// How outside systems reach us; nil takes the address by which the caller did.
    let publicURL: String?
    let places = StreamPlaces(most: 100, ofAUser: 8)

    private func base(_ request: Request) -> String {
        self.publicURL
            ?? ReachedAddress(authority: request.head.authority) { name in
                HTTPField.Name(name).flatMap { request.headers[$0] }
            }.base
    }

    func add(to routes: RouterGroup<APIContext>) {
        routes.post("groups/:id/sources") { try await self.create($0, $1) }
        routes.get("groups/:id/sources") { request, context in
            let group = try context.id(of: "group")
            let role = try await self.access.requireGroup(.viewer, group, for: context.caller())
            let pageRequest = try request.pageRequest()
            let page = try await self.sources.list(in: group, pageRequest)
            return try Response.json(
                PageDTO("sources", page, pageRequest) { SourceDTO($0, at: self.base(request), seenBy: role) })
        }
        routes.get("sources/:id") { request, context in
            let (source, role) = try await self.find(context, needing: .viewer)
            return try Response.json(SourceDTO(source, at: self.base(request), seenBy: role))
        }
        routes.put("sources/:id") { try await self.update($0, $1) }
        routes.delete("sources/:id") { _, context in
            let (source, _) = try await self.find(context, needing: .editor)
            guard try await self.sources.remove(source.id) else { throw APIError.notFound("source") }
            return Response.noContent
        }
        routes.post("sources/:id/key/rotate") { request, context in
            let (source, _) = try await self.find(context, needing: .editor)
            if source.hasUnreadableSettings { throw StorageError.unreadable(source.fault ?? "") }
            guard source.settings.signature == nil else {
                throw APIError.conflict("its callers sign; their secret is set with auth.secret")
            }
            let key = SourceKey.random()
            guard let updated = try await self.sources.update(source.id, secret: .keyHash(key.hash), { _ in }) else {
                throw APIError.notFound("source")
            }
            return try Response.json(SourceDTO(updated, at: self.base(request), seenBy: .editor, key: key))
        }
        routes.get("source-presets") { _, context in
            _ = try context.caller()
            return Response(
                status: .ok, headers: [.contentType: "application/json"],
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: PackageResources.sourcepresets_json)))
        }
        routes.get("sources/:id/log") { try await self.log($0, $1) }
        routes.post("sources/:id/listen") { try await self.listen($0, $1) }
        routes.put("sources/:id/sample") { try await self.setSample($0, $1) }
    }

    private func find(_ context: APIContext, needing role: Role) async throws -> (Source, Role) {
        guard let source = try await self.sources.find(try context.id(of: "source")) else {
            throw APIError.notFound("source")
        }
        let has = try await self.access.require(role, in: source.group, for: context.caller(), seeking: "source")
        return (source, has)
    }

    // MARK: Making and changing

    private func create(_ request: Request, _ context: APIContext) async throws -> Response {
        let group = try context.id(of: "group")
        try await self.access.requireGroup(.editor, group, for: context.caller())
        var created: [(source: Source, secret: SourceSecret)] = []
        var keys: [(key: SourceKey?, secret: String?)] = []
        let now = self.wallClock.now
        for object in try JSONObject.list(try await JSON.body(of: request, as: .list(.source))) {
            guard let thing = try object.id("thing_id") else {
                throw InvalidField(object.name("thing_id"), "is required")
            }
            try await self.checkThing(thing, in: group, at: object)
            let settings = try SourceSettings(object, changing: SourceSettings())
            let auth = try object.object("auth")
            let source = Source(
                id: .random(), group: group,
                name: try Name.chosen(
                    try object.string("name") ?? Self.defaultName(settings), field: object.name("name")),
                thing: thing, isEnabled: try Self.isEnabled(object) ?? true, settings: settings, createdAt: now,
                updatedAt: now)
            if let scheme = settings.signature {
                let given = try auth?.string("secret")
                let secret = try Self.secret(given, of: scheme, at: object.name("auth.secret"))
                created.append((source, .signing(secret)))
                keys.append((nil, given == nil ? secret : nil))
            } else {
                let key = SourceKey.random()
                created.append((source, .keyHash(key.hash)))
                keys.append((key, nil))
            }
        }
        try created.map(\.source.name).refuseRepetition(of: "name")
        try await self.sources.create(created)
        return try Response.json(
            .created,
            zip(created, keys).map {
                SourceDTO($0.source, at: self.base(request), seenBy: .editor, key: $1.key, secret: $1.secret)
            })
    }

    /// Vendors give their sources their names.
    private static func defaultName(_ settings: SourceSettings) -> String {
        switch settings.signature?.vendor {
        case nil: "API key"
        case .standard?: "Standard Webhooks"
        case .github?: "GitHub"
        case .stripe?: "Stripe"
        case .slack?: "Slack"
        case .shopify?: "Shopify"
        case .custom?: "Signed"
        }
    }

    private func checkThing(_ thing: EntityID, in group: EntityID, at object: JSONObject) async throws {
        guard try await self.things.find(thing)?.group == group else {
            throw InvalidField(object.name("thing_id"), "must be a thing of the group")
        }
    }

    /// The one that is given, or a new one for who takes ours.
    private static func secret(
        _ given: String?, of scheme: SignatureScheme, at field: String
    ) throws(InvalidField) -> String {
        guard let given else {
            guard scheme.takesOurSecret else {
                throw InvalidField(field, "is required: 8 to 512 bytes, as the vendor shows it")
            }
            var numbers = SystemRandomNumberGenerator()
            return scheme.newSecret(using: &numbers)
        }
        guard (8...512).contains(given.utf8.count) else { throw InvalidField(field, "must have 8 to 512 bytes") }
        try Self.check(given, of: scheme, at: field)
        return given
    }

    private static func check(
        _ secret: String, of scheme: SignatureScheme?, at field: String
    ) throws(InvalidField) {
        guard scheme?.takes(secret) == false else { return }
        throw InvalidField(field, "has no key behind whsec_")
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

    private func update(_ request: Request, _ context: APIContext) async throws -> Response {
        let (source, role) = try await self.find(context, needing: .editor)
        let object = try JSONObject(try await JSON.body(of: request, as: .source), at: "")
        let name = try Name.chosen(try object.string("name"), insteadOf: source.name)
        let thing = try object.id("thing_id")
        if let thing { try await self.checkThing(thing, in: source.group, at: object) }
        let isEnabled = try Self.isEnabled(object)
        let draft = try SourceSettings(object, changing: source.settings)
        var secret: SourceSecret?
        var key: SourceKey?
        let given = try object.object("auth")?.string("secret")
        var made: String?
        if let given, given != "***", let scheme = draft.signature {
            secret = .signing(try Self.secret(given, of: scheme, at: "auth.secret"))
        }
        // How its callers showed who they are may be what cannot be read; then it is said anew.
        let signed = source.hasUnreadableSettings ? nil : source.settings.signature != nil
        switch (signed, draft.signature != nil) {
        case (false, true), (nil, true):
            if secret == nil, let scheme = draft.signature {
                let new = try Self.secret(nil, of: scheme, at: "auth.secret")
                made = new
                secret = .signing(new)
            }
        case (true, false), (nil, false):
            let new = SourceKey.random()
            key = new
            secret = .keyHash(new.hash)
        default: break
        }
        let updated = try await self.sources.update(source.id, secret: secret) { source in
            source.name = name
            if let thing { source.thing = thing }
            source.isEnabled = isEnabled ?? source.isEnabled
            source.settings = try SourceSettings(object, changing: source.settings)
        }
        guard let updated else { throw APIError.notFound("source") }
        return try Response.json(
            SourceDTO(updated, at: self.base(request), seenBy: role, key: key, secret: made))
    }

    /// `{"sample": any, "apply_schema"?: bool}`; what listening answered, or anything like it.
    private func setSample(_ request: Request, _ context: APIContext) async throws -> Response {
        let (source, role) = try await self.find(context, needing: .editor)
        let object = try JSONObject(try await JSON.body(of: request, as: .sample), at: "")
        guard let value = object.fields["sample"] else { throw InvalidField("sample", "is required") }
        let text = JSON.text(value)
        guard text.utf8.count <= JSONSchema.longest, let json = RawJSON(Array(text.utf8)) else {
            throw InvalidField("sample", "must be at most \(JSONSchema.longest) bytes of JSON")
        }
        if source.hasUnreadableSettings { throw StorageError.unreadable(source.fault ?? "") }
        let appliesSchema = try object.bool("apply_schema") ?? false
        let updated = try await self.sources.update(source.id) { source in
            let former = source.settings
            source.settings.sample = text
            if appliesSchema { source.settings.schema = JSONSchema.inferred(from: json) }
            try source.settings.check(changing: former)
        }
        guard let updated else { throw APIError.notFound("source") }
        return try Response.json(SourceDTO(updated, at: self.base(request), seenBy: role))
    }

    // MARK: Looking on

    private func log(_ request: Request, _ context: APIContext) async throws -> Response {
        let (source, _) = try await self.find(context, needing: .viewer)
        let start = try request.pageStart(
            order: SourceStore.logOrder, key: SourceStore.logKey, offsets: 0...LogStore.window)
        let limit = try request.limit()
        let page = try await self.sources.log(
            of: source.id, from: try request.time("from"), to: try request.time("to"), start: start, limit: limit)
        return try Response.json(
            PageDTO("log", page, from: start, limit: limit, order: "date", dir: "desc", SourceLogDTO.init))
    }

    private static let longestListening: Int64 = 600

    /// Waits for the next event and answers it as a server-sent event, with the schema that it suggests.
    private func listen(_ request: Request, _ context: APIContext) async throws -> Response {
        let (source, _) = try await self.find(context, needing: .editor)
        let object = try JSONObject(try await JSON.optionalBody(of: request, as: .listening), at: "")
        let seconds = try object.integer("timeout") ?? 120
        guard (1...Self.longestListening).contains(seconds) else {
            throw InvalidField("timeout", "must be a number from 1 to \(Self.longestListening) seconds")
        }
        let caller = try context.caller()
        let place = try self.places.take(for: caller.account)
        try await self.sources.listen(source.id, for: .seconds(seconds))
        let (sources, access, id) = (self.sources, self.access, source.id)
        return EventStream.response(in: place) { events in
            try await events.comment("listening")
            let end = ContinuousClock.now + .seconds(seconds)
            var rounds = 0
            while ContinuousClock.now < end, !Task.isCancelled {
                let heard = try await sources.heard(by: id)
                // As other views look again whether they may go on.
                if heard != nil || rounds.isMultiple(of: 10) {
                    guard try await access.stillHas(.editor, in: source.group, caller) else {
                        return try await sources.stopListening(id)
                    }
                }
                if let heard {
                    try await sources.stopListening(id)
                    return try await events.send("sample", heard)
                }
                rounds += 1
                if rounds.isMultiple(of: 50) { try await events.comment("waiting") }
                try await events.pause(for: .milliseconds(200))
            }
            try await sources.stopListening(id)
            try await events.send("timeout", "{}")
        }
    }
}

/// The key of a source, shown when it is made; then only its hash is known. It has 256 random bits, which no hash needs
/// to stretch.
struct SourceKey: Sendable {
    let text: String

    var hash: [UInt8] { Self.hash(of: self.text) }

    static func hash(of text: String) -> [UInt8] { Array(SHA256.hash(data: Array(text.utf8))) }

    static func random() -> SourceKey {
        SourceKey(text: "hlk_" + SymmetricKey(size: .bits256).withUnsafeBytes { Hex.encode($0) })
    }
}
