internal import HTTPTypes
internal import Hummingbird
package import JWTKit
internal import NIOCore
internal import Registry
internal import Values

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// What a user token says (RFC 7519): `sub` is the user, `nbf` and `exp` when it begins and ends, `root` that everything is
/// allowed.
package struct UserToken: JWTPayload {
    package let sub: SubjectClaim
    package let exp: ExpirationClaim?
    package let nbf: NotBeforeClaim?
    package let root: Bool?

    package init(user: String, expires: ExpirationClaim?, isRoot: Bool) {
        self.sub = SubjectClaim(value: user)
        self.exp = expires
        self.nbf = nil
        self.root = isRoot ? true : nil
    }

    package func verify(using algorithm: some JWTAlgorithm) throws {
        try self.exp?.verifyNotExpired()
        try self.nbf?.verifyNotBefore()
        guard !self.sub.value.isEmpty, self.sub.value.utf8.count <= 254 else {
            throw JWTError.claimVerificationFailure(failedClaim: self.sub, reason: "names no user")
        }
        // The database would take it for the user whose name is the same without it.
        guard !self.sub.value.utf8.contains(0) else {
            throw JWTError.claimVerificationFailure(failedClaim: self.sub, reason: "has a zero byte")
        }
    }
}

/// Who is calling.
struct Caller: Sendable {
    let id: String
    let isRoot: Bool
    /// When the token ends.
    let expiresAt: Instant?
    /// What they call with, if it is no token.
    var key: Key?

    /// What lists over several groups are made of.
    var visibleTo: Sight { self.isRoot ? .everything : self.key?.group.map(Sight.group) ?? .member(self.id) }
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
    let keys: JWTKeyCollection
    let door: KeyDoor
    /// nil for as often as they like.
    let limits: CallLimits?

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard let header = request.headers[.authorization] else { throw APIError.unauthorized }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { throw APIError.unauthorized }
        if parts[1].hasPrefix(APIKey.prefix) {
            var context = context
            context.verifiedCaller = try await self.door.caller(
                with: String(parts[1]), from: context.remoteAddress, limits: self.limits)
            return try await next(request, context)
        }
        let token: UserToken
        do {
            token = try await self.keys.verify(String(parts[1]), as: UserToken.self)
        } catch {
            throw APIError.unauthorized
        }
        try self.limits?.take(token.sub.value)
        var context = context
        context.verifiedCaller = Caller(
            id: token.sub.value, isRoot: token.root == true,
            expiresAt: token.exp.map { Instant(clampingSeconds: $0.value.timeIntervalSince1970) })
        return try await next(request, context)
    }
}
