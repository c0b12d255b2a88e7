internal import HTTPTypes
internal import Hummingbird
internal import NIOCore

/// Reads a request's body before anybody looks at what the caller may do. Else who begins one while they may, and sends the last byte
/// when they may no more, or when the thing is another group's, would still have it done.
///
/// What is longer than any route takes is left to the route, which refuses it with its own words.
struct WholeBody: RouterMiddleware {
    typealias Context = APIContext
    /// In bytes, of all routes.
    let most: Int

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let length = request.headers[.contentLength].flatMap { Int($0) }
        guard length.map({ $0 > 0 && $0 <= self.most }) ?? (request.headers[.transferEncoding] != nil) else {
            return try await next(request, context)
        }
        var request = request
        do { _ = try await request.collectBody(upTo: self.most) } catch is NIOTooManyBytesError {
            throw APIError(status: .contentTooLarge, message: "the body must be at most \(self.most) bytes")
        }
        return try await next(request, context)
    }
}
