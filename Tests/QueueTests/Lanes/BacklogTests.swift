import Domain
import StoreTestSupport
import Testing

@testable import Queue

@Suite("The end of a backlog")
struct BacklogTests {
    private let key = WebhookKey(rawValue: 1)

    /// A claim's end, and what the lane then does with the ledger.
    ///
    /// - Returns: whether the pen opens.
    private func endClaim(
        _ backlog: inout Backlog, isPartial: Bool, seesAllSpills: Bool, _ ledger: LaneLedger
    ) -> Bool {
        let action = backlog.endClaim(
            Backlog.Found(isPartial: isPartial, nextDue: nil, seesAllSpills: seesAllSpills), isOrdered: false,
            isSpilling: ledger.isSpilling(self.key))
        if action == .stopSpilling { ledger.stopSpilling(self.key) }
        return action == .openPen
    }

    @Test("opens the pen when a claim that sees everything has found it")
    func through() {
        let ledger = LaneLedger()
        ledger.startSpilling(self.key, of: .random())
        var backlog = Backlog()
        backlog.note()
        // Each line: what a claim comes back with, and whether the pen opens, new deliveries go into it, and still spill.
        for (isPartial, seesAllSpills, opens, pen, spills) in [
            (true, true, false, false, true), (false, true, false, true, false), (false, false, false, true, false),
            (true, true, false, true, false), (false, true, true, false, false),
        ] {
            #expect(backlog.wantsClaim(wallNow: 0))
            backlog.beginClaim()
            #expect(!backlog.wantsClaim(wallNow: 0))
            let didOpen = self.endClaim(&backlog, isPartial: isPartial, seesAllSpills: seesAllSpills, ledger)
            #expect(didOpen == opens)
            #expect(backlog.isCatchingUp == pen)
            #expect(ledger.isSpilling(self.key) == spills)
        }
        #expect(backlog.isEmpty)
    }

    /// One whose first claim has found the end, so that new deliveries go into the pen.
    private func catchingUp(_ ledger: LaneLedger) -> Backlog {
        ledger.startSpilling(self.key, of: .random())
        var backlog = Backlog()
        backlog.note()
        backlog.beginClaim()
        _ = self.endClaim(&backlog, isPartial: false, seesAllSpills: true, ledger)
        return backlog
    }

    @Test("starts over when the pen was full and something was spilled behind it")
    func spilledAgain() {
        let ledger = LaneLedger()
        var backlog = self.catchingUp(ledger)
        #expect(backlog.isCatchingUp)
        ledger.startSpilling(self.key, of: .random())
        backlog.beginClaim()
        let didOpen = self.endClaim(&backlog, isPartial: false, seesAllSpills: true, ledger)
        #expect(didOpen, "all that is older than the pen is out")
        #expect(backlog.wantsClaim(wallNow: 0), "what was spilled is next")
        #expect(!backlog.isCatchingUp)
        #expect(ledger.isSpilling(self.key), "and nothing may overtake it")
    }

    @Test("is claimed when the first of it falls due, in whatever order that is said, and again when a claim fails")
    func due() {
        var backlog = Backlog()
        backlog.note(due: 50)
        backlog.note(due: 20)
        backlog.note(due: 90)
        #expect(backlog.claimAt == 20)
        #expect(!backlog.wantsClaim(wallNow: 19) && backlog.wantsClaim(wallNow: 20))
        backlog.beginClaim()
        #expect(!backlog.wantsClaim(wallNow: 99))
        backlog.claimFailed()
        #expect(backlog.wantsClaim(wallNow: 0))
    }

