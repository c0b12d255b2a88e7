internal import Observability
internal import ServiceLifecycle

/// Says once when everything is up.
struct ReadyAnnouncer: Service {
    private let metrics: Metrics
    private let onReady: @Sendable (Int) async -> Void
    private let ports: AsyncStream<Int>
    private let port: AsyncStream<Int>.Continuation

    init(metrics: Metrics, onReady: @escaping @Sendable (Int) async -> Void) {
        self.metrics = metrics
        self.onReady = onReady
        (self.ports, self.port) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    func listening(on port: Int) {
        self.port.yield(port)
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await port in self.ports {
                while self.metrics.isBrokerConnected.current == 0 {
                    guard (try? await Task.sleep(for: .milliseconds(50))) != nil else { return }
                }
                await self.onReady(port)
                break
            }
            // A service that ends takes the others with it.
            try? await gracefulShutdown()
        }
    }
}
