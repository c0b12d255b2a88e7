internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Observability
internal import Values

/// How outside systems make sure that a url wants their events, before they send any.
extension InboundRoutes {
    private static let requestOrigin = HTTPField.Name("webhook-request-origin")
    private static let allowedOrigin = HTTPField.Name("webhook-allowed-origin")
    private static let allowedRate = HTTPField.Name("webhook-allowed-rate")

    /// `GET /in/{id}?challenge=…` or `?hub.challenge=…`: the challenge again. It is what anybody may have put there, so it goes
    /// out as something that no browser takes for a page.
    func answerChallenge(_ request: Request, _ context: APIContext) async throws -> Response {
        let door = try await self.door(context)
        guard let form = door.settings.handshake else { throw APIError.methodNotAllowed(["POST"]) }
        try await self.checkAsker(request, at: door)
        let asked = SourceSettings.challenges.lazy.compactMap { name in request.text(name).map { (name, $0) } }.first
        guard let (name, challenge) = asked, (1...SourceSettings.longestChallenge).contains(challenge.utf8.count) else {
            throw InvalidField(
                "challenge", "must be there, or hub.challenge: at most \(SourceSettings.longestChallenge) bytes")
        }
        switch form {
        case .json: return try Response.json([name: challenge])
        case .text:
            return Response(
                status: .ok,
                headers: [.contentType: "text/plain; charset=utf-8", .xContentTypeOptions: "nosniff"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: challenge)))
        }
    }

    /// `OPTIONS /in/{id}` of CloudEvents' HTTP webhooks (section 4, abuse protection), which Azure Event Grid asks too.
    func allowOrigin(_ request: Request, _ context: APIContext) async throws -> Response {
        let door = try await self.door(context)
        try await self.checkAsker(request, at: door)
        guard let (asked, allowed, rate) = Self.names, let origin = request.headers[asked],
            (1...253).contains(origin.utf8.count)
        else { throw InvalidField("webhook-request-origin", "must be there: who wants to send") }
        let limit = door.settings.rateLimit ?? SourceSettings.defaultRate
        return Response(
            status: .ok,
            headers: [
                .allow: "POST", allowed: origin, rate: String(max(1, Int64(saturating: limit.perSecond * 60))),
            ])
    }

    private static var names: (HTTPField.Name, HTTPField.Name, HTTPField.Name)? {
        guard let requestOrigin, let allowedOrigin, let allowedRate else { return nil }
        return (requestOrigin, allowedOrigin, allowedRate)
    }

    /// Whoever asks has the key; or, where signatures are asked for and a GET can have none, names the secret if anything.
    private func checkAsker(_ request: Request, at door: SourceDoor) async throws {
        let token = request.text("hub.verify_token")
        let isRight =
            if let hash = door.keyHash {
                self.hasKey(request, of: door)
                    || token.map { constantTimeEqual(SourceKey.hash(of: $0), hash) } ?? false
            } else {
                token.map { constantTimeEqual(Array($0.utf8), Array((door.secret ?? "").utf8)) }
                    ?? (door.settings.handshake != nil)
            }
        guard isRight else { try await self.refuse(bytes: 0, at: door) }
        if let wait = self.limits.take(.callers, of: door, now: monotonicNanoseconds()) {
            throw APIError.tooMany("too many events", after: wait)
        }
    }

    /// What Azure Event Grid's own schema asks first, in place of an event.
    static func validationCode(in request: SignedRequest) -> String? {
        guard request.headers["aeg-event-type"] == "SubscriptionValidation" else { return nil }
        return RawJSON(request.body)?.elements.first?.member("data")?.member("validationCode")?.string
    }
}
