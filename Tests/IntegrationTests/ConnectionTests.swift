import Foundation
import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Those who call the API otherwise than they should")
    struct ConnectionTests {
        /// What is answered to these bytes until the connection ends, or `end` was said.
        private static func answer(
            to bytes: String, of installation: Installation, until end: String? = nil
        ) async throws -> String {
            let caller = try await RawCaller.connect(
                to: Int(installation.api.base.split(separator: ":").last ?? "") ?? 0)
            try await caller.send(bytes)
            try await waitUntil("an answer to \(bytes)") {
                caller.isClosed || end.map(caller.heard.contains) ?? caller.heard.contains("\r\n\r\n")
            }
            await caller.close()
            return caller.heard
        }

        @Test("are told what is wrong with a request that is none, and it is nobody else's matter")
        func malformed() async throws {
            try await Installation.with { installation, running in
                let authorization = "authorization: Bearer \(installation.api.token)\r\n"
                let post = "POST /groups HTTP/1.1\r\nhost: x\r\n\(authorization)content-type: application/json\r\n"
                let long = String(repeating: "x", count: 100_000)
                for (request, status) in [
                    ("GET /me HTTP/1.1\r\n\(authorization)\r\n", 400),
                    ("GET /me HTTP/1.1\r\nhost: a\r\nhost: b\r\n\(authorization)\r\n", 400),
                    ("\(post)transfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
                    ("\(post)transfer-encoding: chunked\r\n\r\n4\r\n[{}]garbage\r\n0\r\n\r\n", 400),
                    ("\(post)transfer-encoding: gzip, chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n", 501),
                    ("\(post)transfer-encoding: Chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n", 400),
                    ("\(post)content-length: 1x\r\n\r\n[]", 400), ("nonsense\r\n\r\n", 400),
                    ("GET /me HTTP/1.1\r\nhost: x\r\nname without colon\r\n\r\n", 400),
                    ("GET /me HTTP/2.5\r\nhost: x\r\n\r\n", 505),
                    ("GET /\(long.prefix(70_000)) HTTP/1.1\r\nhost: x\r\n\r\n", 414),
                    ("GET /me HTTP/1.1\r\nhost: x\r\nx-long: \(long)\r\n\r\n", 431),
                ] {
                    let answer = try await Self.answer(to: request, of: installation, until: "\"}")
                    let told = "\(request.prefix(200)) → \(answer)"
                    #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(told)")
                    #expect(answer.lowercased().contains("\r\ncontent-type: application/json"), "\(told)")
                    #expect(answer.contains(#"{"error":""#), "\(told)")
                }
                // An answer that has come before the body turns out to be none is the only one.
                let unread = try await Self.answer(
                    to: "GET /nothing HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
                    of: installation, until: "no end but that of the connection")
                #expect(unread.components(separatedBy: "HTTP/1.1 ").count == 2, "\(unread)")
                #expect(try await Self.answer(to: "GET /health HTTP/1.0\r\n\r\n", of: installation).contains(" 200 "))
                let log = Files.read(await running.hookline.logFile) ?? ""
                #expect(!log.contains("a request failed"), "nothing has failed that is ours")
            }
        }

        @Test("by HTTP/1.0 get no chunks, and the end of the connection as the end of the answer")
        func old() async throws {
            try await Installation.with { installation, _ in
                let rest = "host: x\r\nauthorization: Bearer \(installation.api.token)\r\n"
                let port = Int(installation.api.base.split(separator: ":").last ?? "") ?? 0
                for (request, status) in [
                    ("GET /health HTTP/1.0\r\n", 200), ("GET /me HTTP/1.0\r\n", 401),
                    // As load balancers ask, who name no host (HAProxy's httpchk).
                    ("GET /ready HTTP/1.0\r\n", 200), ("HEAD /ready HTTP/1.0\r\n", 200),
                    ("OPTIONS / HTTP/1.0\r\n", 204), ("OPTIONS * HTTP/1.0\r\n", 204),
                    ("OPTIONS /ready HTTP/1.0\r\n", 200), ("OPTIONS /nothing HTTP/1.0\r\n", 404),
                    ("GET /me HTTP/1.0\r\nhost: a\r\nhost: b\r\n", 400),
                    ("GET /me HTTP/1.0\r\n\(rest)", 200), ("HEAD /me HTTP/1.0\r\n\(rest)", 200),
                    ("GET /nothing HTTP/1.0\r\n\(rest)", 404), ("GET /openapi.json HTTP/1.0\r\n\(rest)", 200),
                    ("GET /groups/\(installation.group)/log?format=ndjson HTTP/1.0\r\n\(rest)", 200),
                    // What has no length ends, whatever was asked for.
                    (
                        "GET /groups/\(installation.group)/log?format=csv HTTP/1.0\r\nconnection: keep-alive\r\n\(rest)",
                        200
                    ),
                ] {
                    let caller = try await RawCaller.connect(to: port)
                    try await caller.send("\(request)\r\n")
                    try await waitUntil("the end of \(request)") { caller.isClosed }
                    let answer = caller.heard
                    #expect(answer.hasPrefix("HTTP/1.0 \(status) "), "\(request) → \(answer)")
                    #expect(!answer.lowercased().contains("transfer-encoding"), "\(request) → \(answer)")
                    #expect(answer.lowercased().contains("\r\nconnection: close\r\n"), "\(request) → \(answer)")
                    await caller.close()
                }
                let caller = try await RawCaller.connect(to: port)
                for number in 1...2 {
                    try await caller.send("GET /health HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
                    try await waitUntil("answer \(number)") {
                        caller.heard.components(separatedBy: "HTTP/1.0 200 OK").count == number + 1
                    }
                }
                #expect(!caller.isClosed)
                await caller.close()
            }
        }

        @Test("are answered alike where metrics have a port of their own, and are told by a path what it has")
        func metricsPort() async throws {
            let port = try freePort()
            try await Installation.with(settings: ["METRICS_PORT": "\(port)"]) { installation, _ in
                let own = Int(installation.api.base.split(separator: ":").last ?? "") ?? 0
                for (port, request, status, part) in [
                    (port, "GET /metrics HTTP/1.0\r\n", 200, "hookline_"),
                    (port, "HEAD /metrics HTTP/1.0\r\n", 200, "text/plain"),
                    (port, "OPTIONS /metrics HTTP/1.0\r\n", 200, "allow: get, head, options\r\n"),
                    (port, "OPTIONS / HTTP/1.0\r\n", 204, ""), (port, "GET /me HTTP/1.1\r\nhost: a\r\n", 404, ""),
                    (port, "POST /metrics HTTP/1.0\r\n", 405, "allow: get, head, options\r\n"),
                    (port, "NONSENSE / HTTP/1.1\r\n", 400, "is no http that can be read"),
                    (own, "PATCH /health HTTP/1.0\r\n", 405, "allow: get, head, options\r\n"),
                ] {
                    let caller = try await RawCaller.connect(to: port)
                    try await caller.send("\(request)\r\n")
                    try await waitUntil("the answer to \(request)") {
                        caller.heard.contains("\r\n\r\n")
                            && (part.isEmpty || caller.heard.lowercased().contains(part))
                    }
                    #expect(caller.heard.contains(" \(status) "), "\(request) → \(caller.heard)")
                    await caller.close()
                }
            }
        }

        @Test("are told of HEAD what GET says, and no length of what is streamed, and go on")
        func heads() async throws {
            try await Installation.with { installation, _ in
                let rest = "host: x\r\nauthorization: Bearer \(installation.api.token)\r\n\r\n"
                let port = Int(installation.api.base.split(separator: ":").last ?? "") ?? 0
                let caller = try await RawCaller.connect(to: port)
                try await caller.send("HEAD /groups/\(installation.group)/log?format=csv HTTP/1.1\r\n\(rest)")
                try await waitUntil("the head") { caller.heard.contains("\r\n\r\n") }
                #expect(caller.heard.hasPrefix("HTTP/1.1 200") && !caller.heard.lowercased().contains("content-length"))
                try await caller.send("HEAD /me HTTP/1.1\r\n\(rest)GET /health HTTP/1.1\r\n\(rest)")
                try await waitUntil("the other answers") { caller.heard.contains(#""status":"pass""#) }
                let answers = caller.heard.components(separatedBy: "\r\n\r\n")
                #expect(
                    answers.count == 4 && answers.dropLast().allSatisfy { $0.hasPrefix("HTTP/1.1 200") }, "\(answers)")
                #expect(answers[1].lowercased().contains("content-length: "), "\(answers)")
                #expect(!answers[1].lowercased().contains("content-length: 0"), "\(answers)")
                await caller.close()
            }
        }

        @Test(
            "are carried out up to the last that is answered, and none behind it",
            arguments: ["HTTP/1.1\r\nconnection: close", "HTTP/1.1\r\nConnection: TE, Close", "HTTP/1.0"])
        func behindTheLast(version: String) async throws {
            try await Installation.with { installation, _ in
                func post(_ name: String) -> String {
                    let body = #"[{"name":"\#(name)"}]"#
                    return
                        "POST /groups \(version)\r\nhost: x\r\nauthorization: Bearer \(installation.api.token)\r\n"
                        + "content-type: application/json\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
                }
                let port = Int(installation.api.base.split(separator: ":").last ?? "") ?? 0
                let caller = try await RawCaller.connect(to: port)
                try await caller.send(post("answered") + post("unheard"))
                try await waitUntil("the end") { caller.isClosed }
                #expect(caller.heard.components(separatedBy: " 201 Created").count == 2, "\(caller.heard)")
                let groups = try await installation.api.call("GET", "/groups").body
                #expect(groups.contains("answered") && !groups.contains("unheard"))
                await caller.close()
            }
        }

        @Test("and wait to be told to go on are told so")
        func expectation() async throws {
            try await Installation.with { installation, _ in
                let body = #"[{"name":"waited for"}]"#
                let caller = try await RawCaller.connect(
                    to: Int(installation.api.base.split(separator: ":").last ?? "") ?? 0)
                try await caller.send(
                    """
                    POST /groups HTTP/1.1\r
                    host: x\r
                    authorization: Bearer \(installation.api.token)\r
                    content-type: application/json\r
                    content-length: \(body.utf8.count)\r
                    expect: 100-continue\r
                    \r

                    """)
                try await waitUntil("100") { caller.heard.hasPrefix("HTTP/1.1 100 Continue\r\n\r\n") }
                try await caller.send(body)
                try await waitUntil("201") { caller.heard.contains("HTTP/1.1 201 Created") }
                await caller.close()
            }
        }

        @Test("too often are told when they may again, and others are not")
        func rates() async throws {
            let settings = ["HTTP_CALLER_RATE": "0.1/20"]
            try await Installation.with(settings: settings) { installation, running in
                var answers: [HTTPAnswer] = []
                for _ in 0..<25 { answers.append(try await installation.api.call("GET", "/me")) }
                let last = answers.last
                #expect(last?.status == 429 && last?.headers["retry-after"].flatMap { Int($0) } ?? 0 > 0)
                let other = await running.hookline.api(token: try await HooklineProcess.token(user: "other"))
                #expect(try await other.call("GET", "/me").status == 200)
                #expect(try await HTTP.get("\(installation.api.base)/health").status == 200)
            }
        }

        @Test("with live views, one beside the other, leave some for the others")
        func liveViews() async throws {
            try await Installation.with { installation, _ in
                let port = Int(installation.api.base.split(separator: ":").last ?? "") ?? 0
                var callers: [RawCaller] = []
                for _ in 0..<9 {
                    let caller = try await RawCaller.connect(to: port)
                    try await caller.send(
                        """
                        GET /groups/\(installation.group)/live HTTP/1.1\r
                        host: x\r
                        authorization: Bearer \(installation.api.token)\r
                        \r

                        """)
                    try await waitUntil("an answer") { caller.heard.contains("\r\n\r\n") }
                    callers.append(caller)
                }
                #expect(callers.filter { $0.heard.hasPrefix("HTTP/1.1 200") }.count == 8)
                #expect(callers.last?.heard.hasPrefix("HTTP/1.1 429") == true)
                for caller in callers { await caller.close() }
            }
        }

        @Test("cannot be answered with hardly any descriptors, which is said instead of ending in a crash")
        func hardlyAny() async throws {
            let log = try Files.makeTemporaryFolder() + "/log"
            let hookline = try await HooklineProcess.serve(
                postgres: "host=127.0.0.1 port=1", mqttPort: 1, logFile: log, awaitingReady: false, descriptors: 64)
            #expect(await hookline.process.waitForExit() == "exited(78)")
            #expect((Files.read(log) ?? "").contains("hookline: ulimit -n: lets it have 64 files"))
        }

        @Test("by more connections than there are descriptors wait, and then it goes on")
        func descriptors() async throws {
            try await Installation.with { installation, running in
                // As an installation with few of them.
                await running.hookline.kill()
                let folder = try Files.makeTemporaryFolder()
                let hookline = try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                    logFile: "\(folder)/log", descriptors: 256)
                await running.replace(hookline: hookline)
                var callers: [RawCaller] = []
                for _ in 0..<200 { callers.append(try await RawCaller.connect(to: hookline.port)) }
                for caller in callers { await caller.close() }
                try await waitUntil("those who were first to be gone") {
                    try await HTTP.get("http://127.0.0.1:\(hookline.port)/ready").status == 200
                }
            }
        }
    }
}
