internal import LocalServices

/// Somebody who looks at what goes on without end (`…/live`), and what they have seen so far.
package struct Watching: Sendable {
    private let process: ChildProcess
    private let file: String

    package static func start(_ api: APIClient, _ path: String) async throws -> Watching {
        let file = try Files.makeTemporaryFolder() + "/seen"
        let process = try await ChildProcess.start(
            "curl", ["-s", "-N", "-H", "Authorization: Bearer \(api.token)", "\(api.base)\(path)"], logFile: file)
        return Watching(process: process, file: file)
    }

    package var seen: HTTPAnswer { HTTPAnswer(status: 200, body: Files.read(self.file) ?? "", headers: [:]) }

    /// Returns once the other end has closed it.
    package func waitForEnd() async throws {
        try await waitUntil("the other end to close what is looked at") { !self.process.isRunning }
    }

    package func stop() async { await self.process.stop() }
}
