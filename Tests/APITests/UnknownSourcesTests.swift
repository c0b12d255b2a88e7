import Domain
import HTTPTypes
import Testing

@testable import API

@Suite("Calls to sources that there are not")
struct UnknownSourcesTests {
    private static let second: Int64 = 1_000_000_000
    private let sources = UnknownSources(most: 200, now: 0)

    /// - Returns: whether it was looked for, or else the status of the refusal.
    private func call(
        _ id: EntityID = .random(), isThere: Bool = false, from address: String? = "192.0.2.1", now: Int64 = 0
    ) -> Int? {
        do throws(APIError) {
            let wasTaken = try self.sources.admit(id, from: address, now: now)
            self.sources.settle(id, isThere: isThere, from: address, wasTaken: wasTaken, now: now)
            return nil
        } catch {
            return error.status.code
        }
    }

    @Test("are looked for so often for each address, and sources that are there always")
    func bounded() {
        let source = EntityID.random()
        for _ in 1...1_000 { #expect(self.call(source, isThere: true) == nil) }
        for _ in 1...UnknownSources.rate.burst { #expect(self.call() == nil) }
        #expect(self.call() == 429)
        #expect(self.call(source, isThere: true) == nil, "what is known to be there is not counted")
        #expect(self.call(from: "192.0.2.2") == nil, "each address by itself")
        #expect(self.call(now: Self.second) == nil, "with time one may ask again")
    }

    @Test("are answered without a look for some seconds once one has shown that it is not there")
    func remembered() {
        let id = EntityID.random()
        #expect(self.call(id) == nil)
        #expect(self.call(id) == 404)
        #expect(self.call(id, isThere: true, now: UnknownSources.absence) == nil)
        #expect(self.call(id, isThere: true, now: UnknownSources.absence) == nil)
        // It is removed.
        #expect(self.call(id, now: UnknownSources.absence) == nil)
        #expect(self.call(id, now: UnknownSources.absence) == 404)
    }
}
