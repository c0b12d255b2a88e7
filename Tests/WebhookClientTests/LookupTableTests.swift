import Domain
import NIOCore
import Testing

@testable import WebhookClient

@Suite("Whose host is looked up next")
struct LookupTableTests {
    private let loud = EntityID.random()
    private let quiet = EntityID.random()
    private static let address = try? SocketAddress(ipAddress: "192.0.2.1", port: 0)
    private static var good: LookupAnswer { .success([Self.address].compactMap { $0 }) }

    private func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(1) + .seconds(seconds) }

    /// A table in which these ask, and what it starts.
    private func table(_ limits: LookupLimits = LookupLimits()) -> LookupTable<Int> { LookupTable(limits: limits) }

    private func isWaiting(_ asked: LookupTable<Int>.Asked) -> Bool { if case .waits = asked { true } else { false } }

    private func answer(_ asked: LookupTable<Int>.Asked) -> LookupAnswer? {
        if case .answered(let answer) = asked { answer } else { nil }
    }

    private func started(_ table: inout LookupTable<Int>, now: NIODeadline) -> [String] {
        var names: [String] = []
        while let name = table.start(now: now) { names.append(name) }
        return names
    }

    @Test("one lookup serves all who wait for the host, and those who come while it is remembered")
    func shared() {
        var table = self.table()
        for waiter in 1...3 { #expect(self.isWaiting(table.ask("a", for: self.loud, waiter, now: self.at(0)))) }
        #expect(self.isWaiting(table.ask("a", for: self.quiet, 4, now: self.at(0))))
        #expect(self.started(&table, now: self.at(0)) == ["a"])
        #expect(self.isWaiting(table.ask("a", for: self.loud, 5, now: self.at(1))))
        #expect(self.started(&table, now: self.at(1)) == [])
        #expect(table.finish("a", Self.good, now: self.at(1)) == [1, 2, 3, 4, 5])
        #expect(self.answer(table.ask("a", for: self.loud, 6, now: self.at(5))) == Self.good)
        #expect(self.isWaiting(table.ask("a", for: self.loud, 7, now: self.at(6))))
        #expect(self.started(&table, now: self.at(6)) == ["a"])
    }

    @Test("a failure is remembered too, for less long")
    func failures() {
        for failure in [LookupFailure.noSuchHost("x"), .unanswered("x")] {
            var table = self.table()
            let name = "\(failure)"
            _ = table.ask(name, for: self.loud, 1, now: self.at(0))
            #expect(table.start(now: self.at(0)) == name)
            _ = table.finish(name, .failure(failure), now: self.at(0))
            #expect(self.answer(table.ask(name, for: self.loud, 1, now: self.at(1))) == .failure(failure))
            #expect(self.isWaiting(table.ask(name, for: self.loud, 1, now: self.at(2))))
        }
    }

    @Test("however many hosts one group waits for, threads are left for the others")
    func bounded() {
        var table = self.table()
        for number in 0..<100 { _ = table.ask("loud\(number)", for: self.loud, number, now: self.at(0)) }
        #expect(self.started(&table, now: self.at(0)).count == LookupLimits().threadsPerOwner)
        _ = table.ask("quiet", for: self.quiet, 0, now: self.at(0))
        #expect(self.started(&table, now: self.at(0)) == ["quiet"])
    }

    @Test("where all threads are taken groups take turns, however long a line is and whoever asked for a host first")
    func turns() {
        var limits = LookupLimits()
        limits.threads = 1
        var table = self.table(limits)
        for name in ["1", "2", "3", "both"] { _ = table.ask(name, for: self.loud, 0, now: self.at(0)) }
        for name in ["both", "4"] { _ = table.ask(name, for: self.quiet, 0, now: self.at(0)) }
        var order: [String] = []
        while let name = table.start(now: self.at(0)) {
            order.append(name)
            #expect(table.start(now: self.at(0)) == nil)
            _ = table.finish(name, Self.good, now: self.at(0))
        }
        #expect(order == ["1", "both", "2", "4", "3"])
    }

    @Test("hosts that were slow lately come last and have a few of the threads, until they are quick again")
    func slow() {
        var limits = LookupLimits()
        limits.threadsForSlow = 2
        var table = self.table(limits)
        let groups = (0..<4).map { _ in EntityID.random() }
        for (number, group) in groups.enumerated() {
            _ = table.ask("slow\(number)", for: group, 0, now: self.at(0))
            #expect(table.start(now: self.at(0)) == "slow\(number)")
            _ = table.finish("slow\(number)", .silence, now: self.at(20))
        }
        for (number, group) in groups.enumerated() { _ = table.ask("slow\(number)", for: group, 0, now: self.at(30)) }
        _ = table.ask("quick", for: self.quiet, 0, now: self.at(30))
        #expect(self.started(&table, now: self.at(30)) == ["quick", "slow0", "slow1"])
        // One of them has recovered, and is one of many from then on.
        _ = table.finish("slow0", Self.good, now: self.at(31))
        #expect(self.started(&table, now: self.at(31)) == ["slow2"])
        _ = table.ask("slow0", for: groups[0], 0, now: self.at(40))
        #expect(self.started(&table, now: self.at(40)) == ["slow0"])
    }

    @Test("a host is slow from two seconds on, well before nobody waits for it any more")
    func slowness() {
        for (seconds, order) in [(1, ["a", "b"]), (2, ["b", "a"]), (3, ["b", "a"])] as [(Int64, [String])] {
            var table = self.table()
            _ = table.ask("a", for: self.loud, 0, now: self.at(0))
            #expect(table.start(now: self.at(0)) == "a")
            _ = table.finish("a", Self.good, now: self.at(seconds))
            _ = table.ask("a", for: self.loud, 0, now: self.at(30))
            _ = table.ask("b", for: self.quiet, 0, now: self.at(30))
            #expect(self.started(&table, now: self.at(30)) == order, "\(seconds)")
        }
    }

    @Test("of one group's slow hosts one is looked up at a time, so that its good ones are found")
    func slowOfOne() {
        var table = self.table()
        for name in ["a", "b", "c"] { _ = table.ask(name, for: self.loud, 0, now: self.at(0)) }
        for name in self.started(&table, now: self.at(0)) { _ = table.finish(name, .silence, now: self.at(20)) }
        for name in ["a", "b", "c", "good"] { _ = table.ask(name, for: self.loud, 0, now: self.at(30)) }
        #expect(self.started(&table, now: self.at(30)) == ["good", "a"])
    }

    @Test("a lookup that takes too long keeps its thread, but nobody waits for it")
    func patience() {
        var limits = LookupLimits()
        limits.threads = 1
        var table = self.table(limits)
        guard case .waits(let first) = table.ask("mute", for: self.loud, 1, now: self.at(0)),
            case .waits(let behind) = table.ask("behind", for: self.loud, 2, now: self.at(0))
        else {
            Issue.record("nobody waits")
            return
        }
        #expect(table.start(now: self.at(0)) == "mute")
        #expect(table.giveUp(first) == 1 && table.giveUp(first) == nil && table.giveUp(behind) == 2)
        #expect(self.answer(table.ask("mute", for: self.quiet, 3, now: self.at(10))) == .silence)
        #expect(table.start(now: self.at(10)) == nil)
        #expect(table.finish("mute", .silence, now: self.at(30)) == [])
        // Whom nobody waits for is not looked up.
        #expect(table.start(now: self.at(30)) == nil)
        #expect(self.isWaiting(table.ask("behind", for: self.loud, 4, now: self.at(30))))
        #expect(table.start(now: self.at(30)) == "behind")
    }

    @Test("what is remembered is bounded, and so is what one group waits for")
    func memory() {
        var limits = LookupLimits()
        (limits.mostHosts, limits.mostHostsWaitingPerOwner, limits.threads) = (4, 3, 0)
        var table = self.table(limits)
        for number in 0..<3 { #expect(self.isWaiting(table.ask("\(number)", for: self.loud, 0, now: self.at(0)))) }
        #expect(self.answer(table.ask("3", for: self.loud, 0, now: self.at(0))) == .tooMany)
        #expect(self.isWaiting(table.ask("4", for: self.quiet, 0, now: self.at(0))))
        #expect(self.answer(table.ask("5", for: self.quiet, 0, now: self.at(0))) == .tooMany)
        limits.threads = 16
        var roomy = self.table(limits)
        for number in 0..<100 {
            #expect(self.isWaiting(roomy.ask("\(number)", for: self.loud, 0, now: self.at(0))))
            #expect(roomy.start(now: self.at(0)) == "\(number)")
            _ = roomy.finish("\(number)", Self.good, now: self.at(0))
        }
    }
}
