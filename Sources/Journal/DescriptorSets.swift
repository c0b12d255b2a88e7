package import Domain
package import Postgres

/// Gets descriptor sets that profiles and messages name and nobody has read yet. Messages name the one that they came in with, which
/// may be another than their thing's profile has now.
package enum DescriptorSets {
    package static func load(for messages: [Message], on db: isolated Connection) throws {
        try Self.load(for: messages, decoder: { $0.decoder }, on: db)
    }

    /// - Parameter decoder: of each; nil of what needs none.
    package static func load<Element>(
        for elements: [Element], decoder: (Element) -> PayloadDecoder?, on db: isolated Connection
    ) throws {
        var missing: Set<String> = []
        for element in elements {
            guard let reference = decoder(element)?.descriptors, reference.isMissing,
                missing.insert(reference.digest).inserted
            else { continue }
            // One at a time: each may be long.
            let found = try db.query(
                "SELECT descriptors FROM descriptor_sets WHERE digest = \(reference.digest) LIMIT 1"
            ) { try $0.bytes(0) }
            if let bytes = found.first { reference.fill(with: bytes) }
        }
    }
}
