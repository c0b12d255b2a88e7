internal import API
internal import ArgumentParser
internal import CMalloc
internal import Domain
internal import Glibc
internal import Observability

@main
struct HooklineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hookline",
        abstract: "MQTT in, webhooks out: forwards the messages of things to the webhooks of their groups.",
        version: Release.version,
        subcommands: [
            Serve.self, Migrate.self, Dev.self, Token.self, CheckConfig.self, Health.self, Top.self, Replay.self,
            Why.self, Import.self, Apply.self, Export.self, CheckBroker.self, Doctor.self, ContextCommand.self,
            GetCommand.self, DescribeCommand.self, DeleteCommand.self, EnableCommand.self, DisableCommand.self,
            TestCommand.self, TailCommand.self, RetryCommand.self, ResendCommand.self,
        ])

    static func main() async {
        // libmosquitto writes to its socket without asking for no signal; a broker that goes away must not end us.
        signal(SIGPIPE, SIG_IGN)
        Self.keepStandardDescriptors()
        // glibc gives threads heaps of their own, up to eight per core, and each keeps what was freed in it (mallopt(3)).
        // Payloads pass from thread to thread, so most of that lay idle: two do, and save about a tenth of the memory.
        mallopt(M_ARENA_MAX, 2)
        // What is larger goes back to the system when it is freed; left to itself the threshold grows with each of them.
        mallopt(M_MMAP_THRESHOLD, 1 << 20)
        mallopt(M_TRIM_THRESHOLD, 8 << 20)
        do {
            // Some completions ask an installation.
            var command = try await self.asyncParseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            try OutputPipe.flush()
        } catch let error as InvalidSetting {
            LineLogHandler.writeToStandardError("hookline: \(error)\n")
            Glibc.exit(78)
        } catch let fault as ListeningFault {
            // No 78, after which nobody starts it again: who has the port may be about to go.
            LineLogHandler.writeToStandardError("hookline: \(fault.setting): \(fault.reason)\n")
            Glibc.exit(1)
        } catch {
            self.exit(withError: error)
        }
    }
}

extension HooklineCommand {
    /// Whoever starts it may have closed these. The next connection would be given their numbers, and lines of the log be written
    /// to the database or the broker.
    private static func keepStandardDescriptors() {
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] where fcntl(descriptor, F_GETFD) < 0 {
            // The lowest number that is free, which is this one.
            _ = open("/dev/null", O_RDWR)
        }
    }
}

/// The settings that a command takes, as they stand behind it.
struct SettingsArguments: ParsableArguments {
    @Argument(
        parsing: .allUnrecognized,
        help: ArgumentHelp("Settings as flags, such as --http-port 9021.", valueName: "settings"),
        completion: Completions.settings)
    var arguments: [String] = []
}

extension ListeningFault {
    /// What to change.
    fileprivate var setting: String {
        self.code == EADDRNOTAVAIL ? "HTTP_HOST" : self.isOfMetrics ? "METRICS_PORT" : "HTTP_PORT"
    }

    fileprivate var reason: String {
        let host = self.host.contains(":") ? "[\(self.host)]" : self.host
        return "\(host):\(self.port) cannot be listened on: \(String(cString: strerror(self.code)))"
    }
}
