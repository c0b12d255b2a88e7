internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import Observability
internal import Schema

/// What a caller is told when something cannot be done: a status, and `{"error": "…", "field"?: "…"}`.
struct APIError: Error, HTTPResponseError {
    let status: HTTPResponse.Status
    let message: String
    /// The field of the request at fault, if it is one.
    var field: String?
    /// What is wrong with each row of what has many.
    var rows: [RowFault]?
    var headers: HTTPFields = [:]
    /// The group in which the caller's role is not enough, or the group or org in which they have none.
    var refusedIn: EntityID?

    static func badRequest(_ message: String) -> APIError { APIError(status: .badRequest, message: message) }
    static let unauthorized = APIError(
        status: .unauthorized, message: "a valid bearer token is required", headers: [.wwwAuthenticate: "Bearer"])
    static func refused(_ token: TokenRefusal) -> APIError {
        // Who is told 401 is signed out, which nobody is because the provider is away.
        if token == .unavailable {
            return APIError(
                status: .serviceUnavailable, message: "the token cannot be checked: \(token.reason); try again",
                headers: [.retryAfter: "5"])
        }
        return APIError(
            status: .unauthorized, message: "\(Self.unauthorized.message): \(token.reason)",
            headers: [.wwwAuthenticate: #"Bearer error="invalid_token""#])
    }
    static func forbidden(_ needed: Role) -> APIError {
        APIError(status: .forbidden, message: "this needs the role \(needed.rawValue) in the group")
    }
    /// The same, and for whoever counts refusals that it is one.
    func refused(in group: EntityID) -> APIError {
        var error = self
        error.refusedIn = group
        return error
    }

    static func notFound(_ what: String) -> APIError { APIError(status: .notFound, message: "\(what) not found") }
    static func conflict(_ message: String) -> APIError { APIError(status: .conflict, message: message) }

    /// - Parameter faults: at least one, in the order of their rows.
    static func rows(_ faults: [RowFault], _ status: HTTPResponse.Status) -> APIError {
        let first = faults.first.map { "row \($0.row): \($0.error)" } ?? ""
        let count = Set(faults.map(\.row)).count
        return APIError(
            status: status,
            message: "nothing is made, for \(count == 1 ? "a row" : "\(count) rows") cannot be taken; \(first)",
            field: faults.first.map { "row \($0.row), \($0.field)" }, rows: Array(faults.prefix(Self.mostRows)))
    }

    private static let mostRows = 100

    private struct Body: Encodable {
        let error: String
        let field: String?
        let rows: [RowFault]?
    }

    static func methodNotAllowed(_ methods: [String]) -> APIError {
        let list = methods.joined(separator: ", ")
        return APIError(
            status: .methodNotAllowed, message: "this path has \(list)", headers: [.allow: list])
    }

    /// - Parameter wait: nanoseconds until there is one more, one or more of them.
    static func tooMany(_ what: String, after wait: Int64) -> APIError {
        let seconds = (wait - 1) / 1_000_000_000 + 1
        return APIError(
            status: .tooManyRequests, message: "\(what); try again in \(seconds) s",
            headers: [.retryAfter: String(seconds)])
    }

    /// What is answered.
    func parts() throws -> (status: HTTPResponse.Status, headers: HTTPFields, body: ByteBuffer) {
        var headers = self.headers
        headers[.contentType] = "application/json"
        return (
            self.status, headers, try JSON.encode(Body(error: self.message, field: self.field, rows: self.rows))
        )
    }

    func response(from request: Request, context: some RequestContext) throws -> Response {
        let (status, headers, body) = try self.parts()
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: body))
    }
}

/// Turns every error into an answer of one shape, and keeps what is not the caller's business in the log.
struct ErrorMiddleware: RouterMiddleware {
    /// For what every request meets while the database is away.
    let log: RateLimitedLog

    func handle(
        _ request: Request, context: APIContext, next: (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            try request.refuseWhatIsNoText()
            try request.refuseOtherTransferCodings()
            return try await ReadingPatience().handle(request, context: context, next: next)
        } catch let error as APIError {
            throw error
        } catch let error as InvalidField {
            throw APIError(status: .badRequest, message: error.description, field: error.field)
        } catch let error as StorageError {
            throw Self.translate(error)
        } catch let error as HTTPError {
            throw Self.translate(error)
        } catch let error as HTTPParserError {
            throw APIError.unreadable(error)
        } catch is NIOTooManyBytesError {
            throw Self.tooLarge
        } catch is CancellationError {
            throw APIError(status: .serviceUnavailable, message: "the service is stopping")
        } catch {
            throw self.internalError(error, request, context)
        }
    }

    private static let tooLarge = APIError(status: .contentTooLarge, message: "the body must be at most 1 MiB")

    private func internalError(_ error: any Error, _ request: Request, _ context: APIContext) -> APIError {
        if DatabaseAvailability.isAway(error) {
            self.log.warning(
                "away", "requests are refused: the database is not available", metadata: ["error": "\(error)"])
        } else {
            context.logger.error(
                "a request failed",
                metadata: ["error": "\(error)", "method": "\(request.method)", "path": "\(request.uri.path)"])
        }
        if DatabaseAvailability.isLate(error) {
            return APIError(
                status: .serviceUnavailable,
                message: "the database did not answer in time: it is busy or hangs, or a table is locked; try again",
                headers: [.retryAfter: "5"])
        }
        return DatabaseAvailability.mayPass(error)
            ? APIError(
                status: .serviceUnavailable, message: "the database is not available; try again",
                headers: [.retryAfter: "1"])
            : APIError(status: .internalServerError, message: "internal error")
    }

    private static func translate(_ error: StorageError) -> APIError {
        switch error {
        case .duplicate(let field):
            APIError(status: .conflict, message: "\(field) is taken already", field: field)
        case .missing(let field):
            APIError(status: .badRequest, message: "\(field) does not exist in this group", field: field)
        case .notYet(let field):
            APIError(
                status: .conflict, message: "\(field) can be used as soon as every instance is of this version",
                field: field)
        case .inUse(let by): .conflict("it is still in use by \(by)")
        case .tooNew(let field):
            APIError(
                status: .conflict,
                message:
                    "\(field) is more than an instance of an earlier version that is running can read; stop it first",
                field: field)
        case .unreadable(let fault): .conflict("it cannot be read as it is stored: \(fault)")
        }
    }

    private static func translate(_ error: HTTPError) -> APIError {
        switch error.status {
        case .notFound: .notFound("this path was")
        case .contentTooLarge: Self.tooLarge
        default:
            APIError(status: error.status, message: error.body ?? error.status.reasonPhrase, headers: error.headers)
        }
    }
}
