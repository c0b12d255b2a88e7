internal import Glibc
internal import Subprocess
internal import Synchronization
internal import SystemPackage

/// A program that was started and is watched. Whoever started it ends it; it is ended with SIGKILL if that is
/// forgotten.
package final class ChildProcess: Sendable {
    package let pid: Int32
    private let exit: Task<String, any Error>

    private init(pid: Int32, exit: Task<String, any Error>) {
        self.pid = pid
        self.exit = exit
    }

    deinit {
        self.exit.cancel()
    }

    /// Starts a program and returns once it runs.
    ///
    /// - Parameters:
    ///   - environment: added to this process's own.
    ///   - logFile: where both of its outputs are appended.
    ///   - user: whom it runs as, if not as us.
    package static func start(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:], logFile: String,
        user: UserAccount? = nil
    ) async throws -> ChildProcess {
        let log = try FileDescriptor.open(
            FilePath(logFile), .writeOnly, options: [.create, .append],
            permissions: [.ownerReadWrite, .groupRead, .otherRead])
        let (started, announce) = AsyncThrowingStream.makeStream(of: Int32.self)
        // Owned by the object that is returned: its end is this task's end.
        let exit = Task {
            do {
                let (executable, arguments) = Self.command(executable, arguments, as: user)
                let result = try await run(
                    executable, arguments: arguments, environment: Self.environment(adding: environment),
                    platformOptions: Self.options, input: .none,
                    output: .fileDescriptor(log, closeAfterSpawningProcess: false),
                    error: .fileDescriptor(log, closeAfterSpawningProcess: true)
                ) { execution in
                    announce.yield(execution.processIdentifier.value)
                    announce.finish()
                }
                // Its number may be another's from now on.
                Leftovers.remove(result.processIdentifier.value)
                return "\(result.terminationStatus)"
            } catch {
                announce.finish(throwing: error)
                throw error
            }
        }
        for try await pid in started {
            Leftovers.add(pid)
            return ChildProcess(pid: pid, exit: exit)
        }
        throw LocalServiceError("\(executable) could not be started")
    }

    /// Runs a program to its end.
    ///
    /// - Throws: ``LocalServiceError`` with what it said, unless it exits with 0.
    @discardableResult
    package static func complete(
        _ executable: String, _ arguments: [String], environment: [String: String] = [:], user: UserAccount? = nil
    ) async throws -> String {
        let name = executable
        let (executable, arguments) = Self.command(executable, arguments, as: user)
        let result = try await run(
            executable, arguments: arguments, environment: Self.environment(adding: environment),
            platformOptions: Self.options, input: .none, output: .string(limit: 4 * 1024 * 1024),
            error: .string(limit: 1024 * 1024))
        guard result.terminationStatus.isSuccess else {
            throw LocalServiceError(
                "\(name) ended with \(result.terminationStatus): \(result.standardError)\(result.standardOutput)")
        }
        return result.standardOutput
    }

    /// False from its end on.
    package var isRunning: Bool { Leftovers.have(self.pid) }

    package func signal(_ number: Int32) {
        kill(self.pid, number)
    }

    /// Waits for its end and tells how it ended, such as `exited(0)`.
    @discardableResult
    package func waitForExit() async -> String {
        (try? await self.exit.value) ?? "unknown"
    }

    /// Asks it to end, and makes it after a while.
    package func stop(_ signal: Int32 = SIGTERM, within patience: Duration = .seconds(10)) async {
        self.signal(signal)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitForExit() }
            group.addTask {
                guard (try? await Task.sleep(for: patience)) != nil else { return }
                self.signal(SIGKILL)
                await self.waitForExit()
            }
            await group.next()
            group.cancelAll()
        }
    }

    /// A path is taken as it is, a name is looked up in `PATH`.
    ///
    /// Another user's program is started by util-linux's `setpriv`, which becomes it. swift-subprocess can change the
    /// user itself, but does so between fork and exec with glibc's `setgroups`, which waits for the other threads of
    /// the process. In the child there are none, and if one was just starting it waits for ever.
    private static func command(
        _ executable: String, _ arguments: [String], as user: UserAccount?
    ) -> (Executable, Arguments) {
        guard let user else {
            return (executable.contains("/") ? .path(FilePath(executable)) : .name(executable), Arguments(arguments))
        }
        let change = ["--reuid=\(user.uid)", "--regid=\(user.gid)", "--clear-groups", "--"]
        return (.name("setpriv"), Arguments(change + [executable] + arguments))
    }

    private static func environment(adding variables: [String: String]) -> Environment {
        var updates: [Environment.Key: String] = [:]
        for (name, value) in variables { updates[Environment.Key(stringLiteral: name)] = value }
        return .inherit.updating(updates)
    }

    private static var options: PlatformOptions {
        var options = PlatformOptions()
        // Its own session: a Ctrl-C at our terminal is for us, and we end it in order.
        options.createSession = true
        return options
    }
}

/// What is still running when this process ends in the usual way is ended with it.
private enum Leftovers {
    private static let pids = Mutex<[Int32]>([])
    private static let atExit: Void = {
        atexit { for pid in Leftovers.pids.withLock({ $0 }) { kill(pid, SIGKILL) } }
    }()

    static func add(_ pid: Int32) {
        _ = self.atExit
        self.pids.withLock { $0.append(pid) }
    }

    static func have(_ pid: Int32) -> Bool { self.pids.withLock { $0.contains(pid) } }

    static func remove(_ pid: Int32) {
        self.pids.withLock { pids in pids.removeAll { $0 == pid } }
    }
}

/// Why a local service does not run.
package struct LocalServiceError: Error, CustomStringConvertible, Sendable {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// An account of this machine.
package struct UserAccount: Sendable {
    package let name: String
    let uid: UInt32
    let gid: UInt32

    /// The account that PostgreSQL is to run as: it refuses root, so root becomes `postgres` or else `nobody`.
    package static func forPostgres() throws -> UserAccount? {
        guard getuid() == 0 else { return nil }
        for name in ["postgres", "nobody"] {
            if let entry = getpwnam(name) {
                return UserAccount(name: name, uid: entry.pointee.pw_uid, gid: entry.pointee.pw_gid)
            }
        }
        throw LocalServiceError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
    }

    func own(_ path: String) throws {
        guard chown(path, self.uid, self.gid) == 0 else {
            throw LocalServiceError("\(path) cannot be given to \(self.name): \(String(cString: strerror(errno)))")
        }
    }
}
