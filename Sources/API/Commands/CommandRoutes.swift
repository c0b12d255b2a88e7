package import Domain
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Observability
package import Queue
internal import Registry
internal import Schema
internal import Values

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// What commands need of the rest of the service.
package struct CommandPort: Sendable {
    package let limits: CommandLimits
    package let board: AnswerBoard
    /// What receivers send with; nil if they cannot.
    package let keys: CommandKeys?
    /// Told that one was stored, or is to be taken off its topic.
    package let call: @Sendable () -> Void

    package init(
        limits: CommandLimits, board: AnswerBoard, keys: CommandKeys?, call: @escaping @Sendable () -> Void
    ) {
        self.keys = keys
        self.limits = limits
        self.board = board
        self.call = call
    }

    /// One with nobody to carry them out.
    package static var none: CommandPort {
        CommandPort(limits: CommandLimits(), board: AnswerBoard(most: 0), keys: nil, call: {})
    }
}

/// `/things/{id}/commands[/{subtopic}]` and `/commands/{id}`: what things are told to do.
struct CommandRoutes: Sendable {
    let store: CommandStore
    let things: ThingStore
    let webhooks: WebhookStore
    let access: Access
    let size: EventSizeLimit
    let port: CommandPort
    let metrics: Metrics

    func add(to routes: RouterGroup<APIContext>) {
        routes.post("things/:id/commands") { try await self.send($0, $1, subtopic: "") }
        routes.post("things/:id/commands/**") { request, context in
            // As it was before it was percent-encoded for the path.
            let path = URLComponents(string: "/-/\(context.parameters.getCatchAll().joined(separator: "/"))")?.path
            guard let path else { throw InvalidField("subtopic", "must be percent-encoded as a path is") }
            return try await self.send(request, context, subtopic: String(path.dropFirst(3)))
        }
        routes.get("things/:id/commands") { try await self.list($0, $1) }
        routes.get("commands/:id") { _, context in
            try Response.json(CommandDTO(try await self.command(context, needing: .viewer)))
        }
        routes.delete("commands/:id") { _, context in
            let command = try await self.command(context, needing: .editor)
            // What is cancelled already is what was wanted.
            if command.state == .cancelled { return Response.noContent }
            guard try await self.store.cancel(command.command.id) == .cancelled else {
                throw APIError.conflict("it cannot be taken back: it has ended, or the broker has it")
            }
            self.metrics.commands.add("cancelled")
            self.port.call()
            return Response.noContent
        }
    }

    // MARK: Sending

    /// The body is the payload, byte for byte, whatever its content type.
    private func send(_ request: Request, _ context: APIContext, subtopic: String) async throws -> Response {
        let (thing, sender) = try await self.target(context)
        guard CommandTopic.isSubtopic(subtopic) else {
            throw InvalidField(
                "subtopic",
                "must be at most \(ThingTopic.longestSubtopic) bytes without +, # or control characters")
        }
        let (expiresIn, wait) = try self.times(request)
        let draft = try Self.command(request, to: thing, subtopic)
        let limit = self.size.limit(on: draft.topic)
        let buffer: ByteBuffer
        do { buffer = try await request.body.collect(upTo: limit.bytes) } catch is NIOTooManyBytesError {
            throw APIError(status: .contentTooLarge, message: "the body must be at most \(limit)")
        }
        let command = Command(
            id: draft.id, group: draft.group, thing: draft.thing, subtopic: subtopic,
            payload: Array(buffer.readableBytesView), contentType: draft.contentType, key: draft.key,
            deliver: draft.deliver, isRetained: draft.isRetained)
        do {
            guard let wait else {
                return try Self.response(try await self.post(command, by: sender, expiresIn), .accepted)
            }
            return try await self.answer(to: command, by: sender, expiresIn, within: wait)
        } catch let refusal as CommandRefusal {
            throw APIError(refusal)
        }
    }

