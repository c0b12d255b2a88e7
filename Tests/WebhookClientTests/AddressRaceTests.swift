import Domain
import LocalServices
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import WebhookClient

@Suite("Of several addresses")
struct AddressRaceTests {
    private static func addresses(_ literals: [String]) throws -> [SocketAddress] {
        try literals.map { try SocketAddress(ipAddress: $0, port: 0) }
    }

    @Test(
        "both families have their turn, beginning with the system's first",
        arguments: [
            (["10.0.0.1"], ["10.0.0.1"]), (["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.2"]),
            (["::1", "::2", "10.0.0.1"], ["::1", "10.0.0.1", "::2"]),
            (["10.0.0.1", "::1", "::2", "::3", "10.0.0.2"], ["10.0.0.1", "::1", "10.0.0.2", "::2", "::3"]),
            ([], []),
        ] as [([String], [String])])
    func interleaved(given: [String], expected: [String]) throws {
        let order = AddressRace.interleaved(try Self.addresses(given))
        #expect(order == (try Self.addresses(expected)))
    }

    @Test("sockets beside the first of a request are bounded")
    func bounded() {
        let room = SideDials(most: 2)
        #expect(room.take() && room.take() && !room.take())
        room.giveBack()
        #expect(room.count == 1 && room.take() && !room.take())
    }

    /// Asks a host of these addresses, each of which would have longer than the request has.
    private func outcome(_ literals: [String], port: Int) async throws -> Outcome {
        let addresses = try Self.addresses(literals)
        let threads = NIOThreadPool(numberOfThreads: 1)
        threads.start()
        let client = try await Client("http://several.example:\(port)/") {
            $0.resolver = WebhookClient.Resolver(threads: threads, lookUp: { _ in .success(addresses) })
            $0.connectTimeout = .seconds(120)
            $0.totalTimeout = .seconds(60)
        }
        let outcome = try await client.send()
        try await client.close()
        try await threads.shutdownGracefully()
        return outcome
    }

    @Test(
        "the one that answers is taken, wherever it stands, and no other is waited for",
        arguments: [
            ["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.3", "127.0.0.2"],
            // It is the same hole each time.
            ["127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2"],
            ["127.0.0.3", "127.0.0.1", "127.0.0.3", "127.0.0.2"],
        ])
    func oneAnswers(literals: [String]) async throws {
        let hole = try BlackHole()
        let server = try await ScriptedServer.start(
            [.send(ConnectionPoolTests.ok)], host: "127.0.0.2", port: hole.port)
        let outcome = try await self.outcome(literals, port: hole.port)
        #expect(outcome.status == 200, "\(outcome)")
        #expect(server.connections == 1)
        try await server.stop()
    }

    @Test("none answers, and how the last failed is told")
    func noneAnswers() async throws {
        let hole = try BlackHole()
        let refused = try await self.outcome(["127.0.0.3", "127.0.0.4"], port: hole.port)
        #expect(refused.failure?.description.contains("127.0.0.4:\(hole.port) refused") == true, "\(refused)")
    }

    @Test("no more are tried at once than there is room for, and the room is given back")
    func room() async throws {
        let hole = try BlackHole()
        let server = try await ScriptedServer.start(
            [.send(ConnectionPoolTests.ok)], host: "127.0.0.2", port: hole.port)
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let addresses = try ["127.0.0.1", "127.0.0.2"].map { try SocketAddress(ipAddress: $0, port: hole.port) }
        let connected = Mutex(0)
        let most = Mutex(0)
        let room = try await eventLoop.submit { NIOLoopBoundBox(SideDials(most: 2), eventLoop: eventLoop) }.get()
        try await eventLoop.submit {
            for _ in 0..<5 {
                AddressRace(
                    to: addresses, on: eventLoop, within: room.value,
                    makeBootstrap: {
                        let count = room.value.count
                        most.withLock { $0 = max($0, count) }
                        return ClientBootstrap(group: eventLoop).connectTimeout(.seconds(120))
                    },
                    isWanted: { true },
                    completion: { ending in
                        guard case .connected(let channel, _) = ending else { return }
                        channel.close(promise: nil)
                        connected.withLock { $0 += 1 }
                    }
                ).step()
            }
        }.get()
        try await waitUntil("all to be connected") { connected.withLock { $0 } == 5 }
        #expect(most.withLock { $0 } == 2)
        try await waitUntil("the room to be given back") {
            try await eventLoop.submit { room.value.count }.get() == 0
        }
        try await server.stop()
    }
}
