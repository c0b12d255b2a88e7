import Domain
import LocalServices
import NIOCore
import NIOPosix
import Synchronization
import TestSupport
import Testing

@testable import WebhookClient

private final class Counts: Sendable {
    private let counts: Mutex<[Int]>
    init(_ count: Int) { self.counts = Mutex(Array(repeating: 0, count: count)) }
    var all: [Int] { self.counts.withLock { $0 } }
    func add(to index: Int) { self.counts.withLock { $0[index] += 1 } }
}

@Suite("Connections that webhooks share")
struct SharedConnectionsTests {
    @Test("are shared out: to one three quarters of what the others leave")
    func shares() {
        // Of 16: in use, the asking one's own, whether it may have another.
        let cases: [(busy: Int, mine: Int, may: Bool)] = [
            (0, 0, true), (11, 11, true), (12, 12, false), (11, 0, true), (15, 0, true), (16, 0, false), (12, 1, true),
            (14, 1, true), (15, 1, false), (11, 3, true), (11, 5, true), (12, 8, true), (13, 9, false),
        ]
        for (busy, mine, may) in cases {
            var use = ConnectionUse(most: 16)
            for _ in 0..<busy { use.begin(.answering) }
            for standing in [Standing.answering, .other] {
                #expect(use.permitsAnother(to: mine, standing) == may, "\(mine) of \(busy)")
            }
        }
    }

    @Test(
        "are three quarters at the most with those that were not answered, who they are being told by their last request"
    )
    func doubtful() {
        var use = ConnectionUse(most: 16)
        for _ in 0..<12 {
            #expect(use.permitsAnother(to: 0, .other))
            use.begin(.other)
        }
        #expect(!use.permitsAnother(to: 0, .other) && use.permitsAnother(to: 0, .answering))
        // One that has three of them is answered.
        use.end(.other)
        use.change(2, to: .answering)
        for _ in 0..<3 {
            #expect(use.permitsAnother(to: 0, .other))
            use.begin(.other)
        }
        #expect(!use.permitsAnother(to: 0, .other) && use.busy == 14)
    }

    @Test("however many want them never pass the bound, and leave something to who is answered until all are in use")
    func property() {
        var generator = Seeded(17)
        for most in [1, 2, 3, 4, 7, 16, 100] {
            var (use, held) = (ConnectionUse(most: most), Array(repeating: 0, count: 12))
            for _ in 0..<5_000 {
                let one = held.indices.randomElement(using: &generator) ?? 0
                // The first half hangs: nothing of it ends but rarely.
                if held[one] > 0, Bool.random(using: &generator),
                    one >= 6 || Int.random(in: 0..<20, using: &generator) == 0
                {
                    held[one] -= 1
                    use.end(one < 6 ? .other : .answering)
                } else if use.permitsAnother(to: held[one], one < 6 ? .other : .answering) {
                    held[one] += 1
                    use.begin(one < 6 ? .other : .answering)
                }
                #expect(use.busy <= most && held.reduce(0, +) == use.busy)
                #expect(use.busy == most || use.permitsAnother(to: 0, .answering))
                #expect(held[..<6].reduce(0, +) <= most - most / 4)
            }
        }
    }

    @Test("leave half of all to those that have no more than sixteen, however many others have")
    func beyond() {
        let limits = ConnectionLimits(total: 400, origin: 400)
        var (use, held) = (ConnectionUse(most: limits.total, beyond: limits.beyond), Array(repeating: 0, count: 8))
        // Everybody takes what there is, in turn, until nobody may have more; and nothing of it ends.
        while let one = held.indices.filter({ use.permitsAnother(to: held[$0], .answering) }).min(by: {
            held[$0] < held[$1]
        }) {
            use.begin(.answering, beside: held[one])
            held[one] += 1
        }
        #expect(held.allSatisfy { $0 > 16 } && use.beyond <= 200 && use.busy <= 8 * 16 + 200, "\(held)")
        for _ in 0..<4 {
            for mine in 0..<16 {
                #expect(use.permitsAnother(to: mine, .answering) || use.busy > 350)
                use.begin(.answering, beside: mine)
            }
        }
        for one in held.indices {
            while held[one] > 0 {
                held[one] -= 1
                use.end(.answering, leaving: held[one])
            }
        }
        #expect(use.beyond == 0 && use.permitsAnother(to: 100, .answering))
    }

