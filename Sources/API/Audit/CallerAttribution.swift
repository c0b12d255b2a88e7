internal import Domain
internal import Hummingbird
internal import Schema

/// Before the token is looked at: counts who has none that is valid.
struct RefusedSignIns: RouterMiddleware {
    let refusals: Refusals?

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as APIError where error.status == .unauthorized {
            self.refusals?.note(.init(reason: .signIn, address: CallLimits.name(of: context.remoteAddress)))
            throw error
        }
    }
}

/// Behind the token: what a call changes is noted as its caller's, and what they may not do is counted.
struct CallerAttribution: RouterMiddleware {
    let refusals: Refusals?

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        // A command is nobody's change.
        if context.commandKey != nil { return try await next(request, context) }
        let caller = try context.caller()
        let author = Author(
            .user, id: caller.user, address: context.remoteAddress, isRoot: caller.isRoot,
            key: caller.key?.id.description)
        do {
            return try await author.changing { try await next(request, context) }
        } catch let error as APIError {
            if let reason = Self.reason(of: error) {
                let address = CallLimits.name(of: context.remoteAddress)
                self.refusals?.note(
                    .init(reason: reason, caller: caller.user, address: address, group: error.refusedIn))
            }
            throw error
        }
    }

    private static func reason(of error: APIError) -> Refusals.Reason? {
        switch error.status {
        case .forbidden: .role
        case .notFound where error.refusedIn != nil: .hidden
        default: nil
        }
    }
}
