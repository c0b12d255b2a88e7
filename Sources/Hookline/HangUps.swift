internal import Glibc
internal import Logging
internal import ServiceLifecycle
internal import UnixSignals

/// Says that a hangup changes nothing. Many services read their settings again then, so somebody sends one sooner or later; and
/// a terminal that is closed sends one too. Left to itself it would end the process with all that is under way.
struct HangUps: Service {
    private let signals: UnixSignalsSequence
    private let logger: Logger

    /// Whether who started this has hangups passed over, as `nohup` does. To be asked before anybody waits for them.
    static var areIgnored: Bool {
        var action = sigaction()
        guard sigaction(SIGHUP, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }

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