    @Test("have a bound that follows from the descriptors, a part of it for each event loop")
    func limits() {
        #expect(ConnectionLimits(descriptors: 1_024, origin: 512).total == 618)
        #expect(ConnectionLimits(descriptors: 10, origin: 512) == ConnectionLimits(total: 64, origin: 64))
        #expect(ConnectionLimits(total: 1_000, origin: 512).beyond == 500)
        #expect(ConnectionLimits(total: 65_536, origin: 512).share(of: 2).beyond == ConnectionLimits.mostBeyond / 2)
        for (whole, loops, expected) in [
            (ConnectionLimits(total: 100, origin: 30), 4, ConnectionLimits(total: 25, origin: 7)),
            (ConnectionLimits(total: 3, origin: 3), 8, ConnectionLimits(total: 1, origin: 1)),
        ] {
            var share = whole.share(of: loops)
            share.unfinished = expected.unfinished
            #expect(share == expected)
        }
    }

    @Test("lead to one receiver for all its webhooks, which use them in turn")
    func shared() async throws {
        let server = try await TellingServer.start()
        let loop = try await Webhooks.start()
        for round in 0..<4 {
            for webhook in 0..<3 {
                let outcome = try await loop.send("/\(webhook)-\(round)", by: webhook, port: server.port)
                #expect(outcome.text == "/\(webhook)-\(round)")
            }
        }
        #expect(server.connections == 1)
        try await loop.close()
        try await server.stop()
    }

    @Test("are closed when nobody has used them for a while")
    func idle() async throws {
        let server = try await TellingServer.start()
        let loop = try await Webhooks.start { $0.idleTimeout = .milliseconds(50) }
        #expect(try await loop.send("/a", by: 0, port: server.port).text == "/a")
        try await waitUntil("it to be closed") { try await loop.count() == 0 }
        #expect(try await loop.send("/b", by: 0, port: server.port).text == "/b")
        #expect(server.connections == 2)
        try await loop.close()
        try await server.stop()
    }

    @Test("go to another group only when nothing has come behind the last answer for a while")
    func settled() async throws {
        let server = try await TellingServer.start()
        let loop = try await Webhooks.start()
        let (group, other, third) = (EntityID.random(), EntityID.random(), EntityID.random())
        // Before anything was answered.
        let start = NIODeadline.now()
        for webhook in 0..<2 {
            #expect(try await loop.send("/a", by: webhook, of: group, port: server.port, at: start).text == "/a")
        }
        #expect(server.connections == 1, "the group's own")
        #expect(try await loop.send("/b", by: 2, of: other, port: server.port, at: start).text == "/b")
        #expect(server.connections == 2)
        let later = NIODeadline.now() + .seconds(1)
        #expect(try await loop.send("/c", by: 3, of: third, port: server.port, at: later).text == "/c")
        #expect(server.connections == 2)
        try await loop.close()
        try await server.stop()
    }

    @Test("are not shared with a group that may reach other networks")
    func networks() async throws {
        let server = try await TellingServer.start()
        let loop = try await Webhooks.start(allowing: [])
        let (open, shut) = (["127.0.0.0/8"].compactMap { Network($0) }, [Network]())
        #expect(try await loop.send("/a", by: 0, port: server.port, networks: open).text == "/a")
        // There is a connection, and it is not this one's.
        #expect(try await loop.send("/b", by: 1, port: server.port, networks: shut).failure?.kind == "address")
        #expect(try await loop.send("/c", by: 0, port: server.port, networks: open).text == "/c")
        #expect(server.connections == 1)
        try await loop.close()
        try await server.stop()
    }

