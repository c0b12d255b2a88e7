import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("What a process is started with")
    struct SurroundingTests {
        @Test("may lack standard descriptors: no connection gets their numbers, and none has lines of the log in it")
        func closedDescriptors() async throws {
            // It waits for a database that is not there.
            let process = try await ChildProcess.start(
                "sh", ["-c", "exec \(HooklineProcess.binary) serve <&- >&- 2>&-"],
                environment: [
                    "POSTGRES_URL": "postgresql://hookline@127.0.0.1:\(try freePort())/hookline",
                    "AUTH_JWT_SECRET": HooklineProcess.jwtSecret, "HTTP_PORT": "\(try freePort())",
                ], logFile: "\(try Files.makeTemporaryFolder())/log")
            try await waitUntil("/dev/null in their places") {
                let places = try await ChildProcess.complete(
                    "sh", ["-c", "for n in 0 1 2; do readlink /proc/\(process.pid)/fd/$n || true; done"])
                return places.split(separator: "\n") == ["/dev/null", "/dev/null", "/dev/null"]
            }
            await process.stop()
        }
    }
}
