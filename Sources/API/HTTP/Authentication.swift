internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Observability
internal import Registry
internal import Values

/// Who is calling.
struct Caller: Sendable {
    let id: String
    let isRoot: Bool
    /// When the token ends.
    let expiresAt: Instant?
    /// Roles that the token itself gives, beside those of memberships.
    var granted: [EntityID: Role] = [:]
    /// What they call with, if it is no token.
    var key: Key?
    /// What the token has, if its issuer vouches for it.
    var email: MailAddress?

    /// What lists over several groups are made of.
    var visibleTo: Sight {
        if self.isRoot { return .everything }
        return self.key?.group.map(Sight.group) ?? .member(self.id, granted: Array(self.granted.keys))
    }
}

struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Set behind the ``TokenMiddleware``.
    var verifiedCaller: Caller?
    /// Set behind it in place of that for who sends a command with the key of a delivery.
    var commandKey: CommandKey?
    /// Where the connection comes from; nil if that is no address.
    let remoteAddress: String?

    init(source: ApplicationRequestContextSource) {
        self.coreContext = .init(source: source)
        self.remoteAddress = source.channel.remoteAddress?.ipAddress
    }

    var maxUploadSize: Int { JSON.largestBody }

    /// - Throws: 401 if there is no token.
    func caller() throws -> Caller {
        guard let caller = self.verifiedCaller else { throw APIError.unauthorized }
        return caller
    }
}

/// Lets through who has a valid token.
struct TokenMiddleware: RouterMiddleware {
    let verifier: TokenVerifier
    let door: KeyDoor
    let metrics: Metrics
    /// nil for as often as they like.
    let limits: CallLimits?
    /// nil if nobody has keys for commands.
    let commandKeys: CommandKeys?
    let wallClock: WallClock

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard let header = request.headers[.authorization] else { throw APIError.unauthorized }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { throw APIError.unauthorized }
        // One space or more (RFC 9110, section 11.4).
        let token = parts[1].trimmingSpaces
        if token.hasPrefix(CommandKey.prefix) {
            var context = context
            context.commandKey = try self.commandKey(token, request)
            return try await next(request, context)
        }
        if token.hasPrefix(APIKey.prefix) {
            var context = context
            context.verifiedCaller = try await self.door.caller(
                with: token, from: context.remoteAddress, limits: self.limits)
            return try await next(request, context)
        }
        let caller: Caller
        do throws(TokenRefusal) {
            caller = try await self.verifier.caller(of: token)
        } catch {
            self.metrics.refusedTokens.add(error)
            throw APIError.refused(error)
        }
        try self.limits?.take(caller.id)
        var context = context
        context.verifiedCaller = caller
        return try await next(request, context)
    }

    /// It is good for sending commands to its thing, and for nothing else.
    private func commandKey(_ text: some StringProtocol, _ request: Request) throws -> CommandKey {
        let key: CommandKey
        do throws(CommandKeys.Refusal) {
            guard let keys = self.commandKeys else { throw .unknown }
            key = try keys.read(text, now: self.wallClock.now)
        } catch {
            let reason =
                switch error {
                case .unknown: "this is no key for commands that was made here"
                case .expired: "this key for commands has expired; each delivery has a new one"
                }
            throw APIError(
                status: .unauthorized, message: reason, headers: [.wwwAuthenticate: #"Bearer error="invalid_token""#])
        }
        let (path, own) = (request.uri.path, "/things/\(key.thing)/commands")
        guard request.method == .post, path == own || path.hasPrefix("\(own)/") else {
            throw APIError(
                status: .forbidden, message: "this key is good for sending commands to the thing \(key.thing) alone")
        }
        try self.limits?.take("commands to \(key.thing)")
        return key
    }
}
