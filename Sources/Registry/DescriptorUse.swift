internal import Domain
internal import Postgres
internal import Schema

/// What a profile's `decode` says of its descriptor set: the set itself, or the digest of one that its group has.
package struct DescriptorUse: Sendable {
    /// SHA-256, as hex.
    package let digest: String
    /// nil if it is one that the group has.
    package let bytes: [UInt8]?

    package init(digest: String, bytes: [UInt8]?) {
        self.digest = digest
        self.bytes = bytes
    }

    /// How many of a group that no profile names any more stay, for messages that came in with them.
    private static let mostUnused: Int64 = 20

    /// - Throws: ``StorageError/notYet(field:)`` while an instance lives that would read payloads as JSON;
    ///   ``StorageError/missing(field:)`` if the group has no set of the digest.
    static func keep(_ uses: [DescriptorUse], of group: EntityID, on db: isolated Connection) throws {
        guard !uses.isEmpty else { return }
        guard try StoredForm.protobuf.isReadByAll(on: db) else { throw StorageError.notYet(field: "config.decode") }
        // One change of a group's sets at a time: none is forgotten that another is about to name.
        _ = try db.query("SELECT id FROM groups WHERE id = \(group) FOR NO KEY UPDATE") { try $0.entityID(0) }
        for use in uses {
            if let bytes = use.bytes {
                try db.execute(
                    """
                    INSERT INTO descriptor_sets (group_id, digest, descriptors)
                    VALUES (\(group), \(use.digest), \(Bytes(bytes)))
                    ON CONFLICT (digest, group_id) DO UPDATE SET used_at = now()
                    """)
            } else {
                let count = try db.execute(
                    """
                    UPDATE descriptor_sets SET used_at = now() WHERE digest = \(use.digest) AND group_id = \(group)
                    """)
                guard count == 1 else { throw StorageError.missing(field: "config.decode.descriptors") }
            }
        }
    }

    /// Takes out those of a group that no profile names, but for the last ones; after its profiles have been written.
    static func forget(_ uses: [DescriptorUse], of group: EntityID, on db: isolated Connection) throws {
        guard !uses.isEmpty else { return }
        try db.execute(
            """
            DELETE FROM descriptor_sets WHERE group_id = \(group) AND digest IN (
                SELECT s.digest FROM descriptor_sets AS s
                WHERE s.group_id = \(group) AND NOT EXISTS (SELECT FROM profiles AS p
                    WHERE p.group_id = s.group_id AND p.config #>> '{decode,descriptors,sha256}' = s.digest)
                ORDER BY s.used_at DESC, s.digest OFFSET \(Self.mostUnused))
            """)
    }
}
