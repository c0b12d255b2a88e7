/// A JSON value (RFC 8259) in the bytes it came in. Nothing is decoded until it is asked for, and a number keeps the
/// text it had: 21.70 stays 21.70.
package struct RawJSON: Sendable {
    package enum Kind: Sendable, Equatable { case object, array, string, number, bool, null }

    package let kind: Kind
    let bytes: [UInt8]
    let range: Range<Int>

    /// nil if the bytes are no JSON text in UTF-8, or one that is nested over 64 levels deep.
    package init?(_ bytes: [UInt8]) {
        self.init(bytes, in: 0..<bytes.count)
    }

    /// What a device sent. A byte order mark before it, and zero bytes behind it, are what some add to any text.
    package init?(payload: [UInt8]) {
        self.init(payload, in: Self.textRange(of: payload))
    }

    private init?(_ bytes: [UInt8], in range: Range<Int>) {
        var scanner = JSONScanner(bytes, at: range.lowerBound, end: range.upperBound)
        scanner.skipSpace()
        let start = scanner.position
        guard let kind = scanner.skipValue() else { return nil }
        let end = scanner.position
        scanner.skipSpace()
        guard scanner.position == range.upperBound else { return nil }
        self.init(kind: kind, bytes: bytes, range: start..<end)
    }

    /// A value that was passed over and found to be one.
    package init(kind: Kind, bytes: [UInt8], range: Range<Int>) {
        self.kind = kind
        self.bytes = bytes
        self.range = range
    }

    static func textRange(of payload: [UInt8]) -> Range<Int> {
        let start = payload.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        var end = payload.count
        while end > start, payload[end - 1] == 0 { end -= 1 }
        return start..<end
    }

    /// The value's own text.
    package var text: ArraySlice<UInt8> { self.bytes[self.range] }

    /// What stands between a string's quotes, still escaped.
    var inside: ArraySlice<UInt8> { self.bytes[(self.range.lowerBound + 1)..<(self.range.upperBound - 1)] }

    /// What a string says; nil for anything else, and for what is no text because of half a surrogate pair.
    package var string: String? {
        guard self.kind == .string else { return nil }
        let (bytes, isText) = JSONScanner.unescape(self.inside)
        return isText ? String(decoding: bytes, as: UTF8.self) : nil
    }

    /// The code points of a string in UTF-8, to be compared; nil for anything else.
    package var codePoints: [UInt8]? { self.kind == .string ? JSONScanner.unescape(self.inside).bytes : nil }

    /// The nearest to what a number says that there is.
    package var number: Double? {
        self.kind == .number ? Double(String(decoding: self.text, as: UTF8.self)) : nil
    }

    /// What a number says, exactly.
    package var exactNumber: JSONNumber? { self.kind == .number ? JSONNumber(self.text) : nil }

    package var bool: Bool? {
        self.kind == .bool ? self.bytes[self.range.lowerBound] == UInt8(ascii: "t") : nil
    }

    // MARK: Ways in

    /// To be asked now and then: each time the values on the way are gone over. Who asks for many paths has a ``PayloadIndex``.
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
    package func member(_ name: String) -> RawJSON? { self.member(Array(name.utf8)) }

    private func member(_ name: [UInt8]) -> RawJSON? {
        var found: RawJSON?
        self.forEachMember { inside, value in
            let isIt =
                inside.contains(UInt8(ascii: "\\"))
                ? JSONScanner.unescape(inside).bytes == name : inside.elementsEqual(name)
            if isIt { found = value }
        }
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

    /// In their order, the names as ``codePoints``.
    package var members: [(name: [UInt8], value: RawJSON)] {
        var all: [(name: [UInt8], value: RawJSON)] = []
        self.forEachMember { all.append((JSONScanner.unescape($0).bytes, $1)) }
        return all
    }

    /// - Parameter body: told the inside of the name, still escaped.
    func forEachMember(_ body: (ArraySlice<UInt8>, RawJSON) -> Void) {
        guard self.kind == .object else { return }
        var scanner = JSONScanner(self.bytes, at: self.range.lowerBound, end: self.range.upperBound)
        _ = scanner.skipMembers(0) { scanner, name in
            guard let value = self.next(&scanner) else { return false }
            body(self.bytes[name], value)
            return true
        }
    }

    private func forEachElement(_ body: (Int, RawJSON) -> Void) {
        guard self.kind == .array else { return }
        var scanner = JSONScanner(self.bytes, at: self.range.lowerBound, end: self.range.upperBound)
        _ = scanner.skipElements(0) { scanner, index in
            guard let value = self.next(&scanner) else { return false }
            body(index, value)
            return true
        }
    }

    private func next(_ scanner: inout JSONScanner) -> RawJSON? {
        let start = scanner.position
        return scanner.skipValue().map { RawJSON(kind: $0, bytes: self.bytes, range: start..<scanner.position) }
    }
}
