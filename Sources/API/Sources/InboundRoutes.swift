internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Observability
internal import Queue
internal import Registry
internal import Values

/// `POST /in/{source_id}`: where outside systems post. No user token; the source says how its callers show who they are.
struct InboundRoutes: Sendable {
    let sources: SourceStore
    let store: SourceEventStore
    let limits: SourceLimits
    let unknown: UnknownSources
    let size: EventSizeLimit
    let wallClock: WallClock
    let ids: MessageIDGenerator
    let unreadable: UnreadableRows
    let things: SourceThings
    /// Told that an event waits for the bus.
    let call: @Sendable () -> Void

    /// Senders try again, by which time it may be readable. What is wrong with it is its owners' business.
    private static let unavailable = APIError(
        status: .serviceUnavailable, message: "the source is not available; try again later",
        headers: [.retryAfter: "60"])
    private static let keyHeader = HTTPField.Name("x-api-key") ?? .authorization
    private static let refused = APIError(status: .unauthorized, message: "the key or signature is not valid")

    func add(to router: Router<APIContext>) {
        router.post("in/:id") { try await self.receive($0, $1) }
        router.get("in/:id") { try await self.answerChallenge($0, $1) }
        router.on("in/:id", method: .options) { try await self.allowOrigin($0, $1) }
    }

    /// The source of a path, if there is one that can be read.
    func door(_ context: APIContext) async throws -> SourceDoor {
        guard let id = EntityID(context.parameters.get("id") ?? "") else { throw APIError.notFound("source") }
        let wasTaken = try self.unknown.admit(id, from: context.remoteAddress)
        let found = try await self.sources.door(of: id)
        self.unknown.settle(id, isThere: found != nil, from: context.remoteAddress, wasTaken: wasTaken)
        self.unreadable.note(
            .source, id,
            found.flatMap { door in door.fault.map { .init(id: id, version: "\(door.version)", fault: $0) } })
        guard let door = found else { throw APIError.notFound("source") }
        guard door.fault == nil else { throw Self.unavailable }
        return door
    }

    private func receive(_ request: Request, _ context: APIContext) async throws -> Response {
        let door = try await self.door(context)
        // Who has the wrong key is not read, and does not use up what those may call who have the right one.
        if door.settings.signature == nil, !self.hasKey(request, of: door) { try await self.refuse(bytes: 0, at: door) }
        let type = request.headers[.contentType]
        let isSupported = ["application/json", "application/x-www-form-urlencoded", "text/", "+json", "cloudevents"]
            .contains { type?.lowercased().contains($0) == true }
        guard type == nil || isSupported else {
            throw APIError(status: .unsupportedMediaType, message: "content-type must be JSON, a form or text")
        }
        try request.refuseEncodedBody()
        let buffer = try await self.collect(request, at: door)
        let signed = SignedRequest(
            headers: Dictionary(request.headers.map { ($0.name.canonicalName, $0.value) }) { $0 + "," + $1 },
            body: Array(buffer.readableBytesView),
            query: Dictionary(request.queryTexts.map { ($0.name, $0.value) }) { first, _ in first })
        if let scheme = door.settings.signature {
            guard scheme.verifies(signed, secret: door.secret ?? "", now: self.wallClock.now.seconds) else {
                try await self.refuse(bytes: signed.body.count, at: door)
            }
        }
        if let wait = self.limits.take(.callers, of: door, now: monotonicNanoseconds()) {
            try await self.tooMany("too many events", after: wait, at: door)
        }
        if let challenge = door.settings.signature?.challenge(in: signed) {
            return try Response.json(["challenge": challenge])
        }
        if let code = Self.validationCode(in: signed) { return try Response.json(["validationResponse": code]) }
        guard door.isEnabled || door.isListening else {
            try await self.store.note(.invalid, "the source is disabled", bytes: signed.body.count, at: door)
            throw APIError(status: .forbidden, message: "the source is disabled")
        }
        return try await self.take(signed, at: door)
    }

    private func collect(_ request: Request, at door: SourceDoor) async throws -> ByteBuffer {
        let limit = self.size.limit(on: SourceEvent.topic(of: door.thing, subtopic: ""))
        do {
            return try await request.body.collect(upTo: limit.bytes)
        } catch is NIOTooManyBytesError {
            throw try await self.tooLarge(request.headers[.contentLength].flatMap { Int($0) }, limit, at: door)
        }
    }

    private func tooLarge(_ bytes: Int?, _ limit: EventSizeLimit.Limit, at door: SourceDoor) async throws -> APIError {
        let error = APIError(status: .contentTooLarge, message: "the body must be at most \(limit)")
        try await self.store.note(.invalid, error.message, bytes: bytes ?? limit.bytes + 1, at: door)
        return error
    }

