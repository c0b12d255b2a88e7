internal import AsyncHTTPClient
internal import Glibc
package import LocalServices
internal import NIOCore
internal import NIOHTTP1
internal import Synchronization

/// The built `hookline` binary, running.
package final class HooklineProcess: Sendable {
    package let process: ChildProcess
    package let port: Int
    package let logFile: String

    private init(process: ChildProcess, port: Int, logFile: String) {
        self.process = process
        self.port = port
        self.logFile = logFile
    }

    /// Tests/TestSupport/Hookline.swift, seen from the package's root.
    package static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// The one that `HOOKLINE_BINARY` names, or else what this test run built.
    package static var binary: String {
        getenv("HOOKLINE_BINARY").map { String(cString: $0) } ?? "\(self.root)/.build/debug/hookline"
    }

    /// The one from before the newest change of the schema (scripts/build-previous); nil if there is no history to build it of.
    package static var previousBinary: String? {
        let binary = "\(self.root)/.build/previous/hookline"
        return Files.exists(binary) ? binary : nil
    }

    /// A program that is the binary, for which files of this machine hold something else. Mounting needs root.
    package static func binary(seeing files: [String: String]) throws -> String {
        let folder = try Files.makeTemporaryFolder()
        var mounts: [String] = []
        for (number, file) in files.sorted(by: { $0.key < $1.key }).enumerated() {
            try Files.write(file.value, to: "\(folder)/\(number)")
            mounts.append("mount --bind \(folder)/\(number) \(file.key)")
        }
        try Files.write(
            """
            #!/bin/sh
            exec unshare --mount -- sh -c '\((mounts + ["exec \(Self.binary) \"$@\""]).joined(separator: " && "))' sh "$@"
            """, to: "\(folder)/hookline", mode: 0o755)
        return "\(folder)/hookline"
    }

    /// A Python that has the packages which receivers use.
    package static var python: String { "\(self.root)/.build/python/bin/python" }

    package static let jwtSecret = "a secret for tests, of more than 32 bytes"

    /// Starts `hookline serve` and waits until it is ready.
    ///
    /// - Parameters:
    ///   - hasRights: false takes from it what root may do, even if the tests are run by root.
    ///   - descriptors: how many it may have open at most; nil for as many as the tests.
    package static func serve(
        _ binary: String = HooklineProcess.binary, postgres: String, mqttPort: Int, logFile: String,
        settings: [String: String] = [:], awaitingReady: Bool = true, hasRights: Bool = true,
        descriptors: Int? = nil
    ) async throws -> HooklineProcess {
        let port = try freePort()
        var environment = [
            "HTTP_PORT": "\(port)", "POSTGRES_URL": postgres, "MQTT_PORT": "\(mqttPort)",
            "AUTH_JWT_SECRET": Self.jwtSecret, "DELIVERY_ALLOWED_NETWORKS": "127.0.0.0/8",
            // A failed delivery is tried again while the test still looks.
            "DELIVERY_RETRY_SCHEDULE": "200ms,200ms,500ms,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s",
        ]
        environment.merge(settings) { _, new in new }
        var command = [binary, "serve"]
        if !hasRights, getuid() == 0 {
            command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"] + command
        }
        if let descriptors { command = ["prlimit", "--nofile=64:\(descriptors)", "--"] + command }
        // The first program that libfaketime comes with has its environment changed, next to which Swift looks for the
        // arguments.
        if settings["LD_PRELOAD"] != nil { command = ["env"] + command }
        let process = try await ChildProcess.start(
            command[0], Array(command.dropFirst()), environment: environment, logFile: logFile)
        let hookline = HooklineProcess(process: process, port: port, logFile: logFile)
        if awaitingReady { try await hookline.waitUntilReady() }
        return hookline
    }

    /// Runs the binary with nothing but these variables set by us, and tells how it ended and what it said.
    package static func run(
        _ arguments: [String], _ environment: [String: String] = [:]
    ) async throws -> (end: String, output: String) {
        let log = try Files.makeTemporaryFolder() + "/log"
        let process = try await ChildProcess.start(Self.binary, arguments, environment: environment, logFile: log)
        let end = await process.waitForExit()
        return (end, Files.read(log) ?? "")
    }

    package func waitUntilReady() async throws {
        try await waitUntil("hookline to be ready (see \(self.logFile))", within: .seconds(300)) {
            guard self.process.isRunning else {
                let end = Files.read(self.logFile)?.suffix(2_000) ?? ""
                throw LocalServiceError("hookline ended before it was ready: \(end)")
            }
            return (try? await HTTP.get("http://127.0.0.1:\(self.port)/ready"))?.status == 200
        }
    }

    package func kill() async {
        self.process.signal(9)
        await self.process.waitForExit()
    }

    /// By the bytes of the user's name: texts that look the same are equal, and users are not.
    private static let tokens = Mutex<[[UInt8]: String]>([:])

    /// A token of this installation's secret, printed by the binary itself, the first time that it is asked for.
    package static func token(user: String, root: Bool = false) async throws -> String {
        let name = Array("\(user) \(root)".utf8)
        if let known = self.tokens.withLock({ $0[name] }) { return known }
        let output = try await ChildProcess.complete(
            Self.binary, ["token", "--user", user] + (root ? ["--root"] : []),
            environment: ["AUTH_JWT_SECRET": Self.jwtSecret])
        let token = String(output.split(separator: "\n").first ?? "")
        self.tokens.withLock { $0[name] = token }
        return token
    }

    package func api(token: String) -> APIClient {
        APIClient(base: "http://127.0.0.1:\(self.port)", token: token)
    }

    /// The value of a metric without labels.
    package func metric(_ name: String) async throws -> Int {
        let text = try await HTTP.get("http://127.0.0.1:\(self.port)/metrics").body
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return line.flatMap { Int($0.dropFirst(name.count + 1)) } ?? -1
    }
}

