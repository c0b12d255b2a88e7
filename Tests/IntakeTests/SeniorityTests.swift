import Testing

@testable import Intake

@Suite("How old a subscription is")
struct SeniorityTests {
    private func restarted(
        recorded: Set<Int32>?, known: Set<Int32>, following: [Int32], refused: Set<Int32> = []
    ) -> Seniority {
        var seniority = Seniority(recorded: recorded, known: known, following: following)
        #expect(seniority.senior.isEmpty, "before the broker has answered nothing is known")
        seniority.answer(granted: Set(following).subtracting(refused), refused: refused)
        return seniority
    }

    @Test(
        "is known of what was granted before all later ones, and is granted still",
        arguments: [
            // Of a client that the broker does not know, and of one of which nothing was written.
            (nil, [], [1, 2, 3], [], [1, 2, 3]), (nil, [1, 2], [1, 2, 3], [], [1, 2, 3]),
            (nil, [1, 2], [1, 2], [1], [2]), ([], [1, 2], [1, 2], [], []), ([], [1, 2], [1, 2], [1], []),
            // Of one that is recorded, and that the broker cannot have.
            ([1, 2], [2], [1, 2], [], [2]),
            // After a restart.
            ([1, 2], [1, 2], [1, 2], [], [1, 2]), ([1, 2], [1, 2], [1, 2], [1], [2]), ([1, 2], [1, 2], [2], [], [2]),
            // One that was refused before, or whose number is smaller than others that the broker has.
            ([2], [1, 2], [1, 2], [], [2]), ([2], [2], [1, 2], [], [2]),
            // One that is new.
            ([1, 2], [1, 2], [1, 2, 3], [], [1, 2, 3]), ([1, 2], [1, 2], [1, 2, 3], [3], [1, 2]),
        ] as [(Set<Int32>?, Set<Int32>, [Int32], Set<Int32>, Set<Int32>)])
    func restart(
        recorded: Set<Int32>?, known: Set<Int32>, following: [Int32], refused: Set<Int32>, senior: Set<Int32>
    ) {
        let seniority = self.restarted(recorded: recorded, known: known, following: following, refused: refused)
        #expect(seniority.senior == senior && seniority.recorded == senior)
        #expect(seniority.junior == Set(following).subtracting(refused).subtracting(senior))
    }

    @Test("of one that was refused at first is known once a message has come by it")
    func refused() {
        var seniority = self.restarted(recorded: nil, known: [], following: [1, 2], refused: [1])
        seniority.hear([1])
        #expect(seniority.recorded == [2], "it is refused still")
        seniority.ask(for: [1])
        seniority.answer(granted: [1, 2], refused: [])
        #expect(seniority.senior == [2] && seniority.junior == [1])
        seniority.hear([1])
        #expect(seniority.senior == [1, 2] && seniority.recorded == [1, 2] && seniority.junior.isEmpty)
    }

    @Test("is not known by what is not acknowledged, which may go past what is, before there was silence")
    func unacknowledged() {
        var seniority = self.restarted(recorded: [2], known: [1, 2], following: [1, 2])
        seniority.hear([], unacknowledged: [1])
        #expect(seniority.senior == [2])
        seniority.fallSilent()
        #expect(seniority.senior == [2])
        seniority.ask(for: [1])
        seniority.answer(granted: [1, 2], refused: [])
        seniority.hear([], unacknowledged: [1])
        #expect(seniority.senior == [2], "it was silent before the broker granted it anew")
        seniority.fallSilent()
        seniority.hear([], unacknowledged: [1])
        #expect(seniority.senior == [1, 2])
    }

    @Test("goes on while others come and go")
    func changes() {
        var seniority = self.restarted(recorded: [1, 2], known: [1, 2], following: [1, 2])
        seniority.ask(for: [5])
        #expect(seniority.senior == [1, 2], "what was not answered yet is not counted on, and the others are")
        seniority.answer(granted: [1, 2, 5], refused: [])
        #expect(seniority.senior == [1, 2, 5])
        seniority.ask(for: [4])
        seniority.answer(granted: [1, 2, 4, 5], refused: [])
        #expect(seniority.senior == [1, 2, 5], "a smaller number that was asked for later is younger than it says")
        seniority.leave([1])
        #expect(seniority.senior == [2, 5] && seniority.recorded == [2, 5])
    }
}