    /// Who sends, and to which thing: somebody with a role in its group, or who has the key of a delivery of it, for as long as the
    /// webhook is there and gives such keys.
    private func target(_ context: APIContext) async throws -> (ThingRecord, CommandSender) {
        guard let key = context.commandKey else {
            let thing = try await self.access.thing(context, needing: .editor)
            return (thing, .user(try context.caller().id))
        }
        guard try context.id(of: "thing") == key.thing, let thing = try await self.things.find(key.thing),
            thing.group == key.group
        else { throw APIError.notFound("thing") }
        guard let webhook = try await self.webhooks.find(key.webhook), webhook.group == key.group,
            webhook.options.sendsCommandKey
        else {
            throw APIError(
                status: .unauthorized,
                message: "the webhook that this key was made for is gone, or gives no keys for commands any more",
                headers: [.wwwAuthenticate: #"Bearer error="invalid_token""#])
        }
        return (thing, .receiver(webhook: key.webhook, of: key.answer))
    }

    private func times(_ request: Request) throws -> (expiresIn: Duration, wait: Duration?) {
        let limits = self.port.limits
        // What is beyond the installation's limits is as much as they allow: the answer says until when.
        let expiry = try request.integer("expires_in", in: 1...31_536_000).map { Duration.seconds($0) }
        let wait = try request.integer("wait", in: 1...600).map { Duration.seconds($0) }
        return (min(expiry ?? limits.expiry, limits.longestExpiry), wait.map { min($0, limits.longestWait) })
    }

    /// All but its payload.
    private static func command(_ request: Request, to thing: ThingRecord, _ subtopic: String) throws -> Command {
        let key = request.text("key").flatMap { $0.isEmpty ? nil : $0 }
        if let key, key.unicodeScalars.count > Command.longestKey || (try? Name.checked(key)) == nil {
            throw InvalidField("key", "must be 1 to \(Command.longestKey) printable characters")
        }
        let type = request.headers[.contentType]
        if let type, type.utf8.count > Command.longestContentType || !MessageProperties.isText(type) {
            throw InvalidField(
                "content-type", "must be at most \(Command.longestContentType) bytes without control characters")
        }
        return Command(
            id: .random(), group: thing.group, thing: thing.id, subtopic: subtopic, payload: [], contentType: type,
            key: key, deliver: try request.choice("deliver") ?? .now,
            isRetained: try request.flag("retain") == true)
    }

    private func post(
        _ command: Command, by sender: CommandSender, _ expiresIn: Duration
    ) async throws -> CommandRecord {
        let record = try await self.store.post(command, by: sender, expiresIn: expiresIn, limits: self.port.limits)
        self.metrics.commands.add("accepted")
        self.port.call()
        return record
    }

    private static func response(_ record: CommandRecord, _ status: HTTPResponse.Status) throws -> Response {
        var response = try Response.json(status, CommandDTO(record))
        response.headers[.location] = "/commands/\(record.command.id)"
        return response
    }

    /// What the thing answers, byte for byte.
    private func answer(
        to command: Command, by sender: CommandSender, _ expiresIn: Duration, within wait: Duration
    ) async throws -> Response {
        var answer: [UInt8]?
        do {
            answer = try await self.port.board.answer(to: command.id, within: wait) {
                _ = try await self.post(command, by: sender, expiresIn)
            }
        } catch is AnswerBoard.Full {
            throw APIError(
                status: .serviceUnavailable, message: "nothing was sent: too many calls wait for answers; try again",
                headers: [.retryAfter: "5"])
        }
        let headers: HTTPFields = [Self.commandID: command.id.description, .location: "/commands/\(command.id)"]
        let record = answer == nil ? try await self.store.find(command.id) : nil
        if record?.state == .answered { answer = record?.answer }
        guard let answer else {
            self.metrics.commands.add("unanswered")
            throw Self.unanswered(record, headers)
        }
        var response = Response(
            status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer)))
        response.headers[.contentType] = Self.type(of: answer)
        return response
    }

    /// Why there is no answer, by what has become of the command.
    ///
    /// - Parameter record: nil if it is there no more.
    private static func unanswered(_ record: CommandRecord?, _ headers: HTTPFields) -> APIError {
        let late = "the thing has not answered in time"
        return switch record?.state {
        case nil:
            APIError(status: .conflict, message: "the command is gone, as is its thing: it was removed, or moved")
        case .cancelled?:
            APIError(status: .conflict, message: "the command was taken back, or its thing is gone", headers: headers)
        case .replaced?:
            APIError(status: .conflict, message: "another command with its key has replaced it", headers: headers)
        case .refused?:
            APIError(
                status: .badGateway, message: "the broker does not take the command: \(record?.problem ?? "")",
                headers: headers)
        case .expired?: APIError(status: .gatewayTimeout, message: "\(late); the command is over", headers: headers)
        case .pending?, .published?, .answered?:
            APIError(
                status: .gatewayTimeout,
                message: record?.endedAt == nil
                    ? "\(late); the command is kept until it expires" : "\(late); the command is over",
                headers: headers)
        }
    }

