import Domain
import Glibc
import LocalServices
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import WebhookClient

/// Name servers that say what a test wants, or nothing until it is over.
private final class Names: Sendable {
    private let state: Mutex<(answers: [String: LookupAnswer], asked: [String])>
    private let isOver = Mutex(false)

    init(_ answers: [String: LookupAnswer]) { self.state = Mutex((answers, [])) }

    var asked: [String] { self.state.withLock { $0.asked } }

    /// Lets those go that wait.
    func end() { self.isOver.withLock { $0 = true } }

    @Sendable
    func lookUp(_ host: String) -> LookupAnswer {
        let answer = self.state.withLock { state in
            state.asked.append(host)
            return state.answers[host]
        }
        if let answer { return answer }
        while !self.isOver.withLock({ $0 }) { usleep(10_000) }
        return .silence
    }
}

@Suite("Looking up hosts")
struct ResolverTests {
    private static func addresses(_ literals: String...) throws -> LookupAnswer {
        .success(try literals.map { try SocketAddress(ipAddress: $0, port: 0) })
    }

    private func with(
        _ names: Names, _ limits: LookupLimits = LookupLimits(), _ body: (WebhookClient.Resolver) async throws -> Void
    ) async throws {
        let threads = NIOThreadPool(numberOfThreads: limits.threads)
        threads.start()
        // Nothing grows old, however busy this machine is.
        let start = NIODeadline.now()
        do {
            try await body(
                WebhookClient.Resolver(threads: threads, limits: limits, now: { start }, lookUp: names.lookUp))
        } catch {
            Issue.record(error)
        }
        names.end()
        try await threads.shutdownGracefully()
    }

    private static func outcome(
        _ url: String, by resolver: WebhookClient.Resolver, of owner: EntityID? = nil,
        allowing networks: [String] = ["127.0.0.0/8"]
    ) async throws -> Outcome {
        let client = try await Client(url, allowing: networks) {
            $0.resolver = resolver
            $0.owner = owner
        }
        let outcome = try await client.send()
        try await client.close()
        return outcome
    }

    @Test("a group whose hosts nobody knows anything of takes no threads from others")
    func mute() async throws {
        let names = Names(["good.example": try Self.addresses("127.0.0.1")])
        let server = try await ScriptedServer.start([.send(ConnectionPoolTests.ok)])
        try await self.with(names) { resolver in
            let group = EntityID.random()
            try await withThrowingTaskGroup(of: Outcome.self) { mute in
                for number in 0..<50 {
                    mute.addTask { try await Self.outcome("http://mute\(number).example/", by: resolver, of: group) }
                }
                try await waitUntil("its threads") { names.asked.count == LookupLimits().threadsPerOwner }
                let good = try await Self.outcome("http://good.example:\(server.port)/", by: resolver, of: .random())
                #expect(good.status == 200)
                #expect(names.asked.count == LookupLimits().threadsPerOwner + 1)
                names.end()
                for try await outcome in mute { #expect(outcome.failure?.kind == "nameserver") }
            }
        }
        try await server.stop()
    }

    @Test("a name that also points inside is connected to at none of its addresses, whichever comes first")
    func inside() async throws {
        let names = Names([
            "outside.example": try Self.addresses("127.0.0.1", "10.0.0.1"),
            "inside.example": try Self.addresses("10.0.0.1", "127.0.0.1"),
        ])
        try await self.with(names) { resolver in
            for name in ["outside", "inside"] {
                let outcome = try await Self.outcome("http://\(name).example:1/", by: resolver)
                #expect(outcome.failure?.kind == "address", "\(outcome)")
            }
        }
    }

    @Test("all who wait for a host are served by one lookup")
    func shared() async throws {
        let names = Names([:])
        let server = try await ScriptedServer.start([.send(ConnectionPoolTests.ok)])
        try await self.with(names) { resolver in
            try await withThrowingTaskGroup(of: Outcome.self) { waiting in
                for _ in 0..<8 {
                    waiting.addTask { try await Self.outcome("http://one.example:\(server.port)/", by: resolver) }
                }
                try await waitUntil("the lookup") { !names.asked.isEmpty }
                names.end()
                for try await outcome in waiting { #expect(outcome.failure?.kind == "nameserver") }
            }
            #expect(names.asked == ["one.example"])
        }
        try await server.stop()
    }

    @Test("a lookup that never ends fails the request as nobody's fault, in time")
    func patience() async throws {
        let names = Names([:])
        var limits = LookupLimits()
        limits.patience = .milliseconds(50)
        try await self.with(names, limits) { resolver in
            for _ in 0..<2 {
                let failure = try await Self.outcome("http://mute.example/", by: resolver).failure
                #expect(failure?.kind == "nameserver" && failure?.isFault == true)
            }
            #expect(names.asked.count == 1)
        }
        try await self.with(Names([:])) { resolver in
            let client = try await Client("http://mute.example/") {
                $0.resolver = resolver
                $0.connectTimeout = .milliseconds(20)
            }
            #expect(try await client.send().failure?.kind == "nameserver")
            try await client.close()
        }
    }

    @Test("that there is no such host is the url's fault, that nobody knows is not")
    func kinds() async throws {
        let names = Names(["no.example": .failure(.noSuchHost("x")), "lost.example": .failure(.unanswered("x"))])
        try await self.with(names) { resolver in
            for (host, kind, isFault) in [("no", "dns", false), ("lost", "nameserver", true)] {
                let failure = try await Self.outcome("http://\(host).example/", by: resolver).failure
                #expect(failure?.kind == kind && failure?.isFault == isFault)
            }
        }
    }

    @Test(
        "only a name server that knows says that there is no such host",
        arguments: [
            (EAI_NONAME, false), (-5, false), (-9, false), (EAI_AGAIN, true), (EAI_SYSTEM, true), (EAI_FAIL, true),
            (EAI_MEMORY, true),
        ])
    func codes(_ code: Int32, _ isUnanswered: Bool) {
        if case .unanswered = LookupFailure(code: code) { #expect(isUnanswered) } else { #expect(!isUnanswered) }
    }

    @Test("a remembered address is checked like a new one, for each who uses it")
    func guarded() async throws {
        let names = Names(["both.example": try Self.addresses("127.0.0.1", "10.0.0.1")])
        let server = try await ScriptedServer.start([.send(ConnectionPoolTests.ok)])
        try await self.with(names) { resolver in
            let url = "http://both.example:\(server.port)/"
            let permitted = try await Self.outcome(url, by: resolver, allowing: ["127.0.0.0/8", "10.0.0.0/8"])
            #expect(permitted.status == 200)
            #expect(try await Self.outcome(url, by: resolver).failure?.kind == "address")
            #expect(names.asked.count == 1)
        }
        try await server.stop()
    }
}
