/// What a group calls a thing, or who publishes for it. Names are the same if their bytes are, as in the database.
package struct ThingName: Hashable, Sendable {
    package let group: EntityID
    private let bytes: [UInt8]

    package init(_ text: some StringProtocol, in group: EntityID) {
        self.group = group
        self.bytes = Array(text.utf8)
    }

    package var text: String { String(decoding: self.bytes, as: UTF8.self) }

    /// What it is if it is the thing's id.
    package var id: EntityID? { EntityID(self.bytes) }
}
