internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Observability
internal import Values

/// Who is calling.
struct Caller: Sendable {
    let id: String
    let isRoot: Bool
    /// When the token ends.
    let expiresAt: Instant?
    /// Roles that the token itself gives, beside those of memberships.
    var granted: [EntityID: Role] = [:]

    /// Whose memberships limit what is seen; nil for root.
    var visibleTo: String? { self.isRoot ? nil : self.id }
    /// What is seen beside that.
    var grantedGroups: [EntityID] { Array(self.granted.keys) }
}

struct APIContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    /// Set behind the ``TokenMiddleware``.
    var verifiedCaller: Caller?
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
    let metrics: Metrics
    /// nil for as often as they like.
    let limits: CallLimits?

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard let header = request.headers[.authorization] else { throw APIError.unauthorized }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { throw APIError.unauthorized }
        let caller: Caller
        do throws(TokenRefusal) {
            caller = try await self.verifier.caller(of: parts[1])
        } catch {
            self.metrics.refusedTokens.add(error)
            throw APIError.refused(error)
        }
        try self.limits?.take(caller.id)
        var context = context
        context.verifiedCaller = caller
        return try await next(request, context)
    }
}
