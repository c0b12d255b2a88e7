/// Goes through values in DER (X.690), one behind the other.
package struct DER {
    package struct Value {
        package let tag: UInt8
        package let content: ArraySlice<UInt8>
        /// With tag and length.
        package let whole: ArraySlice<UInt8>
    }

    private var rest: ArraySlice<UInt8>

    package init(_ bytes: ArraySlice<UInt8>) { self.rest = bytes }

    package var isAtEnd: Bool { self.rest.isEmpty }

    /// nil at the end, or where it makes no sense.
    package mutating func next() -> Value? {
        let start = self.rest
        guard let tag = self.rest.popFirst(), let first = self.rest.popFirst() else { return nil }
        var length = Int(first)
        if first >= 0x80 {
            guard (1...4).contains(first - 0x80), self.rest.count >= Int(first - 0x80) else { return nil }
            length = self.rest.prefix(Int(first - 0x80)).reduce(0) { $0 << 8 | Int($1) }
            self.rest = self.rest.dropFirst(Int(first - 0x80))
        }
        guard length <= self.rest.count else { return nil }
        let content = self.rest.prefix(length)
        self.rest = self.rest.dropFirst(length)
        return Value(tag: tag, content: content, whole: start[start.startIndex..<content.endIndex])
    }

    /// The next, if it is of this kind.
    package mutating func next(tag: UInt8) -> Value? {
        guard let value = self.next(), value.tag == tag else { return nil }
        return value
    }
}
