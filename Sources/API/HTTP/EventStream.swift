internal import Hummingbird
internal import NIOCore
internal import ServiceLifecycle
internal import Synchronization

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

/// Writes events to one reader.
struct EventWriter: ~Copyable {
    private var writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) {
        self.writer = writer
    }

    /// - Parameter data: one line of text.
    /// - Throws: `CancellationError` when the service stops: an answer that goes on must not hold that up.
    mutating func send(_ event: String, _ data: String) async throws {
        guard !Task.isShuttingDownGracefully else { throw CancellationError() }
        try await self.writer.write(ByteBuffer(string: "event: \(event)\ndata: \(data)\n\n"))
    }

    mutating func send(_ event: String, _ value: some Encodable) async throws {
        try await self.send(event, String(buffer: try JSON.encode(value)))
    }

    /// Says nothing, so that what is in between does not take the connection for dead, and a reader who has gone is noticed.
    mutating func comment(_ text: String) async throws {
        guard !Task.isShuttingDownGracefully else { throw CancellationError() }
        try await self.writer.write(ByteBuffer(string: ": \(text)\n\n"))
    }

    /// Waits before there may be more to say, or until the service stops.
    func pause(for duration: Duration) async throws {
        try await cancelWhenGracefulShutdown { try await Task.sleep(for: duration) }
    }

    consuming func finish() async throws {
        try await self.writer.finish(nil)
    }
}

/// How many may look on at a time: each costs queries, or a connection to the broker.
final class StreamPlaces: Sendable {
    private let taken = Mutex(0)
    private let most: Int

    init(most: Int) {
        self.most = most
    }

    /// Held by the answer itself, so that it is free again however that ends.
    final class Place: Sendable {
        private let places: StreamPlaces

        fileprivate init(_ places: StreamPlaces) {
            self.places = places
        }

        deinit {
            self.places.taken.withLock { $0 -= 1 }
        }
    }

    /// - Throws: 503 if all are taken.
    func take() throws -> Place {
        let isFree = self.taken.withLock { taken in
            guard taken < self.most else { return false }
            taken += 1
            return true
        }
        guard isFree else {
            throw APIError(
                status: .serviceUnavailable, message: "\(self.most) live views are open; try again later",
                headers: [.retryAfter: "10"])
        }
        return Place(self)
    }
}
