import HTTPTypes
import Testing

@testable import API

@Suite("Room for bodies of requests")
struct BodyRoomTests {
    private let room = BodyRoom(most: 30, mostOfOne: 20)

    private func status(_ bytes: Int, of caller: String) async throws -> Int {
        do {
            return try await self.room.with(bytes, of: caller) { 200 }
        } catch let error as APIError {
            #expect(error.headers[.retryAfter] == "1")
            return error.status.code
        }
    }

    @Test("is a caller's own part, and all of it that of all")
    func bounded() async throws {
        try await self.room.with(15, of: "a") {
            #expect(try await self.status(5, of: "a") == 200)
            #expect(try await self.status(6, of: "a") == 429)
            #expect(try await self.status(15, of: "b") == 200)
            #expect(try await self.status(16, of: "b") == 503)
            try await self.room.with(10, of: "b") {
                #expect(try await self.status(5, of: "a") == 200)
                #expect(try await self.status(6, of: "c") == 503)
            }
        }
        #expect(try await self.status(20, of: "a") == 200)
    }

    @Test("is free again however it went")
    func free() async throws {
        struct Oops: Error {}
        for _ in 1...9 {
            await #expect(throws: Oops.self) { try await self.room.with(20, of: "a") { throw Oops() } }
            #expect(try await self.status(21, of: "a") == 429)
        }
        #expect(try await self.status(20, of: "a") == 200)
    }
}
