/// A private mosquitto on loopback, for development and tests.
package struct LocalMosquitto: Sendable {
    package let port: Int
    private let folder: String
    private let configuration: String

    /// - Parameters:
    ///   - extra: further lines of `mosquitto.conf`.
    ///   - persistent: whether sessions and what is queued in them outlive the broker.
    package static func prepare(
        in folder: String, port: Int, persistent: Bool = true, anonymous: Bool = true, extra: [String] = []
    ) throws -> LocalMosquitto {
        try Files.makeFolder(folder)
        var lines = [
            "listener \(port) 127.0.0.1",
            "allow_anonymous \(anonymous)",
            // The broker drops what does not fit in a session's queue, silently for the publisher: no limit.
            "max_queued_messages 0",
            "log_type error",
            "log_type warning",
            "log_type notice",
        ]
        // Debian's mosquitto gives up root for a user who may not be allowed here.
        lines.append("user root")
        if persistent {
            lines += [
                "persistence true", "persistence_location \(folder)/", "autosave_interval 5",
                "autosave_on_changes false",
            ]
        }
        let configuration = "\(folder)/mosquitto.conf"
        try Files.write((lines + extra).joined(separator: "\n") + "\n", to: configuration)
        return LocalMosquitto(port: port, folder: folder, configuration: configuration)
    }

    /// Where the plugin that manages accounts is installed.
    package static var dynamicSecurityPlugin: String {
        let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/usr/local/lib"]
        return folders.map { "\($0)/mosquitto_dynamic_security.so" }.first(where: Files.exists)
            ?? "mosquitto_dynamic_security.so"
    }

    /// Starts the broker and waits until it listens.
    package func start() async throws -> ChildProcess {
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].first(where: Files.exists) ?? "mosquitto"
        let broker = try await ChildProcess.start(
            program, ["-c", self.configuration], logFile: "\(self.folder)/mosquitto.log")
        do {
            try await waitUntil("mosquitto on port \(self.port) (see \(self.folder)/mosquitto.log)") {
                isListening(on: self.port)
            }
        } catch {
            await broker.stop()
            throw error
        }
        return broker
    }
}
