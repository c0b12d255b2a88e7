import Domain
import NIOCore
import NIOPosix
import NIOSSL

@testable import WebhookClient

/// A request that remembers its end.
private final class Probe: PendingRequest {
    private let done: EventLoopPromise<Outcome>
    private let onAnswered: @Sendable (Int) -> Void
    private let onStep: @Sendable (ConnectionStep) -> Void
    let needsBody: Bool
    /// How long the request's body is.
    private let length: Int
    private(set) var encodings = 0

    init(
        _ done: EventLoopPromise<Outcome>, needsBody: Bool, length: Int, onAnswered: @escaping @Sendable (Int) -> Void,
        onStep: @escaping @Sendable (ConnectionStep) -> Void
    ) {
        self.done = done
        self.onStep = onStep
        self.needsBody = needsBody
        self.length = length
        self.onAnswered = onAnswered
    }

    func encode(into buffer: inout ByteBuffer) {
        self.encodings += 1
        buffer.writeString("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: \(self.length)\r\n\r\n")
        buffer.writeRepeatingByte(0x78, count: self.length)
    }

    func progressed(_ step: ConnectionStep) { self.onStep(step) }
    func answered(status: Int, at time: NIODeadline) { self.onAnswered(status) }
    func ended(_ outcome: Outcome) { self.done.succeed(outcome) }
}

/// A pool on its event loop, as a lane would have it.
final class Client: Sendable {
    private let eventLoop: any EventLoop
    private let pool: NIOLoopBoundBox<ConnectionPool>
    private let ticking: RepeatedTask

    init(
        _ url: String, allowing networks: [String] = ["127.0.0.0/8", "::1/128"],
        _ configure: (inout ClientConfiguration) -> Void = { _ in }
    ) async throws {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        var configuration = ClientConfiguration(resolver: Resolver(threads: .singleton))
        configuration.addressGuard = AddressGuard(allowed: networks.compactMap { Network($0) })
        configuration.tls = try ClientConfiguration.makeTLSContext()
        configure(&configuration)
        let (parsed, final) = (try WebhookURL(url), configuration)
        self.eventLoop = eventLoop
        let pool = try await eventLoop.submit {
            NIOLoopBoundBox(
                ConnectionPool(url: parsed, eventLoop: eventLoop, configuration: final), eventLoop: eventLoop)
        }.get()
        self.pool = pool
        self.ticking = eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(10), delay: .milliseconds(10)) { _ in
            pool.value.checkDeadlines(now: .now())
        }
    }

    /// - Parameters:
    ///   - length: of the request's body.
    ///   - onAnswered: called when the status is in and the body takes its time.
    ///   - onStep: told on the way.
    func send(
        needsBody: Bool = true, length: Int = 0, onAnswered: @escaping @Sendable (Int) -> Void = { _ in },
        onStep: @escaping @Sendable (ConnectionStep) -> Void = { _ in }
    ) async throws -> Outcome {
        try await self.eventLoop.flatSubmit {
            let promise = self.eventLoop.makePromise(of: Outcome.self)
            self.pool.value.execute(
                Probe(promise, needsBody: needsBody, length: length, onAnswered: onAnswered, onStep: onStep),
                now: .now())
            return promise.futureResult
        }.get()
    }

    /// There is more to send than may be under way.
    func press() async throws {
        try await self.eventLoop.submit { self.pool.value.isPressed = true }.get()
    }

    func close() async throws {
        self.ticking.cancel()
        try await self.eventLoop.submit { self.pool.value.close() }.get()
    }
}

extension Outcome {
    var status: Int? { if case .response(let status, _, _) = self { status } else { nil } }
    var failure: Failure? { if case .failure(let failure) = self { failure } else { nil } }
}
