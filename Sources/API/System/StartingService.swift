internal import HTTPTypes
internal import Hummingbird
package import Logging
package import ServiceLifecycle

/// Answers who looks after the service while it is not there yet, which is for as long as the database is waited for or brought up to
/// date: that the process lives, so that nobody kills it for that, and what is waited for. Whoever wants anything else is to come again.
///
/// The port is free again when it has ended, which it does when it is told to shut down.
///
/// - Parameter stage: what is waited for, in words that everybody may see.
package func makeStartingService(
    _ configuration: APIConfiguration, version: String, logger: Logger, stage: @escaping @Sendable () -> String
) -> ServiceGroup {
    var logger = logger
    // When the service listens is told by what comes after it, and how this ends says nothing to anybody.
    logger.logLevel = .critical
    let application = Application(
        responder: StartingResponder(version: version, stage: stage), server: HTTPConnections.server,
        configuration: .init(
            address: .hostname(configuration.host, port: configuration.port),
            availableConnectionsDelegate: .maximum(configuration.mostConnections, logger: logger)),
        logger: logger)
    let service = ListeningService(application, host: configuration.host, port: configuration.port)
    var group = ServiceGroupConfiguration(services: [.init(service: service)], logger: logger)
    // Nobody is in the midst of anything.
    group.maximumGracefulShutdownDuration = .seconds(1)
    return ServiceGroup(configuration: group)
}

private struct StartingResponder: HTTPResponder {
    typealias Context = APIContext
    let version: String
    let stage: @Sendable () -> String

    func respond(to request: Request, context: APIContext) async throws -> Response {
        var response = try self.answer(to: request, context)
        if request.method == .head { response.body = ResponseBody() }
        return response
    }

    private func answer(to request: Request, _ context: APIContext) throws -> Response {
        switch request.uri.path {
        case "/health", "/webhooks/health": return try SystemRoutes.alive(self.version)
        case "/ready", "/webhooks/ready":
            return try SystemRoutes.ready([Readiness(part: "start", problem: self.stage())])
        default:
            return try APIError(
                status: .serviceUnavailable, message: "the service is starting: \(self.stage())",
                headers: [.retryAfter: "2"]
            ).response(from: request, context: context)
        }
    }
}
