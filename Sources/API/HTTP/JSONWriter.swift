internal import Domain

/// Writes values as JSON, the members of objects in the order of their names. What users gave as JSON keeps its text, which
/// is why there is an encoder of our own.
enum JSONWriter {
    static func bytes(of value: some Encodable) throws -> [UInt8] {
        let slot = Slot()
        try slot.fill(value)
        var out: [UInt8] = []
        slot.write(to: &out)
        return out
    }
}

/// A place for a value, which containers fill bit by bit.
private final class Slot {
    private enum Kind { case text, array, object }

    /// An object without members unless something else comes.
    private var kind = Kind.object
    private var text: [UInt8] = []
    /// Of an array and an object; the names of elements are empty.
    private var parts: [(name: String, slot: Slot)] = []

    var count: Int { self.parts.count }

    func fill(_ value: some Encodable) throws {
        switch value {
        case let value as JSONValue:
            self.kind = .text
            value.append(to: &self.text)
        case let value as String:
            self.kind = .text
            self.text.appendQuoted(value)
        case let value as Bool: self.set(value ? "true" : "false")
        case let value as any FixedWidthInteger: self.set("\(value)")
        case let value as Double:
            guard value.isFinite else {
                throw EncodingError.invalidValue(value, .init(codingPath: [], debugDescription: "no number"))
            }
            let text = "\(value)"
            self.set(text.hasSuffix(".0") ? String(text.dropLast(2)) : text)
        default: try value.encode(to: SlotEncoder(slot: self))
        }
    }

    func set(_ text: String) {
        self.kind = .text
        self.text = Array(text.utf8)
    }

    func becomeArray() {
        self.kind = .array
    }

    /// A place in an array or object.
    func add(_ name: String = "") -> Slot {
        let slot = Slot()
        self.parts.append((name, slot))
        return slot
    }

    func write(to out: inout [UInt8]) {
        switch self.kind {
        case .text: out += self.text
        case .array:
            out.append(UInt8(ascii: "["))
            for (index, part) in self.parts.enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                part.slot.write(to: &out)
            }
            out.append(UInt8(ascii: "]"))
        case .object:
            out.append(UInt8(ascii: "{"))
            for (index, part) in self.parts.sorted(by: { $0.name < $1.name }).enumerated() {
                if index > 0 { out.append(UInt8(ascii: ",")) }
                out.appendQuoted(part.name)
                out.append(UInt8(ascii: ":"))
                part.slot.write(to: &out)
            }
            out.append(UInt8(ascii: "}"))
        }
    }
}

private struct SlotEncoder: Encoder {
    let slot: Slot
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    func container<Key>(keyedBy type: Key.Type) -> KeyedEncodingContainer<Key> {
        KeyedEncodingContainer(Members<Key>(slot: self.slot))
    }

    func unkeyedContainer() -> any UnkeyedEncodingContainer {
        self.slot.becomeArray()
        return Elements(slot: self.slot)
    }

    func singleValueContainer() -> any SingleValueEncodingContainer { Single(slot: self.slot) }
}

private struct Members<Key: CodingKey>: KeyedEncodingContainerProtocol {
    let slot: Slot
    var codingPath: [any CodingKey] { [] }

    func encodeNil(forKey key: Key) { self.slot.add(key.stringValue).set("null") }
    func encode(_ value: some Encodable, forKey key: Key) throws { try self.slot.add(key.stringValue).fill(value) }

    func nestedContainer<Nested>(
        keyedBy type: Nested.Type, forKey key: Key
    ) -> KeyedEncodingContainer<Nested> {
        SlotEncoder(slot: self.slot.add(key.stringValue)).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedEncodingContainer {
        SlotEncoder(slot: self.slot.add(key.stringValue)).unkeyedContainer()
    }

    func superEncoder() -> any Encoder { SlotEncoder(slot: self.slot.add("super")) }
    func superEncoder(forKey key: Key) -> any Encoder { SlotEncoder(slot: self.slot.add(key.stringValue)) }
}

private struct Elements: UnkeyedEncodingContainer {
    let slot: Slot
    var codingPath: [any CodingKey] { [] }
    var count: Int { self.slot.count }

    func encodeNil() { self.slot.add().set("null") }
    func encode(_ value: some Encodable) throws { try self.slot.add().fill(value) }

    func nestedContainer<Nested>(keyedBy type: Nested.Type) -> KeyedEncodingContainer<Nested> {
        SlotEncoder(slot: self.slot.add()).container(keyedBy: type)
    }

    func nestedUnkeyedContainer() -> any UnkeyedEncodingContainer {
        SlotEncoder(slot: self.slot.add()).unkeyedContainer()
    }

    func superEncoder() -> any Encoder { SlotEncoder(slot: self.slot.add()) }
}

private struct Single: SingleValueEncodingContainer {
    let slot: Slot
    var codingPath: [any CodingKey] { [] }

    func encodeNil() { self.slot.set("null") }
    func encode(_ value: some Encodable) throws { try self.slot.fill(value) }
}
