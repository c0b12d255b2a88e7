package import Domain
package import NIOCore

/// One request on a connection of its own, for what is not a lane's.
package final class SingleRequest: PendingRequest {
    private let encodeRequest: @Sendable (inout ByteBuffer) -> Void
    private let onStep: @Sendable (ConnectionStep) -> Void
    private let completion: (Outcome) -> Void

    private init(
        _ encode: @escaping @Sendable (inout ByteBuffer) -> Void, onStep: @escaping @Sendable (ConnectionStep) -> Void,
        completion: @escaping (Outcome) -> Void
    ) {
        self.encodeRequest = encode
        self.onStep = onStep
        self.completion = completion
    }

    /// Sends it and waits for what comes of it, within the configuration's times. If its task is cancelled, so is it.
    ///
    /// - Parameters:
    ///   - encode: writes the request.
    ///   - onStep: told on the way, on the event loop.
    package static func send(
        to url: WebhookURL, on eventLoop: any EventLoop, configuration: ClientConfiguration,
        onStep: @escaping @Sendable (ConnectionStep) -> Void = { _ in },
        encode: @escaping @Sendable (inout ByteBuffer) -> Void
    ) async -> Outcome {
        let cancellation = eventLoop.makePromise(of: Void.self)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                eventLoop.execute {
                    let pool = NIOLoopBound(
                        ConnectionPool(url: url, eventLoop: eventLoop, configuration: configuration),
                        eventLoop: eventLoop)
                    let ticks = eventLoop.scheduleRepeatedTask(
                        initialDelay: .milliseconds(100), delay: .milliseconds(100)
                    ) { _ in pool.value.checkDeadlines(now: .now()) }
                    cancellation.futureResult.whenSuccess { pool.value.close() }
                    let request = SingleRequest(encode, onStep: onStep) { outcome in
                        ticks.cancel()
                        // Not at once: the pool is in the middle of telling us.
                        eventLoop.execute { cancellation.succeed() }
                        continuation.resume(returning: outcome)
                    }
                    pool.value.execute(request, now: .now())
                }
            }
        } onCancel: {
            cancellation.succeed()
        }
    }

    package func encode(into buffer: inout ByteBuffer) {
        self.encodeRequest(&buffer)
    }

    /// They are few, and mostly made to see what is answered.
    package var wantsHeaders: Bool { true }

    package func ended(_ outcome: Outcome) {
        self.completion(outcome)
    }

    package func progressed(_ step: ConnectionStep) {
        self.onStep(step)
    }
}
