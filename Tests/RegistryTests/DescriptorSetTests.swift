import Domain
import Postgres
import Registry
import Schema
import StoreTestSupport
import Testing

@Suite("Descriptor sets of profiles")
struct DescriptorSetTests {
    /// message X {}, of a package of this name.
    private static func set(_ package: String) -> [UInt8] {
        let name = Array(package.utf8)
        let file = [0x12, UInt8(name.count)] + name + [0x22, 0x03, 0x0A, 0x01, 0x58]
        return [0x0A, UInt8(file.count)] + file
    }

    private static func config(_ digest: String, _ package: String) -> String {
        #"{"decode":{"format":"protobuf","type":"\#(package).X","descriptors":{"sha256":"\#(digest)","size":1}}}"#
    }

    @Test(
        "are kept beside profiles, of those that none names the last ones, and none that an earlier version would misread"
    )
    func kept() async throws {
        let fixture = try await Fixture()
        _ = try await fixture.store()
        let profiles = ProfileStore(fixture.database)
        func save(_ package: String) async throws -> String {
            let bytes = Self.set(package)
            let digest = DescriptorReference.digest(of: bytes)
            _ = try await profiles.update(
                fixture.profile, name: "p", configJSON: Self.config(digest, package),
                reading: DescriptorUse(digest: digest, bytes: bytes))
            return digest
        }
        _ = try await fixture.database.pool.withConnection { try $0.execute("UPDATE sessions SET reads = 5") }
        await #expect(throws: StorageError.notYet(field: "config.decode")) { _ = try await save("a") }
        _ = try await fixture.database.pool.withConnection { try $0.execute("UPDATE sessions SET reads = 8") }
        var digests: [String] = []
        for number in 0..<23 { digests.append(try await save("p\(number)")) }
        // The one that is named, and 20 before it.
        #expect(try await profiles.descriptors(digests[22], in: fixture.group) == Self.set("p22"))
        #expect(try await profiles.descriptors(digests[2], in: fixture.group) != nil)
        #expect(try await profiles.descriptors(digests[1], in: fixture.group) == nil)
        #expect(try await profiles.descriptors(digests[22], in: .random()) == nil)
        // One that is there is named by its digest, and one that is not cannot be.
        let again = try await profiles.update(
            fixture.profile, name: "p", configJSON: Self.config(digests[5], "p5"),
            reading: DescriptorUse(digest: digests[5], bytes: nil))
        #expect(again?.fault == nil && again?.configJSON.contains(digests[5]) == true)
        await #expect(throws: StorageError.missing(field: "config.decode.descriptors")) {
            _ = try await profiles.update(
                fixture.profile, name: "p", configJSON: Self.config(digests[1], "p1"),
                reading: DescriptorUse(digest: digests[1], bytes: nil))
        }
    }
}
