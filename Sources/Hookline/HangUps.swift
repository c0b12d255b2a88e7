internal import Logging
internal import ServiceLifecycle
internal import UnixSignals

/// Says that a hangup changes nothing. Many services read their settings again then, so somebody sends one sooner or later; and
/// a terminal that is closed sends one too. Left to itself it would end the process with all that is under way.
struct HangUps: Service {
    private let signals: UnixSignalsSequence
    private let logger: Logger

    /// From here on none ends the process.
    init(logger: Logger) async {
        self.signals = await UnixSignalsSequence(trapping: .sighup)
        self.logger = logger
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in self.signals {
                self.logger.warning("SIGHUP is passed over: settings and certificates are read at the start alone")
            }
            // A service that ends takes the others with it.
            try? await gracefulShutdown()
        }
    }
}
