import Domain
import NIOCore
import NIOPosix
import NIOSSL

@testable import WebhookClient

/// A request that remembers its end.
private final class Probe: PendingRequest {
    private let done: EventLoopPromise<Outcome>
    private(set) var encodings = 0

    init(_ done: EventLoopPromise<Outcome>) { self.done = done }

    func encode(into buffer: inout ByteBuffer) {
        self.encodings += 1
        buffer.writeString("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
    }

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

    func send() async throws -> Outcome {
        try await self.eventLoop.flatSubmit {
            let promise = self.eventLoop.makePromise(of: Outcome.self)
            self.pool.value.execute(Probe(promise), now: .now())
            return promise.futureResult
        }.get()
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
