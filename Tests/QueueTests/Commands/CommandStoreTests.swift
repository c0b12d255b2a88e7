import Domain
import Postgres
import Registry
import StoreTestSupport
import TestSupport
import Testing
import Values

@testable import Queue
@testable import Schema

@Suite("Commands to things")
struct CommandStoreTests {
    private let fixture: Fixture
    private let thing = EntityID.random()

    init() async throws {
        self.fixture = try await Fixture()
        try await self.fixture.makeThing(self.thing)
    }

    /// As if it were so many seconds later.
    private func store(at seconds: Int64 = 0) -> CommandStore {
        var store = CommandStore(self.fixture.database)
        store.now = "(timestamptz '2030-01-01' + make_interval(secs => \(seconds)))"
        return store
    }

    @discardableResult
    private func post(
        _ payload: String, _ subtopic: String = "", key: String? = nil, deliver: Command.Deliver = .now,
        retained: Bool = false, by sender: CommandSender = .user("u"), expiresIn: Int64 = 1_000, at seconds: Int64 = 0,
        limits: CommandLimits = CommandLimits()
    ) async throws -> EntityID {
        let command = Command(
            id: .random(), group: self.fixture.group, thing: self.thing, subtopic: subtopic,
            payload: Array(payload.utf8), key: key, deliver: deliver, isRetained: retained)
        let record = try await self.store(at: seconds)
            .post(command, by: sender, expiresIn: .seconds(expiresIn), limits: limits)
        #expect(record.state == .pending && record.command.payload == command.payload)
        return command.id
    }

    /// The payloads of what is taken, and settles it.
    private func go(_ result: CommandReport.Result? = .heard, at seconds: Int64 = 0) async throws -> [String] {
        let store = self.store(at: seconds)
        let jobs = try await store.take(lease: .seconds(15))
        if let result { try await store.settle(jobs.map { CommandReport($0.number, $0.isWanted ? result : .cleared) }) }
        return jobs.map { ($0.isWanted ? "" : "clear ") + String(decoding: $0.command.payload, as: UTF8.self) }
    }

    private func state(_ id: EntityID) async throws -> Command.State? { try await self.store().find(id)?.state }