    private func take(_ request: SignedRequest, at door: SourceDoor) async throws -> Response {
        let message = Message(
            id: self.ids.next(1)[0], thing: door.thing, group: door.group, subtopic: "",
            contentType: ProfileConfig.defaultContentType, payload: request.body, traceparent: nil, isKept: false,
            receivedNanoseconds: nil)
        switch SourceGate(door.settings).judge(request, as: message) {
        case .invalid(let reason) where !door.isListening:
            try await self.store.note(.invalid, reason, bytes: request.body.count, at: door)
            throw APIError.badRequest(reason)
        case .ignored(let reason) where !door.isListening:
            try await self.store.note(.ignored, reason, bytes: request.body.count, at: door)
            return try Response.json(.accepted, ["status": "ignored"])
        case .accepted(let subtopic, let eventID, let name):
            let thing = try await self.thing(called: name, request, at: door)
            let limit = self.size.limit(on: SourceEvent.topic(of: door.thing, subtopic: subtopic))
            guard request.body.count <= limit.bytes else {
                throw try await self.tooLarge(request.body.count, limit, at: door)
            }
            let isNew: Bool
            do {
                isNew = try await self.store.accept(
                    request.body, of: thing, on: subtopic, eventID: eventID,
                    replay: door.settings.signature?.replay(of: request),
                    at: door, sample: door.isListening ? Self.sample(of: request.body) : nil)
            } catch is SourceChanged {
                throw APIError(
                    status: .serviceUnavailable, message: "the source was just changed; send it again",
                    headers: [.retryAfter: "1"])
            }
            if isNew { self.call() }
            return try Response.json(.accepted, ["status": isNew ? "accepted" : "repeated"])
        case .invalid, .ignored:
            // Who listens wants to see what comes, most of all what does not fit. It goes no further.
            _ = try await self.store.accept(
                request.body, on: "", eventID: nil, at: door.asDisabled, sample: Self.sample(of: request.body))
            return try Response.json(.accepted, ["status": "heard"])
        }
    }

    /// The thing that an event is of; nil for the source's own.
    private func thing(called name: String?, _ request: SignedRequest, at door: SourceDoor) async throws -> EntityID? {
        guard let name, let wanted = door.settings.thing else { return nil }
        do { return try await self.things.find(name, wanted, in: door.group) } catch let error as SourceThings.Unknown {
            if wanted.otherwise == .own { return nil }
            try await self.store.note(.invalid, error.reason, bytes: request.body.count, at: door)
            throw APIError.badRequest(error.reason)
        }
    }

    /// The same answer whatever is wrong, and after many of them another, which costs less.
    func refuse(bytes: Int, at door: SourceDoor) async throws -> Never {
        if let wait = self.limits.take(.strangers, of: door, now: monotonicNanoseconds()) {
            try await self.tooMany("too many calls that are not valid", after: wait, at: door)
        }
        try await self.note(.unauthorized, nil, bytes: bytes, at: door)
        throw Self.refused
    }

    private func tooMany(_ what: String, after wait: Int64, at door: SourceDoor) async throws -> Never {
        try await self.note(.limited, what, bytes: 0, at: door)
        throw APIError.tooMany(what, after: wait)
    }

    /// Notes a refusal, or counts it for the next one to be noted: whoever calls without end writes no row each time.
    private func note(_ outcome: SourceOutcome, _ reason: String?, bytes: Int, at door: SourceDoor) async throws {
        guard let times = self.limits.count(outcome, of: door, now: monotonicNanoseconds()) else { return }
        try await self.store.note(outcome, reason, bytes: bytes, times: times, at: door)
    }

    /// As long a look, whatever is wrong.
    func hasKey(_ request: Request, of door: SourceDoor) -> Bool {
        let given =
            request.uri.queryParameters.get("key") ?? request.headers[Self.keyHeader]
            ?? request.headers[.authorization].flatMap(Self.key) ?? ""
        return constantTimeEqual(SourceKey.hash(of: given), door.keyHash ?? [])
    }

    /// A bearer token, or the password of Basic (RFC 7617), whoever the user is.
    private static func key(ofAuthorization header: String) -> String? {
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        switch parts[0].lowercased() {
        case "bearer": return parts[1].trimmingSpaces
        case "basic":
            guard let bytes = Base64.decode(parts[1].trimmingSpaces),
                let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
            else { return nil }
            return String(validating: bytes[(colon + 1)...], as: UTF8.self)
        default: return nil
        }
    }

    private static func sample(of body: [UInt8]) -> String {
        let isShown = body.count <= JSONSchema.longest
        guard isShown, let json = RawJSON(body) else {
            let text = String(decoding: body.prefix(JSONSchema.longest), as: UTF8.self)
            let value = JSON.text(.string(text))
            return #"{"sample":\#(value),"schema":null}"#
        }
        // One line, as an event of the stream has to be.
        return #"{"sample":\#(json.compactText),"schema":\#(JSONSchema.inferred(from: json))}"#
    }
}

/// How large an event may be: it has to pass through the broker and back in.
struct EventSizeLimit: Sendable {
    struct Limit: CustomStringConvertible {
        let bytes: Int
        let description: String
    }

    /// The largest payload that is taken from the broker.
    let intake: Int
    /// The largest that the broker takes on a topic; nil if it names none.
    let broker: @Sendable (String) -> Int?

    func limit(on topic: String) -> Limit {
        var limit = Limit(bytes: 1024 * 1024, description: "1 MiB")
        if self.intake < limit.bytes {
            limit = Limit(bytes: self.intake, description: "\(self.intake) bytes (INTAKE_LARGEST_PAYLOAD)")
        }
        if let broker = self.broker(topic), broker < limit.bytes {
            limit = Limit(bytes: broker, description: "\(broker) bytes, the most that the broker takes")
        }
        return limit
    }
}
