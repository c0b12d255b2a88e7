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
            while room.take(1, of: owner) { count += 1 }
            room.give(1, of: owner)
            taken.append(count)
        }
        #expect(taken == [60, 30, 15])
        room.give(60, of: owners[0])
        let held = room.held
        let (fits, isTooMuch) = (room.take(7, of: owners[1]), !room.take(40, of: owners[1]))
        #expect(held == 45 && fits && isTooMuch)
    }

    @Test("is all there again when all was given back")
    func given() {
        var room = AnswerRoom(most: 100)
        let owner = EntityID.random()
        for _ in 1...9 {
            for bytes in [51, 50] {
                let fits = room.take(bytes, of: owner)
                #expect(fits == (bytes == 50))
                room.give(bytes, of: owner)
            }
        }
        #expect(room.held == 0)
    }
}