    @Test("carry one request at a time: whatever ends, times out or is cut off, nobody gets another's answer")
    func neverCrossed() async throws {
        let server = try await TellingServer.start()
        let loop = try await Webhooks.start(limits: ConnectionLimits(total: 6, origin: 6)) {
            $0.firstByteTimeout = .milliseconds(300)
            $0.totalTimeout = .seconds(5)
        }
        let answers = Counts(1)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for webhook in 0..<10 {
                group.addTask {
                    for round in 0..<40 {
                        // Some are never answered, some late, some twice, some cut off in the middle, some closed behind.
                        let kind = ["ok", "ok", "ok", "late", "twice", "cut", "close", "hang"][
                            (webhook * 7 + round) % 8]
                        let path = "/\(kind)/\(webhook)-\(round)"
                        let outcome = try await loop.sendInTurn(path, by: webhook, port: server.port)
                        #expect(try await loop.count() <= 6)
                        if let text = outcome.text {
                            #expect(text == path || kind == "cut")
                            answers.add(to: 0)
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(answers.all[0] > 200)
        try await loop.close()
        try await server.stop()
    }

    @Test("that hang leave the others theirs, however many hang")
    func hanging() async throws {
        let server = try await TellingServer.start()
        let loop = try await Webhooks.start(limits: ConnectionLimits(total: 8, origin: 8))
        #expect(try await loop.send("/ok/first", by: 100, port: server.port).status == 200)
        for webhook in 0..<20 { try await loop.start("/hang/\(webhook)", by: webhook, port: server.port) }
        try await waitUntil("those that hang to have all they get") { server.requests >= 7 }
        for round in 0..<20 {
            let path = "/ok/\(round)"
            #expect(try await loop.sendInTurn(path, by: 100, port: server.port).text == path)
        }
        #expect(server.requests == 27, "six that hang, and the one that does not")
        // When one of them ends another has its turn.
        try await loop.close(0)
        try await waitUntil("the next of those that hang") { server.requests == 28 }
        try await loop.close()
        try await server.stop()
    }

    @Test("are bounded over all receivers: idle ones are closed for those that are wanted")
    func bounded() async throws {
        var servers: [TellingServer] = []
        for _ in 0..<12 { servers.append(try await TellingServer.start()) }
        let loop = try await Webhooks.start(limits: ConnectionLimits(total: 4, origin: 4))
        for round in 0..<3 {
            for (webhook, server) in servers.enumerated() {
                #expect(try await loop.send("/\(round)", by: webhook, port: server.port).text == "/\(round)")
                #expect(try await loop.count() <= 4)
            }
        }
        #expect(servers.map(\.connections).reduce(0, +) > 12, "they were closed and opened again")
        try await loop.close()
        for server in servers { try await server.stop() }
    }

    @Test("are taken in turn where there are too few, by webhooks that each have much to send")
    func turns() async throws {
        let server = try await TellingServer.start()
        let loop = try await Webhooks.start(limits: ConnectionLimits(total: 2, origin: 2))
        let counts = Counts(5)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for webhook in 0..<5 {
                group.addTask {
                    for round in 0..<50 {
                        _ = try await loop.sendInTurn("/late/\(webhook)-\(round)", by: webhook, port: server.port)
                        counts.add(to: webhook)
                        // Nobody is far behind while all still have something.
                        let all = counts.all
                        if all.allSatisfy({ $0 < 50 }) { #expect((all.max() ?? 0) - (all.min() ?? 0) < 25) }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(server.mostOpen <= 3)
        try await loop.close()
        try await server.stop()
    }

    @Test("go to each owner in turn, however many webhooks of one wait")
    func owners() async throws {
        let server = try await TellingServer.start()
        let loop = try await Webhooks.start(limits: ConnectionLimits(total: 1, origin: 1))
        let (crowd, other) = (EntityID.random(), EntityID.random())
        // While the one connection is in use, all stand in line.
        _ = try await loop.enqueue("/hang/0", by: 0, of: crowd, port: server.port)
        let order = Mutex<[Int]>([])
        var outcomes: [EventLoopFuture<Outcome>] = []
        for webhook in 1...10 {
            let owner = webhook == 10 ? other : crowd
            let outcome = try await loop.enqueue("/\(webhook)", by: webhook, of: owner, port: server.port)
            outcomes.append(outcome.always { _ in order.withLock { $0.append(webhook) } })
        }
        try await loop.close(0)
        for (index, outcome) in outcomes.enumerated() {
            #expect(try await outcome.get().text == "/\(index + 1)")
        }
        #expect(order.withLock { $0 } == [1, 10, 2, 3, 4, 5, 6, 7, 8, 9])
        try await loop.close()
        try await server.stop()
    }
}
