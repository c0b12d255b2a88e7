import Domain
import Testing

@testable import WebhookClient

@Suite("Room for answers that do not go on")
struct AnswerRoomTests {
    @Test("is as much for each as is left, so that the next finds some")
    func shared() {
        var room = AnswerRoom(most: 120)
        let owners: [EntityID?] = [.random(), .random(), nil]
        var taken: [Int] = []
        for owner in owners {
            var count = 0
            while !room.isExceeded(by: owner) {
                room.take(1, of: owner)
                count += 1
            }
            room.give(1, of: owner)
            taken.append(count - 1)
        }
        #expect(taken == [60, 30, 15] && room.held == 105)
        room.give(60, of: owners[0])
        room.take(7, of: owners[1])
        #expect(!room.isExceeded(by: owners[1]) && !room.isExceeded(by: .random()))
        room.take(40, of: owners[1])
        #expect(room.isExceeded(by: owners[1]) && !room.isExceeded(by: owners[2]))
    }

    @Test("is all there again when all was given back")
    func given() {
        var room = AnswerRoom(most: 100)
        let owner = EntityID.random()
        for _ in 1...9 {
            for bytes in [51, 50] {
                room.take(bytes, of: owner)
                #expect(room.isExceeded(by: owner) == (bytes == 51))
                room.give(bytes, of: owner)
            }
        }
        #expect(room.held == 0)
    }

    @Test("is not too little for a loop, however many there are", arguments: [1, 2, 64])
    func shares(loops: Int) {
        #expect(ConnectionLimits().share(of: loops).unfinished == [1: 128, 2: 64, 64: 32][loops].map { $0 << 20 })
    }
}