    @Test("is behind what went back until a claim that began after that finds the end, and then catches up")
    func returned() {
        let ledger = LaneLedger()
        var backlog = Backlog()
        backlog.note()
        #expect(!backlog.isBehind, "what is left in the database is newer than what had its room")
        ledger.startSpilling(self.key, of: .random())
        backlog.noteReturned()
        // Each line: how a claim ends, nil if it fails, and whether it is behind after that, catches up, and still spills.
        for (isPartial, behind, pen, spills) in [
            (nil, true, false, true), (true, true, false, true), (false, false, true, false),
            (false, false, false, false),
        ] as [(Bool?, Bool, Bool, Bool)] {
            #expect(!backlog.isEmpty && backlog.wantsClaim(wallNow: 0), "it is claimed until the end")
            backlog.beginClaim()
            #expect(!backlog.missesReturned)
            if let isPartial {
                let opens = self.endClaim(&backlog, isPartial: isPartial, seesAllSpills: true, ledger)
                #expect(opens == (!behind && !pen))
            } else {
                backlog.claimFailed()
            }
            #expect(backlog.isBehind == behind)
            #expect(backlog.isCatchingUp == pen)
            #expect(ledger.isSpilling(self.key) == spills)
        }
        #expect(backlog.isEmpty)
    }

    @Test("does not take a claim's end for that of what went back while it was under way", arguments: [true, false])
    func returnedMeanwhile(isCatchingUp: Bool) {
        let ledger = LaneLedger()
        var backlog = isCatchingUp ? self.catchingUp(ledger) : Backlog()
        backlog.note()
        backlog.beginClaim()
        ledger.startSpilling(self.key, of: .random())
        backlog.noteReturned()
        #expect(backlog.missesReturned && !backlog.isCatchingUp, "what was in the pen went back too")
        #expect(!self.endClaim(&backlog, isPartial: false, seesAllSpills: true, ledger))
        #expect(backlog.missesReturned && backlog.isBehind && backlog.wantsClaim(wallNow: 0))
        #expect(ledger.isSpilling(self.key), "what comes in must not come before it")
        backlog.beginClaim()
        #expect(!self.endClaim(&backlog, isPartial: false, seesAllSpills: true, ledger))
        #expect(!backlog.isBehind && backlog.isCatchingUp && !ledger.isSpilling(self.key))
    }

    @Test("is behind no longer where order is strict, once a claim has found the end")
    func returnedInOrder() {
        var backlog = Backlog()
        backlog.noteReturned()
        backlog.beginClaim()
        let found = Backlog.Found(isPartial: false, nextDue: nil, seesAllSpills: true)
        #expect(backlog.endClaim(found, isOrdered: true, isSpilling: true) == .openPen)
        #expect(!backlog.isBehind && backlog.isEmpty)
    }

    @Test("knows of the claim before, also if another was wished for in vain, but not if its answer was lost")
    func connections() {
        var backlog = Backlog()
        #expect(backlog.connections == nil, "there was none")
        backlog.beginClaim()
        let found = Backlog.Found(isPartial: true, nextDue: nil, seesAllSpills: true, connections: 3)
        #expect(backlog.endClaim(found, isOrdered: true, isSpilling: false) == .nothing)
        #expect(backlog.connections == 3)
        backlog.beginClaim()
        backlog.withdrawClaim()
        #expect(backlog.connections == 3 && backlog.wantsClaim(wallNow: 0))
        backlog.beginClaim()
        backlog.claimFailed()
        #expect(backlog.connections == nil && backlog.wantsClaim(wallNow: 0))
    }

    @Test("gives up a pen that is empty and that nothing can come into")
    func emptyPen() {
        let ledger = LaneLedger()
        var backlog = self.catchingUp(ledger)
        backlog.penIsEmpty(isCutOff: ledger.isCutOff(self.key))
        #expect(backlog.isCatchingUp, "something may come yet")
        ledger.startSpilling(self.key, of: .random())
        backlog.beginClaim()
        let didOpen = self.endClaim(&backlog, isPartial: false, seesAllSpills: false, ledger)
        backlog.penIsEmpty(isCutOff: ledger.isCutOff(self.key))
        #expect(!didOpen && !backlog.isCatchingUp && backlog.wantsClaim(wallNow: 0))
        backlog.beginClaim()
        _ = self.endClaim(&backlog, isPartial: false, seesAllSpills: true, ledger)
        #expect(backlog.isCatchingUp && !ledger.isSpilling(self.key), "and looks for the end anew")
    }
}
