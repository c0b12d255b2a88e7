internal import Glibc
internal import Synchronization

/// A port on 127.0.0.1 that nobody listens on. It is below those that the system gives out by itself, and another each time, so that
/// nobody else has it by the time it is needed.
package func freePort() throws -> Int {
    for _ in ports {
        let port = ports.lowerBound + nextPort.add(1, ordering: .relaxed).newValue % ports.count
        if canBind(to: port) { return port }
    }
    throw LocalServiceError("no free port on 127.0.0.1")
}

private let ports = 10_000..<32_000
/// Different processes begin at different places.
private let nextPort = Atomic<Int>(Int.random(in: 0..<ports.count))

private func canBind(to port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    address.sin_port = UInt16(port).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            bind(descriptor, generic, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}

/// Whether something on 127.0.0.1 accepts connections on this port.
package func isListening(on port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            connect(descriptor, generic, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
}

/// Looks again and again until `condition` holds.
///
/// - Throws: ``LocalServiceError`` naming `what` if it does not within `patience`.
package func waitUntil(
    _ what: String, within patience: Duration = .seconds(240), _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + patience
    while try await !condition() {
        guard ContinuousClock.now < end else { throw LocalServiceError("waited in vain for \(what)") }
        try await Task.sleep(for: .milliseconds(20))
    }
}

package enum Files {
    /// - Parameter mode: of a file; a device or a pipe keeps what it has.
    /// - Throws: ``LocalServiceError`` unless all of it is on the disk.
    package static func write(_ text: String, to path: String, mode: UInt32 = 0o644) throws {
        func failure() -> LocalServiceError {
            LocalServiceError("\(path) cannot be written: \(String(cString: strerror(errno)))")
        }
        guard let file = fopen(path, "w") else { throw failure() }
        var status = stat()
        let isFile = fstat(fileno(file), &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        // Before there is anything to read in it.
        if isFile { fchmod(fileno(file), mode) }
        guard fputs(text, file) >= 0, fflush(file) == 0, !isFile || fsync(fileno(file)) == 0 else {
            let reason = failure()
            fclose(file)
            throw reason
        }
        guard fclose(file) == 0 else { throw failure() }
    }

    /// Who may do what with a file, as `chmod` has it; nil if there is none.
    package static func mode(of path: String) -> UInt32? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return status.st_mode & 0o777
    }

    package static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        return String(decoding: Self.rest(of: file), as: UTF8.self)
    }

    /// A file of somebody's, in which nothing may be replaced.
    ///
    /// - Throws: ``UnreadableFile``, also of one of over 16 MiB.
    package static func text(of path: String) throws(UnreadableFile) -> String {
        guard let text = String(validating: try self.bytes(of: path), as: UTF8.self) else {
            throw UnreadableFile(reason: "is no UTF-8")
        }
        return text
    }

    /// - Parameter most: how many bytes it may have; a device such as `/dev/zero` has no end.
    /// - Throws: ``UnreadableFile``.
    package static func bytes(of path: String, upTo most: Int = 16 << 20) throws(UnreadableFile) -> [UInt8] {
        guard let file = fopen(path, "r") else { throw UnreadableFile(reason: "cannot be read: \(Self.lastError)") }
        defer { fclose(file) }
        let bytes = Self.rest(of: file, upTo: most)
        guard ferror(file) == 0 else { throw UnreadableFile(reason: "cannot be read: \(Self.lastError)") }
        guard bytes.count <= most else { throw UnreadableFile(reason: "is larger than \(most >> 20) MiB") }
        return bytes
    }

    /// Up to its end, or to where it cannot be read or is more than that.
    private static func rest(of file: UnsafeMutablePointer<FILE>, upTo most: Int = .max) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= most, case let count = fread(&chunk, 1, chunk.count, file), count > 0 {
            bytes += chunk[..<count]
        }
        return bytes
    }

    private static var lastError: String { String(cString: strerror(errno)) }

    package static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    package static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Makes a folder; one that is there already is fine.
    package static func makeFolder(_ path: String, mode: UInt32 = 0o755) throws {
        guard mkdir(path, mode) == 0 || errno == EEXIST else {
            throw LocalServiceError("\(path) cannot be made: \(String(cString: strerror(errno)))")
        }
    }

    /// A new folder that every user may pass through, where `TMPDIR` says unless that is a folder of one user alone: PostgreSQL
    /// runs as another than root.
    package static func makeTemporaryFolder() throws -> String {
        let asked = getenv("TMPDIR").map { String(cString: $0) } ?? ""
        let parent = !asked.isEmpty && self.othersCanEnter(asked) ? asked : "/tmp"
        var template = Array("\(parent)/hookline-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw LocalServiceError("no temporary folder can be made") }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        chmod(path, 0o755)
        return path
    }

    /// Whether other users can reach what is in this folder.
    package static func othersCanEnter(_ path: String) -> Bool {
        guard let resolved = realpath(path, nil) else { return false }
        defer { free(resolved) }
        var current = String(cString: resolved)
        while true {
            var status = stat()
            guard stat(current.isEmpty ? "/" : current, &status) == 0, status.st_mode & 0o001 != 0 else { return false }
            guard let slash = current.lastIndex(of: "/"), current != "/", !current.isEmpty else { return true }
            current = String(current[..<slash])
        }
    }

    package static var currentFolder: String {
        guard let path = getcwd(nil, 0) else { return "." }
        defer { free(path) }
        return String(cString: path)
    }
}

/// Why a file cannot be used, as said of it: `cannot be read: Permission denied`, `is no UTF-8`, `is larger than 4 MiB`.
package struct UnreadableFile: Error {
    package let reason: String
}
