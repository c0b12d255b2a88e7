import HTTPTypes
import Testing

@testable import API

@Suite("Room for bodies of requests")
struct BodyRoomTests {
    private let room = BodyRoom(most: 64, mostOfOne: 20)

    /// - Returns: the status of what is refused; 0 if there is room, which is taken then.
    private func take(_ bytes: Int, of caller: String) -> Int {
        do throws(APIError) {
            try self.room.take(bytes, of: caller)
            return 0
        } catch {
            #expect(error.headers[.retryAfter] == "1")
            return error.status.code
        }
    }

    @Test("is a caller's own part, and of all of it as much as is left to the others")
    func bounded() {
        #expect(self.take(15, of: "a") == 0)
        #expect(self.take(6, of: "a") == 429 && self.take(5, of: "a") == 0)
        #expect(self.take(20, of: "b") == 0)
        #expect(self.take(13, of: "c") == 503 && self.take(12, of: "c") == 0, "half of what is left")
        #expect(self.take(7, of: "d") == 503 && self.take(6, of: "d") == 0)
        #expect(self.take(1, of: "e") == 0, "a small one finds room")
        self.room.give(20, of: "b")
        #expect(self.take(12, of: "e") == 0)
    }

    @Test("is free again when it was given back")
    func free() {
        for _ in 1...9 {
            #expect(self.take(20, of: "a") == 0 && self.take(1, of: "a") == 429)
            self.room.give(18, of: "a")
            self.room.give(2, of: "a")
        }
    }
}
