import Domain
import HTTPTypes
import Registry
import Testing
import Values

@testable import API

@Suite("API keys at the door")
struct KeyTests {
    @Test("have 256 random bits, and nothing shows them but their text")
    func made() {
        let keys = (0..<100).map { _ in APIKey.random() }
        #expect(Set(keys.map(\.text)).count == 100)
        for key in keys {
            #expect(key.text.utf8.count == 67 && APIKey(key.text)?.hash == key.hash)
            var dumped = "\(key) \(String(reflecting: key)) \([key])"
            dump(key, to: &dumped)
            #expect(!dumped.contains(key.text.suffix(8)))
        }
    }

    @Test(
        "are read as they are made, and otherwise not at all",
        arguments: [
            "", "hk_", "hk_\(String(repeating: "0", count: 63))", "hk_\(String(repeating: "0", count: 65))",
            "hk_\(String(repeating: "A", count: 64))", "hk_\(String(repeating: "g", count: 64))",
            "hk_\(String(repeating: "é", count: 32))", "HK_\(String(repeating: "0", count: 64))",
            " hk_\(String(repeating: "0", count: 64))", "hlk_\(String(repeating: "0", count: 64))",
        ])
    func refused(text: String) {
        #expect(APIKey(text) == nil)
    }

    private static let second: Int64 = 1_000_000_000
    private static let ended = APIError(status: .unauthorized, message: "ended")
    private let memory = KeyMemory(most: 500, now: 0)

    private enum Outcome: Equatable { case known(String), looked, status(Int) }

    /// Comes with a key.
    ///
    /// - Parameter account: whose it is; nil if it is not good.
    private func come(
        _ hash: [UInt8], of account: String? = nil, from address: String? = "192.0.2.1", now: Int64 = 0
    ) -> Outcome {
        do throws(APIError) {
            let known = try self.memory.admit(hash, from: address, now: now)
            if let account {
                self.memory.found(hash, of: account, from: address, wasKnown: known != nil)
            } else {
                self.memory.refused(hash, with: Self.ended, now: now)
            }
            return known.map { .known($0) } ?? .looked
        } catch {
            return .status(error.status.code)
        }
    }

    private func guess() -> [UInt8] { APIKey.random().hash }

    @Test("are guessed so often from each address, and those that are good come always")
    func bounded() {
        let good = self.guess()
        #expect(self.come(good, of: "anna") == .looked)
        for _ in 1...KeyMemory.rate.burst { #expect(self.come(self.guess()) == .looked) }
        #expect(self.come(self.guess()) == .status(429))
        #expect(self.come(good, of: "anna") == .known("anna"))
        #expect(self.come(self.guess(), from: "192.0.2.2") == .looked, "each address by itself")
        #expect(self.come(self.guess(), now: Self.second) == .looked, "with time one may guess again")
    }

    @Test("that were refused are refused without a look for a while, and cost their address nothing")
    func remembered() {
        let key = self.guess()
        #expect(self.come(key, of: "anna") == .looked)
        #expect(self.come(key) == .known("anna"), "it is looked up each time, and has ended")
        for _ in 1...1_000 { #expect(self.come(key) == .status(401)) }
        #expect(self.come(self.guess()) == .looked)
        #expect(self.come(key, now: KeyMemory.lifetime) == .looked)
    }

    @Test("of a group are nobody's that a membership could be of, and a user's own has no more than both")
    func callers() throws {
        let group = EntityID.random()
        func record(_ group: EntityID?, _ role: Role) -> APIKeyRecord {
            APIKeyRecord(
                group: group, name: "k", role: role, creator: "anna", endsWithCreator: false, createdAt: .first,
                expiresAt: .last)
        }
        let ofGroup = Caller(record(group, .owner), role: .admin)
        #expect(ofGroup.id.hasPrefix("key:") && !ofGroup.isRoot)
        #expect(ofGroup.key?.role == .admin && !ofGroup.hasOwnPowers)
        guard case .group(group) = ofGroup.visibleTo else {
            Issue.record("it sees more than its group")
            return
        }
        let (full, reading) = (Caller(record(nil, .owner), role: .owner), Caller(record(nil, .viewer), role: .viewer))
        #expect(full.id == "anna" && full.hasOwnPowers && !reading.hasOwnPowers)
        // All of a maker's keys may ask as often as one caller, and take nothing from the maker.
        #expect(Set([ofGroup, full, reading].map(\.account)).count == 1 && full.account != "anna")
        for caller in [ofGroup, full, reading] { #expect(throws: APIError.self) { try caller.requireUser() } }
    }

    @Test(
        "are made for a time to come and not too long, by a role that the caller has",
        arguments: [
            (#"{"name":"k","role":"admin"}"#, nil), (#"{"name":"k","role":"owner"}"#, "role owner"),
            (#"{"name":"k"}"#, "role"), (#"{"name":"k","role":"root"}"#, "role"), (#"{"role":"viewer"}"#, "name"),
            (#"{"name":"k","role":"viewer","expires_at":1000}"#, "expires_at"),
            (#"{"name":"k","role":"viewer","expires_at":1001}"#, nil),
            (#"{"name":"k","role":"viewer","expires_at":"1970-01-01T00:00:00Z"}"#, "expires_at"),
            (#"{"name":"k","role":"viewer","expires_at":31622401000}"#, nil),
            (#"{"name":"k","role":"viewer","expires_at":31622401001}"#, "expires_at"),
            (#"{"name":"k","role":"viewer","expires_at":"9999-12-31T23:59:59Z"}"#, "expires_at"),
            (#"{"name":"k","role":"viewer","ends_with_creator":"no"}"#, "ends_with_creator"),
        ] as [(String, String?)])
    func drafts(body: String, wrong: String?) throws {
        let caller = Caller(id: "anna", isRoot: false, expiresAt: nil)
        let now = try #require(Instant(milliseconds: 1_000))
        let object = try JSONObject(try JSON.decode(body), at: "")
        do {
            let record = try APIKeyRecord(object, in: .random(), by: caller, of: .admin, at: now)
            #expect(wrong == nil && record.creator == "anna" && record.endsWithCreator)
        } catch let error as InvalidField {
            #expect(error.field == wrong)
        } catch let error as APIError {
            #expect(error.status == .forbidden && wrong.map(error.message.contains) == true)
        }
    }
}