    @Test("are for things of the group alone")
    func ofAnotherGroup() async throws {
        for (group, thing) in [(EntityID.random(), self.thing), (self.fixture.group, EntityID.random())] {
            let command = Command(id: .random(), group: group, thing: thing, subtopic: "", payload: [], deliver: .now)
            await #expect(throws: CommandRefusal.noThing) {
                try await self.store().post(
                    command, by: .user("u"), expiresIn: .seconds(9), limits: CommandLimits())
            }
        }
        #expect(try await self.fixture.count("SELECT count(*) FROM commands") == 0)
    }

    @Test("that an instance has in hand, and the broker is to keep, are cleared when their thing is gone")
    func inHand() async throws {
        try await self.post("1", retained: true)
        let jobs = try await self.store().take(lease: .seconds(15))
        let things = ThingStore(self.fixture.database, box: self.fixture.box)
        #expect(try await things.remove(self.thing, from: self.fixture.group))
        try await self.store().settle([CommandReport(jobs[0].number, .heard)])
        #expect(try await self.go(at: 1) == ["clear 1"])
    }

    @Test("go out in their order, once, by one instance at a time, and again if it has gone")
    func taken() async throws {
        let ids = [try await self.post("1"), try await self.post("2")]
        #expect(try await self.go(nil) == ["1", "2"])
        try await self.post("3")
        #expect(try await self.go(at: 14) == [], "another has some of the thing's in hand")
        #expect(try await self.go(at: 16) == ["1", "2", "3"], "it was killed")
        #expect(try await self.go(at: 60) == [])
        for id in ids { #expect(try await self.state(id) == .published) }
        let together = try await withThrowingTaskGroup(of: [String].self) { group -> [String] in
            for number in 0..<20 { try await self.post("\(number)", at: 60) }
            for _ in 0..<4 { group.addTask { try await self.go(nil, at: 61) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(together == (0..<20).map { "\($0)" })
    }

    @Test("wait until their thing is heard of, where nobody was subscribed or they are to")
    func seen() async throws {
        let id = try await self.post("now")
        #expect(try await self.go(.unheard) == ["now"])
        #expect(try await self.store().awaited() == [])
        #expect(try await self.go(.unheard, at: 1) == ["now"], "once more after a second")
        #expect(try await self.state(id) == .pending)
        #expect(try await self.go(at: 500) == [])
        try await self.post("later", deliver: .whenSeen)
        #expect(try await self.store().awaited() == [self.thing])
        #expect(try await self.go(at: 2) == [])
        #expect(try await self.store(at: 2).seen([EntityID.random()]) == 0)
        #expect(try await self.store(at: 2).seen([self.thing]) == 2)
        #expect(try await self.go(at: 2) == ["now", "later"])
        #expect(try await self.state(id) == .published)
        #expect(try await self.store().find(id)?.problem == nil)
        #expect(try await self.store().awaited() == [])

        let stubborn = try await self.post("until", deliver: .untilAnswered, at: 3)
        #expect(try await self.go(at: 3) == ["until"])
        #expect(try await self.store(at: 4).seen([self.thing]) == 0, "it has a moment to answer")
        #expect(try await self.store(at: 40).seen([self.thing]) == 1)
        #expect(try await self.go(at: 40) == ["until"])
        let answer = try #require(CommandAnswer("things/\(self.thing)/messages/answers/\(stubborn)"))
        #expect(try await self.store(at: 41).answered(answer, with: [1]) == stubborn)
        #expect(try await self.store(at: 99).seen([self.thing]) == 0)
    }

    @Test("that nobody was subscribed for go before a later one, which may find that their thing has come")
    func former() async throws {
        try await self.post("1")
        #expect(try await self.go(.unheard) == ["1"])
        try await self.post("2")
        #expect(try await self.go(.unheard) == ["1", "2"])
        try await self.post("3", at: 5)
        #expect(try await self.go(.unheard, at: 5) == ["1", "2", "3"])
        try await self.post("later", deliver: .whenSeen, at: 5)
        #expect(try await self.go(at: 5) == [], "it is no sign that the thing is there")
        try await self.post("4", at: 5)
        #expect(try await self.go(at: 5) == ["1", "2", "3", "4"])
        #expect(try await self.store(at: 6).seen([self.thing]) == 1)
        #expect(try await self.go(at: 6) == ["later"])
    }

    @Test(
        "are replaced by key, cancelled and expired as long as nobody has them, and taken off their topic if the broker keeps them"
    )
    func ended() async throws {
        let first = try await self.post("1", key: "k", deliver: .whenSeen)
        let other = try await self.post("2", key: "other", deliver: .whenSeen)
        let second = try await self.post("3", key: "k")
        #expect(try await self.state(first) == .replaced)
        #expect(try await self.state(other) == .pending)
        #expect(try await self.go(nil) == ["3"])
        try await self.post("4", key: "k", deliver: .whenSeen)
        #expect(try await self.state(second) == .pending, "it is on its way")
        #expect(try await self.store().cancel(second) == .tooLate)
        #expect(try await self.go(at: 16) == ["3"])
        #expect(try await self.store(at: 16).cancel(second) == .tooLate)
        #expect(try await self.store(at: 16).cancel(other) == .cancelled)
        #expect(try await self.store(at: 16).cancel(other) == .tooLate)
        #expect(try await self.store(at: 2_000).expire() == 1, "what was published is no less so")
        #expect(try await self.state(second) == .published)

        let kept = try await self.post("5", "led", key: "led", retained: true, at: 2_000)
        #expect(try await self.go(at: 2_000) == ["5"])
        let next = try await self.post("6", "led", key: "led", retained: true, at: 2_000)
        #expect(try await self.state(kept) == .replaced)
        let jobs = try await self.store(at: 2_000).take(lease: .seconds(15))
        #expect(jobs.map(\.isWanted) == [false, true])
        #expect(try await self.store().isSuperseded(jobs[0]), "the next takes its place")
        try await self.store(at: 2_000).settle([.init(jobs[0].number, .cleared), .init(jobs[1].number, .heard)])
        #expect(try await self.store(at: 2_001).cancel(next) == .cancelled)
        #expect(try await self.go(at: 2_001) == ["clear 6"])
        #expect(try await self.go(at: 2_002) == [])
    }

    @Test("are answered once, by id or the newest of a subtopic, and end what is repeated and kept")
    func answered() async throws {
        let ids = [try await self.post("1", "led"), try await self.post("2", "led", retained: true)]
        _ = try await self.go()
        func answer(_ rest: String, _ text: String, of thing: EntityID? = nil) async throws -> EntityID? {
            let answer = try #require(CommandAnswer("things/\(thing ?? self.thing)/messages/answers/\(rest)"))
            return try await self.store(at: 1).answered(answer, with: Array(text.utf8))
        }
        #expect(try await answer("\(ids[1])", "not mine", of: .random()) == nil)
        #expect(try await answer("pump", "?") == nil)
        #expect(try await answer("led", "a") == ids[1])
        #expect(try await answer("\(ids[1])", "again") == nil)
        #expect(try await answer("led", "b") == ids[0])
        #expect(try await answer("led", "c") == nil)
        let (waiting, gone) = (try await self.post("3", "led"), EntityID.random())
        let ended = try await self.store().ended(of: ids + [waiting, gone])
        #expect(
            Dictionary(uniqueKeysWithValues: ended.map { ($0.command, $0.answer) })
                == [ids[0]: Array("b".utf8), ids[1]: Array("a".utf8), gone: nil])
        #expect(try await self.store().cancel(waiting) == .cancelled)
        #expect(try await self.store().ended(of: [waiting]).map(\.answer) == [nil])
        #expect(try await self.go(at: 2) == ["clear 2"])
        let page = try await self.store().list(
            of: self.thing, in: self.fixture.group, state: .answered, from: PageStart(), limit: 1)
        #expect(page.total == 2 && page.items.map(\.command.id) == [ids[1]])
        let behind = PageStart(try #require(page.next))
        let rest = try await self.store().list(
            of: self.thing, in: self.fixture.group, state: nil, from: behind, limit: 9)
        #expect(rest.items.map(\.command.id) == [ids[0]] && rest.next == nil)
    }

    @Test("are bounded for a thing, a group and receivers, and end where answers lead to commands again and again")
    func bounded() async throws {
        var limits = CommandLimits()
        limits.perThing = 2
        try await self.post("1", limits: limits)
        try await self.post("2", limits: limits)
        await #expect(throws: CommandRefusal.tooManyOfThing(2)) { try await self.post("3", limits: limits) }
        (limits.perThing, limits.perGroup) = (9, 2)
        await #expect(throws: CommandRefusal.tooManyOfGroup(2)) { try await self.post("3", limits: limits) }
        _ = try await self.go()
        limits.perThing = 1
        try await self.post("those that were published do not count", limits: limits)
        _ = try await self.go()

        let webhook = EntityID.random()
        var last = try await self.post("by a message", by: .receiver(webhook: webhook, of: nil), at: 100)
        for hop in 1...Int16(4) {
            last = try await self.post("\(hop)", by: .receiver(webhook: webhook, of: .command(last)), at: 100)
            #expect(try await self.store().find(last)?.hops == hop)
        }
        let tooFar = CommandSender.receiver(webhook: webhook, of: .command(last))
        await #expect(throws: CommandRefusal.tooManyHops(4)) { try await self.post("5", by: tooFar, at: 100) }
        for _ in 5..<60 { try await self.post("more", by: .receiver(webhook: webhook, of: nil), at: 100) }
        await #expect(throws: CommandRefusal.tooManyOfReceivers(60)) {
            try await self.post("more", by: .receiver(webhook: webhook, of: nil), at: 100)
        }
        try await self.post("a minute later", by: .receiver(webhook: webhook, of: nil), at: 161)
    }

    @Test(
        "go with their thing, those that the broker keeps when it keeps them no more, and are forgotten after a while")
    func removed() async throws {
        try await self.post("1", deliver: .whenSeen)
        try await self.post("2", retained: true)
        #expect(try await self.go() == ["2"])
        let thing = self.thing
        try await self.fixture.database.pool.transaction { db in
            _ = try Removal.things("t.id = \(thing)", on: db)
        }
        #expect(try await self.fixture.count("SELECT count(*) FROM commands") == 1)
        // By the real clock, which is before the one of this test.
        #expect(try await self.go(.cleared) == ["clear 2"])
        _ = try await HousekeepingStore(self.fixture.database).sweep(keepFailed: .seconds(60))
        #expect(try await self.fixture.count("SELECT count(*) FROM commands") == 0)
    }

    @Test("wait for answers without holding anything, in bounded number, and no longer than they may")
    func board() async throws {
        let board = AnswerBoard(most: 1)
        let id = EntityID.random()
        let answer = try await board.answer(to: id, within: .seconds(60)) {
            #expect(board.commands.isEmpty, "what is not sent yet is not looked for")
            await #expect(throws: AnswerBoard.Full.self) {
                try await board.answer(to: .random(), within: .seconds(60)) { Issue.record("it was sent") }
            }
            board.post([1], to: id)
            board.post([2], to: id)
        }
        #expect(answer == [1] && board.commands.isEmpty)
        #expect(try await board.answer(to: id, within: .milliseconds(1)) {} == nil)
        async let ended = board.answer(to: id, within: .seconds(3_600)) {}
        while board.commands != [id] { try await Task.sleep(for: .milliseconds(5)) }
        board.post(nil, to: id)
        #expect(try await ended == nil && board.commands.isEmpty)
        #expect(try await board.answer(to: id, within: .seconds(60)) { board.close() } == nil)
        await #expect(throws: AnswerBoard.Full.self) { try await board.answer(to: id, within: .seconds(1)) {} }
    }
}
