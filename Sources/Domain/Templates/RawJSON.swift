/// A JSON value (RFC 8259) in the bytes it came in. Nothing is decoded until it is asked for, and a number keeps the
/// text it had: 21.70 stays 21.70.
package struct RawJSON: Sendable {
    package enum Kind: Sendable, Equatable { case object, array, string, number, bool, null }

    package let kind: Kind
    private let bytes: [UInt8]
    private let range: Range<Int>

    /// nil if the bytes are no JSON text, or one that is nested over 128 levels deep.
    package init?(_ bytes: [UInt8]) {
        var scanner = JSONScanner(bytes)
        scanner.skipSpace()
        let start = scanner.position
        guard let kind = scanner.skipValue() else { return nil }
        let end = scanner.position
        scanner.skipSpace()
        guard scanner.position == bytes.count else { return nil }
        self.init(kind: kind, bytes: bytes, range: start..<end)
    }

    private init(kind: Kind, bytes: [UInt8], range: Range<Int>) {
        self.kind = kind
        self.bytes = bytes
        self.range = range
    }

    /// The value's own text.
    package var text: ArraySlice<UInt8> { self.bytes[self.range] }

    /// What a string says; nil for anything else.
    package var string: String? {
        guard self.kind == .string else { return nil }
        return JSONScanner.unescape(self.bytes[(self.range.lowerBound + 1)..<(self.range.upperBound - 1)])
    }

    package var number: Double? {
        self.kind == .number ? Double(String(decoding: self.text, as: UTF8.self)) : nil
    }

    package var bool: Bool? {
        self.kind == .bool ? self.bytes[self.range.lowerBound] == UInt8(ascii: "t") : nil
    }

    // MARK: Ways in

    package func value(at path: JSONPath) -> RawJSON? {
        var value = self
        for step in path.steps {
            let next: RawJSON? =
                switch step {
                case .member(let name): value.member(name)
                case .element(let index): value.element(index)
                }
            guard let next else { return nil }
            value = next
        }
        return value
    }

    /// The member of that name; of several the last, as most parsers take it.
    package func member(_ name: String) -> RawJSON? {
        var found: RawJSON?
        self.forEachMember { if $0 == name { found = $1 } }
        return found
    }

    package func element(_ index: Int) -> RawJSON? {
        var found: RawJSON?
        self.forEachElement { if $0 == index { found = $1 } }
        return found
    }

    package var elements: [RawJSON] {
        var all: [RawJSON] = []
        self.forEachElement { all.append($1) }
        return all
    }

    /// In their order.
    package var members: [(name: String, value: RawJSON)] {
        var all: [(name: String, value: RawJSON)] = []
        self.forEachMember { all.append(($0, $1)) }
        return all
    }

    /// Numbers as numbers, strings as what they say, the rest by its text.
    package func isSame(as other: RawJSON) -> Bool {
        guard self.kind == other.kind else { return false }
        switch self.kind {
        case .number:
            // Whole numbers beyond 2^53 are not exact as doubles.
            if let x = Int64(String(decoding: self.text, as: UTF8.self)),
                let y = Int64(String(decoding: other.text, as: UTF8.self))
            {
                return x == y
            }
            return self.number == other.number
        case .string: return self.string == other.string
        default: return self.text == other.text
        }
    }

    private func forEachMember(_ body: (String, RawJSON) -> Void) {
        guard self.kind == .object else { return }
        var scanner = JSONScanner(self.bytes, at: self.range.lowerBound + 1)
        scanner.skipSpace()
        while scanner.position < self.range.upperBound - 1 {
            let start = scanner.position
            guard scanner.skipValue() == .string else { return }
            let name = JSONScanner.unescape(self.bytes[(start + 1)..<(scanner.position - 1)])
            scanner.skipSpace()
            scanner.position += 1  // the colon
            guard let value = self.next(&scanner) else { return }
            body(name, value)
        }
    }

    private func forEachElement(_ body: (Int, RawJSON) -> Void) {
        guard self.kind == .array else { return }
        var scanner = JSONScanner(self.bytes, at: self.range.lowerBound + 1)
        scanner.skipSpace()
        var index = 0
        while scanner.position < self.range.upperBound - 1 {
            guard let value = self.next(&scanner) else { return }
            body(index, value)
            index += 1
        }
    }

    /// The value that comes next, and the comma and space behind it passed over.
    private func next(_ scanner: inout JSONScanner) -> RawJSON? {
        scanner.skipSpace()
        let start = scanner.position
        guard let kind = scanner.skipValue() else { return nil }
        let value = RawJSON(kind: kind, bytes: self.bytes, range: start..<scanner.position)
        scanner.skipSpace()
        if scanner.current == UInt8(ascii: ",") {
            scanner.position += 1
            scanner.skipSpace()
        }
        return value
    }
}
