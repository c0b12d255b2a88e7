internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization
internal import Values

/// Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), as an answer that goes on until
/// there is nothing more to say, the reader has gone, or the service stops.
enum EventStream {
    /// - Parameters:
    ///   - place: held until the stream ends, if such streams are counted.
    ///   - produce: writes events; what it throws ends the stream.
    static func response(
        in place: StreamPlaces.Place? = nil, _ produce: @escaping @Sendable (inout EventWriter) async throws -> Void
    ) -> Response {
        let body = ResponseBody { writer in
            var events = EventWriter(writer)
            do { try await produce(&events) } catch is CancellationError {}
            withExtendedLifetime(place) {}
            try await events.finish()
        }
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store"], body: body)
    }
}

extension Request {
    /// Until when events are asked for: `timeout` in seconds, at most an hour, and never longer than the token is good. A client
    /// that wants more connects again.
    func end(from now: Instant, for caller: Caller) throws(InvalidField) -> Instant {
        let longest: Int64 = 3_600
        let end = now + .seconds(try self.integer("timeout", in: 1...longest) ?? longest)
        return min(end, caller.expiresAt ?? end)
    }
}

/// Writes events to one reader.
struct EventWriter: ~Copyable {
    private var writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) {
        self.writer = writer
    }

    /// - Throws: `CancellationError` when the service stops: an answer that goes on must not hold that up.
    mutating func send(_ event: String, _ data: String) async throws {
        guard !Task.isShuttingDownGracefully else { throw CancellationError() }
        try await self.writer.write(ByteBuffer(string: EventFrame.event(event, data)))
    }

    mutating func send(_ event: String, _ value: some Encodable) async throws {
        try await self.send(event, String(buffer: try JSON.encode(value)))
    }

    /// Says nothing, so that what is in between does not take the connection for dead, and a reader who has gone is noticed.
    mutating func comment(_ text: String) async throws {
        guard !Task.isShuttingDownGracefully else { throw CancellationError() }
        try await self.writer.write(ByteBuffer(string: EventFrame.comment(text)))
    }

    /// Waits before there may be more to say, or until the service stops.
    func pause(for duration: Duration) async throws {
        try await cancelWhenGracefulShutdown { try await Task.sleep(for: duration) }
    }

    consuming func finish() async throws {
        try await self.writer.finish(nil)
    }
}

/// How many may look on at a time, in all and of one user: each costs queries, or a connection to the broker.
final class StreamPlaces: Sendable {
    private struct State {
        var taken = 0
        var byUser: [ExactText: Int] = [:]
    }

    private let state = Mutex(State())
    private let most: Int
    private let mostOfAUser: Int
    private let what: String

    /// - Parameter what: they are, in words for who is refused.
    init(most: Int, ofAUser: Int, what: String = "live views") {
        self.what = what
        self.most = most
        self.mostOfAUser = ofAUser
    }

    /// Held by the answer itself, so that it is free again however that ends.
    final class Place: Sendable {
        private let places: StreamPlaces
        private let user: ExactText

        fileprivate init(_ places: StreamPlaces, of user: ExactText) {
            self.places = places
            self.user = user
        }

        deinit {
            self.places.leave(self.user)
        }
    }

    /// - Throws: 429 if the user has as many as one may have, 503 if all are taken.
    func take(for user: String) throws(APIError) -> Place {
        let user = ExactText(user)
        let refusal: APIError? = self.state.withLock { state in
            let own = state.byUser[user, default: 0]
            if own >= self.mostOfAUser {
                return Self.refusal(.tooManyRequests, "\(own) of your \(self.what) are open")
            }
            if state.taken >= self.most {
                return Self.refusal(.serviceUnavailable, "\(self.most) \(self.what) are open")
            }
            state.taken += 1
            state.byUser[user] = own + 1
            return nil
        }
        if let refusal { throw refusal }
        return Place(self, of: user)
    }

    private static func refusal(_ status: HTTPResponse.Status, _ what: String) -> APIError {
        APIError(status: status, message: "\(what); try again later", headers: [.retryAfter: "10"])
    }

    private func leave(_ user: ExactText) {
        self.state.withLock { state in
            state.taken -= 1
            let left = state.byUser[user, default: 1] - 1
            state.byUser[user] = left == 0 ? nil : left
        }
    }
}
