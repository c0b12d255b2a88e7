package import Domain
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Registry

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Publishes as a thing: what is on the bus is a message of the thing, whoever sent it.
///
/// Returns when the broker has the payload.
package typealias ThingPublishing =
    @Sendable (
        _ payload: [UInt8], _ topic: String, _ properties: MessageProperties.Parts
    ) async throws(ThingNotPublished) -> Void

/// Why a message is not on the bus, or may not be.
package enum ThingNotPublished: Error, Sendable {
    /// The broker does not take it, for good or because of its account.
    case refused(String)
    /// Later it may be.
    case unavailable(String)
    /// The broker has it, or not.
    case unanswered(String)
}

/// `/things/{id}/messages[/{subtopic}]`: publishes as the thing.
struct PublishRoutes: Sendable {
    let access: Access
    let size: EventSizeLimit
    let publish: ThingPublishing

    func add(to routes: RouterGroup<APIContext>) {
        routes.post("things/:id/messages") { try await self.publish($0, $1, subtopic: "") }
        routes.post("things/:id/messages/**") { request, context in
            // As it was before it was percent-encoded for the path.
            let path = URLComponents(string: "/-/\(context.parameters.getCatchAll().joined(separator: "/"))")?.path
            guard let path else { throw InvalidField("subtopic", "must be percent-encoded as a path is") }
            return try await self.publish(request, context, subtopic: String(path.dropFirst(3)))
        }
    }

    /// The body is the payload, byte for byte, whatever its content type.
    private func publish(_ request: Request, _ context: APIContext, subtopic: String) async throws -> Response {
        let thing = try await self.access.thing(context, needing: .editor)
        guard let topic = ThingTopic(of: thing.id, publishing: subtopic) else {
            throw InvalidField(
                "subtopic",
                "must be at most \(ThingTopic.longestSubtopic) bytes without +, # or control characters")
        }
        let properties = try MessageProperties.Parts(of: request)
        let limit = self.size.limit(on: topic.text)
        let buffer: ByteBuffer
        do { buffer = try await request.body.collect(upTo: limit.bytes) } catch is NIOTooManyBytesError {
            throw APIError(status: .contentTooLarge, message: "the body must be at most \(limit)")
        }
        do throws(ThingNotPublished) {
            try await self.publish(Array(buffer.readableBytesView), topic.text, properties)
        } catch {
            throw APIError(error)
        }
        return try Response.json(.accepted, ["topic": topic.text])
    }
}

extension APIError {
    fileprivate init(_ error: ThingNotPublished) {
        switch error {
        case .refused(let reason):
            self.init(status: .badGateway, message: "the broker does not take the message: \(reason)")
        case .unavailable(let reason):
            self.init(
                status: .serviceUnavailable, message: "nothing was published: \(reason); try again",
                headers: [.retryAfter: "5"])
        case .unanswered(let reason):
            self.init(
                status: .serviceUnavailable, message: "the message may have been published, or not: \(reason)",
                headers: [.retryAfter: "5"])
        }
    }
}
