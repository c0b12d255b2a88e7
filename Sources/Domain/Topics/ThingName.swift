/// What a group calls a thing, or who publishes for it. Names are the same if their bytes are, as in the database.
package struct ThingName: Hashable, Sendable {
    package let group: EntityID
    private let bytes: [UInt8]

    package init(_ text: some StringProtocol, in group: EntityID) {
        self.group = group
        self.bytes = Array(text.utf8)
    }

    package var text: String { String(decoding: self.bytes, as: UTF8.self) }

    /// What a value of a payload calls a thing: a text, or a number as it is written; nil if nothing may be called so.
    static func text(of value: RawJSON) -> String? {
        let text = value.string ?? (value.kind == .number ? String(decoding: value.text, as: UTF8.self) : nil)
        return text.flatMap { Self.isName($0) ? $0 : nil }
    }

    /// Whether it is what a thing may be called; nothing else is looked for.
    static func isName(_ text: String) -> Bool {
        do throws(InvalidField) { return try Name.checked(text) == text } catch { return false }
    }

    /// What it is if it is the thing's id.
    package var id: EntityID? { EntityID(self.bytes) }
}
