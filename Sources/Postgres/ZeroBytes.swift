internal import Glibc

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

    /// Removes the escape `\u0000` from JSON text. In `\\u0000` the backslash is escaped and the rest is ordinary.
    mutating func removeZeroEscapes(from start: Int) {
        let backslash = UInt8(ascii: "\\")
        guard self.has(backslash, from: start) else { return }
        var (index, kept) = (start, start)
        while index < self.count {
            let isEscape = self[index] == backslash && index + 1 < self.count
            if isEscape, self[(index + 1)...].starts(with: "u0000".utf8) {
                index += 6
                continue
            }
            for _ in 0..<(isEscape ? 2 : 1) {
                self[kept] = self[index]
                (index, kept) = (index + 1, kept + 1)
            }
        }
        self.removeLast(self.count - kept)
    }

    private func has(_ byte: UInt8, from start: Int) -> Bool {
        guard self.count > start else { return false }
        return unsafe self.withUnsafeBytes { bytes in
            unsafe memchr(bytes.baseAddress! + start, Int32(byte), bytes.count - start) != nil
        }
    }
}
