internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Values

/// Reads a request's body before anybody looks at what the caller may do. Else who begins one while they may, and sends the last byte
/// when they may no more, or when the thing is another group's, would still have it done. Who is let in is known before, so that
/// nobody else sends anything; of a body that takes its time it is asked again.
///
/// What is longer than the route takes is left to the route, which refuses it with its own words.
struct WholeBody: RouterMiddleware {
    typealias Context = APIContext
    let door: KeyDoor
    let wallClock: WallClock
    let room: BodyRoom

    /// A body that comes as it should is here by then.
    private static let promptly: Duration = .seconds(1)

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let most = request.uri.path.hasSuffix("/things/bulk") ? ThingBulkRoutes.largestBody : JSON.largestBody
        let length = request.headers[.contentLength].flatMap { Int($0) }
        guard length.map({ $0 > 0 }) ?? (request.headers[.transferEncoding] != nil) else {
            return try await next(request, context)
        }
        // What receivers of a group send is the group's.
        let caller = context.verifiedCaller?.id ?? context.commandKey.map { "commands of \($0.group)" } ?? ""
        var taken = min(length ?? most, ThingBulkRoutes.largestBody)
        try self.room.take(taken, of: caller)
        defer { self.room.give(taken, of: caller) }
        guard length ?? 0 <= most else { return try await next(request, context) }
        let start = ContinuousClock.now
        var request = request
        do {
            let size = try await request.collectBody(upTo: most).readableBytes
            // It may be waited with for long, as for a thing's answer.
            self.room.give(taken - size, of: caller)
            taken = size
        } catch is NIOTooManyBytesError {
            throw APIError(
                status: .contentTooLarge, message: "the body must be at most \(most / (1024 * 1024)) MiB")
        }
        guard start.duration(to: .now) > Self.promptly else { return try await next(request, context) }
        var context = context
        if let caller = context.verifiedCaller { context.verifiedCaller = try await self.now(caller) }
        if let key = context.commandKey, key.expiresAt <= self.wallClock.now { throw Self.over }
        return try await next(request, context)
    }

    /// The caller as they are by now.
    ///
    /// - Throws: 401 if their key or token has ended.
    private func now(_ caller: Caller) async throws -> Caller {
        if let key = caller.key { return try await self.door.caller(withKey: key.id) }
        if let end = caller.expiresAt, end <= self.wallClock.now { throw Self.over }
        return caller
    }

    private static let over = APIError(
        status: .unauthorized, message: "what the request was begun with has expired before it was whole",
        headers: [.wwwAuthenticate: #"Bearer error="invalid_token""#])
}
