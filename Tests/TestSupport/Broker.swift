package import LocalServices

extension LocalMosquitto {
    /// Runs `body` with a broker of its own, which is ended whatever happens.
    package static func with(
        anonymous: Bool = true, extra: [String] = [], _ body: (LocalMosquitto, ChildProcess) async throws -> Void
    ) async throws {
        let mosquitto = try LocalMosquitto.prepare(
            in: Files.makeTemporaryFolder(), port: freePort(), anonymous: anonymous, extra: extra)
        let process = try await mosquitto.start()
        do { try await body(mosquitto, process) } catch {
            await process.stop(9)
            throw error
        }
        await process.stop()
    }
}
