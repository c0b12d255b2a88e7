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
        let greedy: [Greedy]
        private let shared: SharedConnections
        private(set) var told: [String] = []

        init(_ source: TokenSource, _ greedy: [Greedy], _ shared: SharedConnections) {
            self.source = source
            self.greedy = greedy
            self.shared = shared
        }

        func close() {
            self.source.close()
            for webhook in self.greedy { webhook.pool.close() }
            self.shared.close()
        }

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

    /// A webhook that always has something to send.
    private final class Greedy: PendingRequest {
        let pool: ConnectionPool

        init(_ pool: ConnectionPool) {
            self.pool = pool
            pool.onTurn = { [weak self] in self?.send() }
        }

        func send() {
            while self.pool.hasRoom { self.pool.execute(self, now: .now()) }
        }

        func encode(into buffer: inout ByteBuffer) {
            buffer.writeString("POST /hook HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        }

        func ended(_ outcome: Outcome) {
            if case .response = outcome { self.send() }
        }
    }

    /// - Parameter greedy: so many webhooks share the source's connections.
    private func rig(
        _ receiver: Receiver, greedy: Int = 0, limits: ConnectionLimits = ConnectionLimits()
    ) async throws -> NIOLoopBoundBox<Rig> {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        var auth = WebhookAuth()
        (auth.kind, auth.clientID, auth.clientSecret) = (.oauth2, "id", "secret")
        auth.tokenURL = receiver.url("/token")
        let exchange = try #require(TokenExchange(auth, wallClock: WallClock { 0 }))
        var client = ClientConfiguration(resolver: WebhookClient.Resolver(threads: .singleton))
        client.addressGuard = AddressGuard(allowed: ["127.0.0.0/8"].compactMap { Network($0) })
        let configuration = client
        return try await eventLoop.submit {
            let shared = SharedConnections(eventLoop: eventLoop, configuration: configuration, limits: limits)
            let pools = (0...greedy).map { _ in
                ConnectionPool(url: exchange.url, keptBody: 4_096, owner: nil, of: shared)
            }
            let rig = Rig(TokenSource(exchange, pool: pools[0]), pools.dropFirst().map { Greedy($0) }, shared)
            return NIOLoopBoundBox(rig, eventLoop: eventLoop)
        }.get()
    }

    @Test(
        "an answer without a token is told by what it lacks",
        arguments: [
            (400, #"{"error":"invalid_client"}"#, "answered 400: invalid_client"),
            (200, #"{"error":"x"}"#, "answered 200: x"),
            (500, "<html>", "answered 500 without an error's code"), (302, "", "answered 302: a redirection"),
            (200, "", "an empty body"), (200, "<html>", "is not JSON"), (200, #"{"token":"x"}"#, "has no access_token"),
            (200, #"{"access_token":7}"#, "is no string"),
            (200, #"{"access_token":"a b"}"#, "cannot be sent in a header"),
            (200, #"{"access_token":""}"#, "cannot be sent in a header"),
            (201, "{}", "answered 201, and the JSON has no access_token"), (204, "", "an empty body"),
            (200, String(repeating: "x", count: 64 * 1_024), "more than 64 KiB"),
        ])
    func lacks(_ status: Int, _ body: String, _ words: String) throws {
        var auth = WebhookAuth()
        (auth.kind, auth.clientID, auth.clientSecret, auth.tokenURL) = (
            .oauth2, "id", "secret", "https://a.example/token"
        )
        let exchange = try #require(TokenExchange(auth, wallClock: WallClock { 0 }))
        let answer = Outcome.response(status: status, body: Array(body.utf8), retryAfter: nil)
        guard case .failure(let failure) = exchange.read(answer) else {
            Issue.record("it has no token")
            return
        }
        #expect(failure.kind == "oauth2" && failure.description.contains(words), "\(failure)")
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
        try await rig.eventLoop.submit { rig.value.close() }.get()
        await receiver.stop()
    }

    @Test("pauses grow with every failure, and are over when the webhook is changed")
    func pauses() async throws {
        let receiver = try await Receiver.start()
        receiver.set(.answer(500), at: "/token")
        let rig = try await self.rig(receiver)
        // They begin at some time between.
        for (number, pause) in zip(1..., [1, 2, 4, 8, 16, 30, 30, 30].map { TimeAmount.seconds($0) }) {
            let before = NIODeadline.now()
            _ = try await self.told(number, by: rig) { rig in
                rig.source.fetch(now: max(.now(), rig.source.pausedUntil), rig.note("a"))
            }
            let (until, after) = try await rig.eventLoop.submit { (rig.value.source.pausedUntil, NIODeadline.now()) }
                .get()
            #expect(until - before >= pause && until - after <= pause)
        }
        _ = try await self.told(9, by: rig) { rig in
            rig.source.startAfresh()
            rig.source.fetch(now: .now(), rig.note("a"))
        }
        #expect(receiver.requests.count == 9)
        await receiver.stop()
    }

    @Test("a provider's wish to be left alone counts where it is longer than the pause, and ends with a change too")
    func leftAlone() async throws {
        let receiver = try await Receiver.start()
        let rig = try await self.rig(receiver)
        for (number, (asked, pause)) in zip(1..., [("600", 600), ("0", 2), ("90000", 3_600)] as [(String, Int64)]) {
            receiver.set(.reply(503, ["retry-after": asked]), at: "/token")
            let before = NIODeadline.now()
            _ = try await self.told(number, by: rig) { rig in
                rig.source.fetch(now: max(.now(), rig.source.pausedUntil), rig.note("a"))
            }
            let (until, after) = try await rig.eventLoop.submit { (rig.value.source.pausedUntil, NIODeadline.now()) }
                .get()
            #expect(until - before >= .seconds(pause) && until - after <= .seconds(pause))
        }
        let early = try await self.told(4, by: rig) { rig in
            rig.source.fetch(now: rig.source.pausedUntil - .nanoseconds(1), rig.note("b"))
        }
        #expect(early.last == "b: later" && receiver.requests.count == 3)
        receiver.set(.content(200, Self.good), at: "/token")
        let late = try await self.told(5, by: rig) { rig in
            rig.source.startAfresh()
            rig.source.fetch(now: .now(), rig.note("c"))
        }
        #expect(late.last == "c: Bearer abc")
        try await rig.eventLoop.submit { rig.value.close() }.get()
        await receiver.stop()
    }

    @Test("is kept until its time is over, and given up only where it is the one that was refused")
    func kept() async throws {
        let receiver = try await Receiver.start()
        receiver.set(.content(200, #"{"access_token":"abc","expires_in":1000}"#), at: "/token")
        let rig = try await self.rig(receiver)
        let before = NIODeadline.now()
        _ = try await self.told(1, by: rig) { rig in rig.source.fetch(now: .now(), rig.note("a")) }
        let after = NIODeadline.now()
        let known = try await rig.eventLoop.submit {
            let source = rig.value.source
            source.invalidate("Bearer another")
            let times = [before, before + .seconds(969), after + .seconds(970)]
            return times.map { source.authorization(now: $0) }
        }.get()
        #expect(known == ["Bearer abc", "Bearer abc", nil])
        let refused = try await rig.eventLoop.submit {
            rig.value.source.invalidate("Bearer abc")
            return rig.value.source.authorization(now: before)
        }.get()
        #expect(refused == nil)
        #expect(receiver.requests.count == 1)
        try await rig.eventLoop.submit { rig.value.close() }.get()
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

    @Test("come in turn where connections are short, however much others have to send")
    func turn() async throws {
        let receiver = try await Receiver.start()
        receiver.set(.content(200, Self.good), at: "/token")
        let rig = try await self.rig(receiver, greedy: 2, limits: ConnectionLimits(total: 1, origin: 1))
        let told = try await self.told(2, by: rig) { rig in
            for webhook in rig.greedy { webhook.send() }
            for who in ["a", "b"] { rig.source.fetch(now: .now(), rig.note(who)) }
        }
        #expect(told == ["a: Bearer abc", "b: Bearer abc"])
        #expect(receiver.requests(at: "/token").count == 1)
        try await rig.eventLoop.submit { rig.value.close() }.get()
        await receiver.stop()
    }

    @Test("are waited for in line only until the webhook is done with them")
    func closed() async throws {
        let receiver = try await Receiver.start()
        receiver.set(.hang, at: "/hook")
        let rig = try await self.rig(receiver, greedy: 1, limits: ConnectionLimits(total: 1, origin: 1))
        let told = try await self.told(3, by: rig) { rig in
            for webhook in rig.greedy { webhook.send() }
            for who in ["a", "b"] { rig.source.fetch(now: .now(), rig.note(who)) }
            rig.source.close()
            rig.source.fetch(now: .now(), rig.note("c"))
        }
        #expect(told == ["a: failed", "b: failed", "c: failed"])
        #expect(receiver.requests(at: "/token").isEmpty)
        try await rig.eventLoop.submit { rig.value.close() }.get()
        await receiver.stop()
    }
}
