internal import DequeModule
package import Logging
package import MQTT
internal import Observability
internal import ServiceLifecycle
internal import Synchronization

/// Publishes as things for who asks at the API, on a connection of its own that is made when it is needed, and says of each
/// message what became of it. Those that are asked for at the same time go out together.
package final class ThingPublisher: Service {
    /// Why a message is not on the bus; or may not be.
    package enum Failure: Error, Sendable, Equatable {
        /// The broker does not take it.
        case refused(PublishRefusal)
        /// It was not sent; later it may be.
        case unavailable(String)
        /// The connection ended before the broker answered: it has it, or not.
        case unanswered(String)
    }

    private typealias Answer = CheckedContinuation<Result<Void, Failure>, Never>

    private struct State {
        var queue: Deque<(publication: Publication, answer: Answer)> = []
        var bytes = 0
        var isOver = false
    }

    /// Who asks waits for an answer; this many, and as large together, are enough to wait at a time.
    private static let mostQueued = 256
    private static let mostBytes = 8 * 1024 * 1024
    private static let mostTogether = 64
    /// How many may be unanswered at a time; mosquitto answers no more at once by itself.
    private static let window = 20

    private let publisher: Publisher
    private let logger: Logger
    private let state = Mutex(State())
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    /// - Parameter broker: how this instance reaches the broker; it comes in under another client id.
    package init(broker: Session.Configuration, logger: Logger) throws(MQTTError) {
        var broker = broker
        broker.clientID += "-things"
        self.publisher = try Publisher(broker, logger: logger)
        self.logger = logger
        // One signal is as good as many: who hears it takes all there is.
        (self.signals, self.signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Returns when the broker has it.
    package func publish(_ publication: Publication) async throws(Failure) {
        let result = await withCheckedContinuation { (answer: Answer) in
            let refusal = self.state.withLock { state -> Failure? in
                guard !state.isOver else { return .unavailable("the service is stopping") }
                guard state.queue.count < Self.mostQueued, state.bytes < Self.mostBytes else {
                    return .unavailable("too many messages wait to be published")
                }
                state.queue.append((publication, answer))
                state.bytes += publication.payload.count
                return nil
            }
            if let refusal { answer.resume(returning: .failure(refusal)) } else { self.signal.yield() }
        }
        try result.get()
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                var isConnected = false
                let ticks = self.signal
                group.addTask {
                    // Without work the connection needs a look now and then.
                    await Periodic(every: .seconds(4), orSay: "publishing as things", logger: self.logger).run {
                        ticks.yield()
                    }
                }
                for await _ in self.signals {
                    if Task.isCancelled { break }
                    await self.publishAll(&isConnected)
                }
                group.cancelAll()
                if isConnected { await self.publisher.disconnect() }
            }
        }
        let left = self.state.withLock { state in
            state.isOver = true
            defer { state.queue = [] }
            return state.queue
        }
        for (_, answer) in left { answer.resume(returning: .failure(.unavailable("the service is stopping"))) }
    }

    private func publishAll(_ isConnected: inout Bool) async {
        var isIdle = true
        while true {
            let taken = self.state.withLock { state in
                let taken = Array(state.queue.prefix(Self.mostTogether))
                state.queue.removeFirst(taken.count)
                state.bytes -= taken.reduce(0) { $0 + $1.publication.payload.count }
                return taken
            }
            guard !taken.isEmpty else { break }
            isIdle = false
            let report = await self.send(taken.map(\.publication), &isConnected)
            for (each, outcome) in zip(taken, report.outcomes) {
                each.answer.resume(returning: Self.result(of: outcome, report.failure))
            }
        }
        guard isIdle, isConnected else { return }
        do throws(MQTTError) { try await self.publisher.keepAlive() } catch {
            // It is made again when it is needed.
            isConnected = false
        }
    }

    private func send(_ publications: [Publication], _ isConnected: inout Bool) async -> PublishReport {
        if !isConnected {
            do throws(MQTTError) { try await self.publisher.connect() } catch {
                return PublishReport(outcomes: publications.map { _ in .unsent }, failure: error)
            }
            isConnected = true
        }
        let report = await self.publisher.publish(publications, window: Self.window)
        if report.failure != nil { isConnected = false }
        return report
    }

    private static func result(of outcome: PublishOutcome, _ failure: MQTTError?) -> Result<Void, Failure> {
        let reason = failure?.message ?? "the connection to the broker ended"
        return switch outcome {
        case .taken: .success(())
        case .refused(let refusal): .failure(.refused(refusal))
        case .unsent: .failure(.unavailable(reason))
        case .unanswered: .failure(.unanswered(reason))
        }
    }
}