    private static let commandID = HTTPField.Name("x-hookline-command-id")!

    /// Things do not say what they answer with.
    private static func type(of answer: [UInt8]) -> String {
        if RawJSON(answer) != nil { return "application/json" }
        return String(validating: answer, as: UTF8.self) == nil
            ? "application/octet-stream" : "text/plain; charset=utf-8"
    }

    // MARK: Looking

    private func list(_ request: Request, _ context: APIContext) async throws -> Response {
        let thing = try await self.access.thing(context, needing: .viewer)
        let start = try request.pageStart(order: CommandStore.order, key: CommandStore.keyParts)
        let limit = try request.limit()
        let page = try await self.store.list(
            of: thing.id, in: thing.group, state: try request.choice("state"), from: start, limit: limit)
        return try Response.json(
            PageDTO("commands", page, from: start, limit: limit, order: "created_at", dir: "desc", CommandDTO.init))
    }

    /// The command that the path names.
    private func command(_ context: APIContext, needing role: Role) async throws -> CommandRecord {
        guard let command = try await self.store.find(try context.id(of: "command")) else {
            throw APIError.notFound("command")
        }
        try await self.access.require(role, in: command.command.group, for: context.caller(), seeking: "command")
        return command
    }
}

extension APIError {
    fileprivate init(_ refusal: CommandRefusal) {
        guard refusal != .noThing else {
            self = .notFound("thing")
            return
        }
        let message =
            switch refusal {
            case .tooManyOfThing(let most): "\(most) commands wait for the thing already, which is as many as may"
            case .tooManyOfGroup(let most): "\(most) commands wait in the group already, which is as many as may"
            case .tooManyOfReceivers(let most): "receivers have sent the thing \(most) commands within a minute"
            case .tooManyHops(let most):
                "\(most) commands led to this one, each by its answer, which looks like a loop"
            case .noThing: ""
            }
        self.init(status: .tooManyRequests, message: message, headers: [.retryAfter: "60"])
    }
}

struct CommandDTO: Encodable {
    let id: String
    let thing_id: String
    let topic: String
    let state: String
    let deliver: String
    let retain: Bool
    let key: String?
    let content_type: String?
    /// The payload, or the beginning of it, if it is text…
    let payload: String?
    /// …and otherwise in base64.
    let payload_base64: String?
    /// Of the payload as a whole.
    let bytes: Int64
    let created_by: String
    let hops: Int16
    let created_at: Int64
    let expires_at: Int64
    let tries: Int32
    let published_at: Int64?
    let ended_at: Int64?
    let answer: String?
    let answer_base64: String?
    let problem: String?

    init(_ record: CommandRecord) {
        let command = record.command
        self.id = command.id.description
        self.thing_id = command.thing.description
        self.topic = command.topic
        self.state = record.state.rawValue
        self.deliver = command.deliver.rawValue
        self.retain = command.isRetained
        self.key = command.key
        self.content_type = command.contentType
        self.payload = Self.text(command.payload)
        self.payload_base64 = self.payload == nil ? Base64.encode(command.payload) : nil
        self.bytes = record.bytes
        self.created_by = record.createdBy
        self.hops = record.hops
        self.created_at = record.createdAt.milliseconds
        self.expires_at = record.expiresAt.milliseconds
        self.tries = record.tries
        self.published_at = record.publishedAt?.milliseconds
        self.ended_at = record.endedAt?.milliseconds
        self.answer = record.answer.flatMap(Self.text)
        self.answer_base64 = self.answer == nil ? record.answer.map { Base64.encode($0) } : nil
        self.problem = record.problem
    }

    /// nil if it is no text. A beginning may end within a character.
    private static func text(_ bytes: [UInt8]) -> String? {
        let cut = bytes.count == Int(CommandStore.excerpt) ? 3 : 0
        for dropped in 0...cut {
            if let text = String(validating: bytes.dropLast(dropped), as: UTF8.self) { return text }
        }
        return nil
    }
}
