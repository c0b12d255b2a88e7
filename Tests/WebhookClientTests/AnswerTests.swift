import LocalServices
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import WebhookClient

@Suite("An answer that comes in pieces")
struct AnswerTests {
    private static let head = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"

    @Test("is acknowledged at once, so that a receiver that waits for that does not wait")
    func acknowledged() async throws {
        let clock = ContinuousClock()
        var clients: [Client] = []
        var servers: [ScriptedServer] = []
        for pieces in [
            [Self.head + "ok"], [Self.head, "ok"], ["HTTP/1.1 200 OK\r\n", "content-length: 2\r\n\r\n", "o", "k"],
        ] {
            let server = try await ScriptedServer.start([.sendInPieces(pieces)], isPatient: true)
            clients.append(try await Client("http://127.0.0.1:\(server.port)/"))
            servers.append(server)
        }
        var times: [[Duration]] = [[], [], []]
        for _ in 0..<60 {
            for (index, client) in clients.enumerated() {
                let start = clock.now
                #expect(try await client.send().status == 200)
                times[index].append(start.duration(to: clock.now))
            }
        }
        // The kernel keeps an acknowledgement for 40 ms, two hundred times as long as an answer takes.
        let medians = times.map { $0.sorted()[30] }
        #expect(medians[1] < medians[0] * 20 && medians[2] < medians[0] * 40, "\(medians)")
        #expect(servers.map(\.connections) == [1, 1, 1])
        for client in clients { try await client.close() }
        for server in servers { try await server.stop() }
    }

    /// What came of a request, in order.
    private final class Story: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { self.lines.withLock { $0 } }
        func add(_ line: String) { self.lines.withLock { $0.append(line) } }
    }

    @Test("is told before its body is there, which has only so long to come if it is not needed")
    func hanging() async throws {
        let story = Story()
        let cases = [
            ("framed", Self.head + "o"), ("unframed", "HTTP/1.1 200 OK\r\n\r\no"),
            ("chunked", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\no"),
        ]
        for (name, answer) in cases {
            let server = try await ScriptedServer.start([.send(answer)])
            let client = try await Client("http://127.0.0.1:\(server.port)/") { $0.bodyTimeout = .milliseconds(400) }
            let outcome = try await client.send(needsBody: false) { story.add("\(name) answered \($0)") }
            story.add("\(name) ended \(outcome.status ?? 0) \(outcome.text ?? "")")
            // Nothing of it can become the answer to another.
            _ = try await client.send(needsBody: false)
            #expect(server.connections == 2, "\(name)")
            try await client.close()
            try await server.stop()
        }
        #expect(story.all == cases.flatMap { ["\($0.0) answered 200", "\($0.0) ended 200 o"] })
    }

    @Test("has a quarter of the time if its end cannot be known, and again if others wait")
    func pressed() async throws {
        let story = Story()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (name, answer, isPressed) in [
                ("framed", Self.head, false), ("framed, pressed", Self.head, true),
                ("unframed, pressed", "HTTP/1.1 200 OK\r\n\r\n", true),
            ] {
                group.addTask {
                    let server = try await ScriptedServer.start([.send(answer)])
                    let client = try await Client("http://127.0.0.1:\(server.port)/") { $0.bodyTimeout = .seconds(16) }
                    async let outcome = client.send(needsBody: false)
                    try await waitUntil("the request") { server.requests == 1 }
                    if isPressed { try await client.press() }
                    if !isPressed {
                        // It would be the last by far.
                        try await waitUntil("the others") { story.all.count == 2 }
                        try await client.close()
                    }
                    #expect(try await outcome.status == 200)
                    story.add(name)
                    if isPressed { try await client.close() }
                    try await server.stop()
                }
            }
            try await group.waitForAll()
        }
        #expect(story.all == ["unframed, pressed", "framed, pressed", "framed"])
    }

    @Test("that has a status is one, when nobody waits for the rest any more")
    func closed() async throws {
        let server = try await ScriptedServer.start([.send(Self.head)])
        let client = try await Client("http://127.0.0.1:\(server.port)/")
        let answered = Story()
        async let outcome = client.send(needsBody: false) { answered.add("\($0)") }
        try await waitUntil("the status") { !answered.all.isEmpty }
        try await client.close()
        #expect(try await outcome.status == 200)
        try await server.stop()
    }

    @Test("is waited for to its end where the body is needed")
    func needed() async throws {
        let body = String(repeating: "z", count: 60)
        let server = try await ScriptedServer.start([
            .sendThenDrip("HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n", body)
        ])
        let client = try await Client("http://127.0.0.1:\(server.port)/") { $0.bodyTimeout = .milliseconds(100) }
        #expect(try await client.send { _ in Issue.record("it is needed") }.text == body)
        try await client.close()
        try await server.stop()
    }

    @Test("that does not come is a reset where it is one, and a close where it is that")
    func reset() async throws {
        for (step, failure) in [(ScriptedServer.Step.reset, Outcome.Failure.reset), (.close, .closed)] {
            let server = try await ScriptedServer.start([step])
            let client = try await Client("http://127.0.0.1:\(server.port)/")
            let outcome = try await client.send()
            #expect(outcome.failure == failure)
            #expect(outcome.failure?.kind == "closed")
            try await client.close()
            try await server.stop()
        }
    }
}
