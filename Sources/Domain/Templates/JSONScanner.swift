/// Walks over JSON text (RFC 8259) and checks it on the way: once over each byte, whatever there is.
package struct JSONScanner {
    package let bytes: [UInt8]
    package let end: Int
    package var position: Int
    /// How many values may be open at a time.
    static let deepest = 64

    package init(_ bytes: [UInt8], at position: Int = 0, end: Int? = nil) {
        self.bytes = bytes
        self.end = end ?? bytes.count
        self.position = position
    }

    package var current: UInt8? { self.position < self.end ? self.bytes[self.position] : nil }

    package mutating func skipSpace() {
        while let byte = self.current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            self.position += 1
        }
    }

    /// - Parameter depth: how many values are open.
    /// - Returns: the kind of the value that was passed over; nil if there is none, or one that is nested too deep.
    package mutating func skipValue(depth: Int = 0) -> RawJSON.Kind? {
        guard let byte = self.current else { return nil }
        switch byte {
        case UInt8(ascii: "{"):
            return self.skipMembers(depth, { scanner, _ in scanner.skipValue(depth: depth + 1) != nil }) ? .object : nil
        case UInt8(ascii: "["):
            return self.skipElements(depth, { scanner, _ in scanner.skipValue(depth: depth + 1) != nil }) ? .array : nil
        default: return self.skipScalar(byte)
        }
    }

    private mutating func skipScalar(_ first: UInt8) -> RawJSON.Kind? {
        switch first {
        case UInt8(ascii: "\""): self.skipString() ? .string : nil
        case UInt8(ascii: "t"): self.skip("true") ? .bool : nil
        case UInt8(ascii: "f"): self.skip("false") ? .bool : nil
        case UInt8(ascii: "n"): self.skip("null") ? .null : nil
        default: self.skipNumber() ? .number : nil
        }
    }

    private mutating func skip(_ word: StaticString) -> Bool {
        word.withUTF8Buffer { word in
            guard self.position + word.count <= self.end else { return false }
            for (offset, byte) in word.enumerated() where self.bytes[self.position + offset] != byte { return false }
            self.position += word.count
            return true
        }
    }

    /// Goes through an object.
    ///
    /// - Parameter value: passes over a member's value, told where the inside of its name stands; false ends it all.
    @inline(__always)
    package mutating func skipMembers(
        _ depth: Int, _ value: (inout JSONScanner, _ name: Range<Int>) -> Bool
    ) -> Bool {
        guard depth < Self.deepest else { return false }
        self.position += 1
        self.skipSpace()
        if self.take(UInt8(ascii: "}")) { return true }
        while true {
            let start = self.position + 1
            guard self.current == UInt8(ascii: "\""), self.skipString() else { return false }
            let name = start..<self.position - 1
            self.skipSpace()
            guard self.take(UInt8(ascii: ":")) else { return false }
            self.skipSpace()
            guard value(&self, name) else { return false }
            self.skipSpace()
            if self.take(UInt8(ascii: "}")) { return true }
            guard self.take(UInt8(ascii: ",")) else { return false }
            self.skipSpace()
        }
    }

    /// Goes through an array.
    ///
    /// - Parameter value: passes over an element, told its index; false ends it all.
    @inline(__always)
    package mutating func skipElements(_ depth: Int, _ value: (inout JSONScanner, _ index: Int) -> Bool) -> Bool {
        guard depth < Self.deepest else { return false }
        self.position += 1
        self.skipSpace()
        if self.take(UInt8(ascii: "]")) { return true }
        var index = 0
        while true {
            guard value(&self, index) else { return false }
            index += 1
            self.skipSpace()
            if self.take(UInt8(ascii: "]")) { return true }
            guard self.take(UInt8(ascii: ",")) else { return false }
            self.skipSpace()
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard self.current == byte else { return false }
        self.position += 1
        return true
    }

    private mutating func skipNumber() -> Bool {
        _ = self.take(UInt8(ascii: "-"))
        let start = self.position
        guard self.skipDigits() > 0 else { return false }
        guard self.bytes[start] != UInt8(ascii: "0") || self.position == start + 1 else { return false }
        if self.take(UInt8(ascii: ".")) { guard self.skipDigits() > 0 else { return false } }
        if self.current == UInt8(ascii: "e") || self.current == UInt8(ascii: "E") {
            self.position += 1
            if !self.take(UInt8(ascii: "+")) { _ = self.take(UInt8(ascii: "-")) }
            guard self.skipDigits() > 0 else { return false }
        }
        return true
    }

    private mutating func skipDigits() -> Int {
        let start = self.position
        while let byte = self.current, (0x30...0x39).contains(byte) { self.position += 1 }
        return self.position - start
    }
}
