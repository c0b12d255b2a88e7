import Domain
import LocalServices
import NIOCore
import NIOPosix
import TestSupport
import Testing
import WebhookClient

@testable import Delivery

@Suite("A webhook's tokens")
struct TokenSourceTests {
    private static let good = #"{"access_token":"abc","expires_in":3600}"#

    /// A source on its loop, and what it has told.
    private final class Rig {
        let source: TokenSource
        private(set) var told: [String] = []

        init(_ source: TokenSource) { self.source = source }

        func note(_ who: String) -> (TokenSource.Fetched) -> Void {
            { fetched in
                switch fetched {
                case .success(let authorization): self.told.append("\(who): \(authorization)")
                case .failure: self.told.append("\(who): failed")
                case .later: self.told.append("\(who): later")
                }
            }
        }
    }

    /// Runs `body` on the loop, and waits until so many have been told something.
    private func told(
        _ count: Int, by rig: NIOLoopBoundBox<Rig>, after body: @escaping @Sendable (Rig) -> Void
    ) async throws -> [String] {
        try await rig.eventLoop.submit { body(rig.value) }.get()
        var told: [String] = []
        try await waitUntil("\(count) to be told") {
            told = try await rig.eventLoop.submit { rig.value.told }.get()
            return told.count >= count
        }
        return told
    }

    private func rig(_ receiver: Receiver) async throws -> NIOLoopBoundBox<Rig> {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        var auth = WebhookAuth()
        (auth.kind, auth.clientID, auth.clientSecret) = (.oauth2, "id", "secret")
        auth.tokenURL = receiver.url("/token")
        let exchange = try #require(TokenExchange(auth))
        var client = ClientConfiguration(resolver: WebhookClient.Resolver(threads: .singleton))
        client.addressGuard = AddressGuard(allowed: ["127.0.0.0/8"].compactMap { Network($0) })
        let configuration = client
        return try await eventLoop.submit {
            let pool = ConnectionPool(url: exchange.url, eventLoop: eventLoop, configuration: configuration)
            return NIOLoopBoundBox(Rig(TokenSource(exchange, pool: pool)), eventLoop: eventLoop)
        }.get()
    }

    @Test("a fetch that fails fails one of those who wait for it, and no other is made at once")
    func failure() async throws {
        let receiver = try await Receiver.start()
        receiver.set(.answer(500), at: "/token")
        let rig = try await self.rig(receiver)
        let first = try await self.told(3, by: rig) { rig in
            for who in ["a", "b", "c"] { rig.source.fetch(now: .now(), rig.note(who)) }
        }
        #expect(first == ["a: failed", "b: later", "c: later"])
        let second = try await self.told(4, by: rig) { rig in
            // The clock is the caller's: it is as if no time had passed.
            rig.source.fetch(now: rig.source.pausedUntil - .nanoseconds(1), rig.note("d"))
        }
        #expect(second.last == "d: later")
        #expect(receiver.requests.count == 1)
        receiver.set(.content(200, Self.good), at: "/token")
        let third = try await self.told(6, by: rig) { rig in
            for who in ["e", "f"] { rig.source.fetch(now: rig.source.pausedUntil, rig.note(who)) }
        }
        #expect(third.suffix(2) == ["e: Bearer abc", "f: Bearer abc"])
        #expect(receiver.requests.count == 2)
        try await rig.eventLoop.submit { rig.value.source.close() }.get()
        await receiver.stop()
    }

    @Test("pauses grow with every failure, and are over when the webhook is changed")
    func pauses() async throws {
        let receiver = try await Receiver.start()
        receiver.set(.answer(500), at: "/token")
        let rig = try await self.rig(receiver)
        var pauses: [TimeAmount] = []
        for number in 1...8 {
            _ = try await self.told(number, by: rig) { rig in
                rig.source.fetch(now: max(.now(), rig.source.pausedUntil), rig.note("a"))
            }
            pauses.append(try await rig.eventLoop.submit { rig.value.source.pausedUntil - .now() }.get())
        }
        #expect(zip(pauses.prefix(5), pauses.dropFirst()).allSatisfy { $0 < $1 })
        #expect(pauses.allSatisfy { $0 <= .seconds(30) })
        _ = try await self.told(9, by: rig) { rig in
            rig.source.startAfresh()
            rig.source.fetch(now: .now(), rig.note("a"))
        }
        #expect(receiver.requests.count == 9)
        await receiver.stop()
    }

    @Test("what is queued waits once for a token, however often it asks meanwhile")
    func queue() async throws {
        let receiver = try await Receiver.start()
        receiver.set(.answer(500), at: "/token")
        let rig = try await self.rig(receiver)
        let told = try await self.told(2, by: rig) { rig in
            for _ in 0..<100 { rig.source.fetchForQueue(now: .now(), rig.note("queue")) }
            rig.source.fetch(now: .now(), rig.note("refused"))
        }
        #expect(told == ["queue: failed", "refused: later"])
        await receiver.stop()
    }
}