package struct HTTPAnswer: Sendable {
    package let status: Int
    package let body: String
    package let headers: [String: String]
}

package enum HTTP {
    package static func get(_ url: String, headers: [String: String] = [:]) async throws -> HTTPAnswer {
        try await self.call("GET", url, headers: headers)
    }

    /// Without a body.
    package static func call(
        _ method: String, _ url: String, headers: [String: String] = [:]
    ) async throws -> HTTPAnswer {
        var request = HTTPClientRequest(url: url)
        request.method = .init(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        return try await self.send(request)
    }

    /// Posts as an outside system would.
    package static func post(_ url: String, _ body: String, headers: [String: String]) async throws -> HTTPAnswer {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        request.body = .bytes(ByteBuffer(string: body))
        return try await self.send(request)
    }

    static func send(_ request: HTTPClientRequest) async throws -> HTTPAnswer {
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(30))
        let body = try await response.body.collect(upTo: 16 * 1024 * 1024)
        return HTTPAnswer(
            status: Int(response.status.code), body: String(buffer: body),
            headers: Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first })
    }
}

/// Calls the API as a user would.
package struct APIClient: Sendable {
    package let base: String
    package let token: String

    /// - Parameter contentType: nil sends none.
    package func call(
        _ method: String, _ path: String, _ body: String? = nil, contentType: String? = "application/json"
    ) async throws -> HTTPAnswer {
        var request = HTTPClientRequest(url: self.base + path)
        request.method = .init(rawValue: method)
        if !self.token.isEmpty { request.headers.add(name: "authorization", value: "Bearer \(self.token)") }
        if let body {
            if let contentType { request.headers.add(name: "content-type", value: contentType) }
            request.body = .bytes(ByteBuffer(string: body))
        }
        return try await HTTP.send(request)
    }

    /// The value of `"id"` in the answer to a call that makes one thing.
    package func create(_ path: String, _ body: String) async throws -> String {
        let answer = try await self.call("POST", path, body)
        guard answer.status == 201, let id = answer.value(of: "id") else {
            throw LocalServiceError("POST \(path) answered \(answer.status) \(answer.body)")
        }
        return id
    }
}

extension HTTPAnswer {
    /// The first string value under this key, wherever it stands.
    package func value(of key: String) -> String? { self.values(of: key).first }

    /// The first whole number under this key.
    package func number(of key: String) -> Int? {
        guard let range = self.body.firstRange(of: "\"\(key)\":") else { return nil }
        return Int(self.body[range.upperBound...].prefix { $0.isNumber || $0 == "-" })
    }

    package func values(of key: String) -> [String] {
        let marker = "\"\(key)\":\""
        return self.body.components(separatedBy: marker).dropFirst().map { String($0.prefix { $0 != "\"" }) }
    }
}

extension String {
    fileprivate func components(separatedBy separator: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = self[...]
        while let range = rest.firstRange(of: separator) {
            parts.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        return parts + [rest]
    }
}
