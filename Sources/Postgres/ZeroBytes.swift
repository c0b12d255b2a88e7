internal import Glibc
internal import Values

// PostgreSQL's text has no U+0000. It is removed here, where text is bound, so that what a device or a receiver sent
// cannot make a statement fail, and with it everything else that the statement writes.
extension [UInt8] {
    mutating func removeZeroBytes(from start: Int) {
        guard self.has(0, from: start) else { return }
        var kept = start
        for index in start..<self.count where self[index] != 0 {
            self[kept] = self[index]
            kept += 1
        }
        self.removeLast(self.count - kept)
    }

    /// Makes escapes of JSON text such as every server takes: `\u0000` is removed, and characters beyond ASCII are written out, of which
    /// a server that keeps bytes as they are (SQL_ASCII) knows no escapes. In `\\u0000` the backslash is escaped and the rest is ordinary.
    mutating func settleEscapes(from start: Int) {
        let backslash = UInt8(ascii: "\\")
        guard self.has(backslash, from: start) else { return }
        var (index, kept) = (start, start)
        while index < self.count {
            if let (character, length) = self.escape(at: index) {
                // None is longer than its escape.
                if character.value > 0 {
                    for byte in character.utf8 {
                        self[kept] = byte
                        kept += 1
                    }
                }
                index += length
                continue
            }
            let isEscape = self[index] == backslash && index + 1 < self.count
            for _ in 0..<(isEscape ? 2 : 1) {
                self[kept] = self[index]
                (index, kept) = (index + 1, kept + 1)
            }
        }
        self.removeLast(self.count - kept)
    }

    /// The character that is escaped here, and how long that is; nil if it is none of those that are not left as they are.
    private func escape(at index: Int) -> (character: Unicode.Scalar, length: Int)? {
        guard let unit = self.escapedUnit(at: index) else { return nil }
        if let character = Unicode.Scalar(unit) { return unit == 0 || unit > 0x7F ? (character, 6) : nil }
        guard let low = self.escapedUnit(at: index + 6), UTF16.isLeadSurrogate(unit), UTF16.isTrailSurrogate(low)
        else { return nil }
        let value = 0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(low) - 0xDC00)
        return Unicode.Scalar(value).map { ($0, 12) }
    }

    /// The four digits of an escape.
    private func escapedUnit(at index: Int) -> UInt16? {
        guard index + 6 <= self.count, self[index] == UInt8(ascii: "\\"), self[index + 1] == UInt8(ascii: "u") else {
            return nil
        }
        var unit: UInt16 = 0
        for digit in self[(index + 2)..<(index + 6)] {
            guard let value = HexDigit.value(of: digit) else { return nil }
            unit = unit << 4 | UInt16(value)
        }
        return unit
    }

    private func has(_ byte: UInt8, from start: Int) -> Bool {
        guard self.count > start else { return false }
        return unsafe self.withUnsafeBytes { bytes in
            unsafe memchr(bytes.baseAddress! + start, Int32(byte), bytes.count - start) != nil
        }
    }
}
