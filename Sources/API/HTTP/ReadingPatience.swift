internal import HTTPTypes
internal import Hummingbird
internal import Schema

/// What the database has to answer who only reads: so long from here. What is written as it is read, an export or a live view, has its own.
/// It begins anew behind who the caller is, for which a provider is asked too.
struct ReadingPatience: RouterMiddleware {
    private static let longest = Duration.seconds(8)

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard request.method == .get || request.method == .head else { return try await next(request, context) }
        return try await DatabaseAvailability.answering(within: Self.longest) { try await next(request, context) }
    }
}
