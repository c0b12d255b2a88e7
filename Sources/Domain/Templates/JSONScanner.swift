/// Walks over JSON text and checks it on the way.
struct JSONScanner {
    private let bytes: [UInt8]
    var position: Int
    private static let deepest = 128

    init(_ bytes: [UInt8], at position: Int = 0) {
        self.bytes = bytes
        self.position = position
    }

    var current: UInt8? { self.position < self.bytes.count ? self.bytes[self.position] : nil }

    mutating func skipSpace() {
        while let byte = self.current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            self.position += 1
        }
    }

    /// - Returns: the kind of the value that was passed over; nil if there is none.
    mutating func skipValue(depth: Int = 0) -> RawJSON.Kind? {
        guard depth < Self.deepest, let byte = self.current else { return nil }
        switch byte {
        case UInt8(ascii: "{"): return self.skipObject(depth) ? .object : nil
        case UInt8(ascii: "["): return self.skipArray(depth) ? .array : nil
        case UInt8(ascii: "\""): return self.skipString() ? .string : nil
        case UInt8(ascii: "t"): return self.skip("true") ? .bool : nil
        case UInt8(ascii: "f"): return self.skip("false") ? .bool : nil
        case UInt8(ascii: "n"): return self.skip("null") ? .null : nil
        default: return self.skipNumber() ? .number : nil
        }
    }

    private mutating func skip(_ word: StaticString) -> Bool {
        word.withUTF8Buffer { word in
            guard self.position + word.count <= self.bytes.count else { return false }
            for (offset, byte) in word.enumerated() where self.bytes[self.position + offset] != byte { return false }
            self.position += word.count
            return true
        }
    }

    private mutating func skipObject(_ depth: Int) -> Bool {
        self.position += 1
        self.skipSpace()
        if self.take(UInt8(ascii: "}")) { return true }
        while true {
            guard self.current == UInt8(ascii: "\""), self.skipString() else { return false }
            self.skipSpace()
            guard self.take(UInt8(ascii: ":")) else { return false }
            self.skipSpace()
            guard self.skipValue(depth: depth + 1) != nil else { return false }
            self.skipSpace()
            if self.take(UInt8(ascii: "}")) { return true }
            guard self.take(UInt8(ascii: ",")) else { return false }
            self.skipSpace()
        }
    }

    private mutating func skipArray(_ depth: Int) -> Bool {
        self.position += 1
        self.skipSpace()
        if self.take(UInt8(ascii: "]")) { return true }
        while true {
            guard self.skipValue(depth: depth + 1) != nil else { return false }
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

    private mutating func skipString() -> Bool {
        self.position += 1
        while let byte = self.current {
            self.position += 1
            switch byte {
            case UInt8(ascii: "\""): return true
            case UInt8(ascii: "\\"): guard self.skipEscape() else { return false }
            case 0..<0x20: return false
            default: continue
            }
        }
        return false
    }

    private mutating func skipEscape() -> Bool {
        guard let byte = self.current else { return false }
        self.position += 1
        guard byte == UInt8(ascii: "u") else { return "\"\\/bfnrt".utf8.contains(byte) }
        guard self.position + 4 <= self.bytes.count,
            self.bytes[self.position..<self.position + 4].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit })
        else { return false }
        self.position += 4
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

    /// - Parameter bytes: a valid string's inside.
    static func unescape(_ bytes: ArraySlice<UInt8>) -> String {
        guard bytes.contains(UInt8(ascii: "\\")) else { return String(decoding: bytes, as: UTF8.self) }
        var units: [UInt16] = []
        var plain: [UInt8] = []
        var index = bytes.startIndex
        func flush() {
            units += String(decoding: plain, as: UTF8.self).utf16
            plain = []
        }
        while index < bytes.endIndex {
            guard bytes[index] == UInt8(ascii: "\\") else {
                plain.append(bytes[index])
                index += 1
                continue
            }
            index += 2
            switch bytes[index - 1] {
            case UInt8(ascii: "b"): plain.append(0x08)
            case UInt8(ascii: "f"): plain.append(0x0C)
            case UInt8(ascii: "n"): plain.append(0x0A)
            case UInt8(ascii: "r"): plain.append(0x0D)
            case UInt8(ascii: "t"): plain.append(0x09)
            case UInt8(ascii: "u"):
                // As UTF-16, so that two of them can make one character.
                flush()
                units.append(UInt16(String(decoding: bytes[index..<index + 4], as: UTF8.self), radix: 16) ?? 0xFFFD)
                index += 4
            case let same: plain.append(same)
            }
        }
        flush()
        return String(decoding: units, as: UTF16.self)
    }
}

extension [UInt8] {
    /// Appends text as the inside of a JSON string.
    package mutating func appendJSONEscaped(_ text: some Sequence<UInt8>) {
        for byte in text {
            switch byte {
            case UInt8(ascii: "\""): self += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\\"): self += [UInt8(ascii: "\\"), byte]
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
