extension JSONScanner {
    mutating func skipString() -> Bool {
        self.position += 1
        while let byte = self.current {
            self.position += 1
            switch byte {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"): guard self.skipEscape() else { return false }
            case 0..<0x20: return false
            case 0x80...: guard self.skipRest(ofCharacter: byte) else { return false }
            default: continue
            }
        }
        return false
    }

    private mutating func skipEscape() -> Bool {
        guard let byte = self.current else { return false }
        self.position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            return true
        case UInt8(ascii: "u"):
            guard self.position + 4 <= self.end else { return false }
            for index in self.position..<self.position + 4 where Self.hexValue(self.bytes[index]) == nil {
                return false
            }
            self.position += 4
            return true
        default: return false
        }
    }

    /// What follows the first byte of a character beyond ASCII, as UTF-8 has it (RFC 3629, section 4): the shortest form,
    /// and no surrogates.
    private mutating func skipRest(ofCharacter first: UInt8) -> Bool {
        let (count, second): (Int, ClosedRange<UInt8>)
        switch first {
        case 0xC2...0xDF: (count, second) = (1, 0x80...0xBF)
        case 0xE0: (count, second) = (2, 0xA0...0xBF)
        case 0xED: (count, second) = (2, 0x80...0x9F)
        case 0xE1...0xEF: (count, second) = (2, 0x80...0xBF)
        case 0xF0: (count, second) = (3, 0x90...0xBF)
        case 0xF1...0xF3: (count, second) = (3, 0x80...0xBF)
        case 0xF4: (count, second) = (3, 0x80...0x8F)
        default: return false
        }
        guard self.position + count <= self.end, second.contains(self.bytes[self.position]) else { return false }
        for index in self.position + 1..<self.position + count where self.bytes[index] & 0xC0 != 0x80 { return false }
        self.position += count
        return true
    }

    private static func hexValue(_ byte: UInt8) -> UInt16? {
        switch byte {
        case 0x30...0x39: UInt16(byte - 0x30)
        case 0x41...0x46: UInt16(byte - 0x37)
        case 0x61...0x66: UInt16(byte - 0x57)
        default: nil
        }
    }

    /// What a string says, in UTF-8. Half of a surrogate pair, which an escape can stand for and no text can hold, is three
    /// bytes as if it were a character, so that strings that differ stay different.
    ///
    /// - Parameter bytes: a valid string's inside.
    package static func unescape(_ bytes: ArraySlice<UInt8>) -> (bytes: [UInt8], isText: Bool) {
        guard bytes.contains(UInt8(ascii: "\\")) else { return (Array(bytes), true) }
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        var isText = true
        var index = bytes.startIndex
        /// The unit that an escape at `index` stands for, if it is a `\u`.
        func unit(at index: Int) -> UInt16? {
            guard index + 6 <= bytes.endIndex, bytes[index] == UInt8(ascii: "\\"), bytes[index + 1] == UInt8(ascii: "u")
            else { return nil }
            return bytes[index + 2..<index + 6].reduce(0) { $0 << 4 | (Self.hexValue($1) ?? 0) }
        }
        while index < bytes.endIndex {
            guard bytes[index] == UInt8(ascii: "\\") else {
                out.append(bytes[index])
                index += 1
                continue
            }
            guard let first = unit(at: index) else {
                out.append(Self.meaning(of: bytes[index + 1]))
                index += 2
                continue
            }
            index += 6
            var scalar = UInt32(first)
            if (0xD800...0xDBFF).contains(first), let second = unit(at: index), (0xDC00...0xDFFF).contains(second) {
                scalar = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
                index += 6
            } else if (0xD800...0xDFFF).contains(first) {
                isText = false
            }
            out.appendUTF8(scalar)
        }
        return (out, isText)
    }

    private static func meaning(of escaped: UInt8) -> UInt8 {
        switch escaped {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: escaped
        }
    }
}

extension [UInt8] {
    fileprivate mutating func appendUTF8(_ scalar: UInt32) {
        func rest(_ shift: UInt32) -> UInt8 { 0x80 | UInt8(scalar >> shift & 0x3F) }
        switch scalar {
        case ..<0x80: self.append(UInt8(scalar))
        case ..<0x800: self += [0xC0 | UInt8(scalar >> 6), rest(0)]
        case ..<0x10000: self += [0xE0 | UInt8(scalar >> 12), rest(6), rest(0)]
        default: self += [0xF0 | UInt8(scalar >> 18), rest(12), rest(6), rest(0)]
        }
    }

    /// Appends text as the inside of a JSON string.
    package mutating func appendJSONEscaped(_ text: some Sequence<UInt8>) {
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): self += [UInt8(ascii: "\\"), byte]
            case 0x0A: self += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case 0x0D: self += [UInt8(ascii: "\\"), UInt8(ascii: "r")]
            case 0x09: self += [UInt8(ascii: "\\"), UInt8(ascii: "t")]
            case 0..<0x20:
                self += Array("\\u00".utf8)
                if byte < 16 { self.append(UInt8(ascii: "0")) }
                self += Array(String(byte, radix: 16).utf8)
            default: self.append(byte)
            }
        }
    }
}
