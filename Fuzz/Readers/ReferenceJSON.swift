/// A second reading of RFC 8259, as plain as can be, for the first to be compared with.
struct ReferenceJSON {
    private var rest: Substring.UnicodeScalarView
    private let deepest: Int

    /// - Parameter deepest: how many values may be open at a time.
    static func accepts(_ bytes: some Collection<UInt8>, deepest: Int = 64) -> Bool {
        guard let text = String(validating: bytes, as: UTF8.self) else { return false }
        var reader = ReferenceJSON(rest: text[...].unicodeScalars, deepest: deepest)
        return reader.skipSpace() && reader.value(0) && reader.skipSpace() && reader.rest.isEmpty
    }

    private mutating func take(_ text: String) -> Bool {
        guard self.rest.starts(with: text.unicodeScalars) else { return false }
        self.rest = self.rest.dropFirst(text.unicodeScalars.count)
        return true
    }

    private mutating func take(_ isOne: (Unicode.Scalar) -> Bool) -> Bool {
        guard let first = self.rest.first, isOne(first) else { return false }
        self.rest = self.rest.dropFirst()
        return true
    }

    private mutating func skipSpace() -> Bool {
        while self.take({ " \n\r\t".unicodeScalars.contains($0) }) {}
        return true
    }

    private mutating func value(_ depth: Int) -> Bool {
        switch self.rest.first {
        case "{"?:
            self.list("{", "}", depth) { reader in
                reader.string() && reader.skipSpace() && reader.take(":") && reader.skipSpace()
                    && reader.value(depth + 1)
            }
        case "["?: self.list("[", "]", depth) { $0.value(depth + 1) }
        case "\""?: self.string()
        default: self.take("true") || self.take("false") || self.take("null") || self.number()
        }
    }

    private mutating func list(
        _ start: String, _ end: String, _ depth: Int, _ element: (inout ReferenceJSON) -> Bool
    ) -> Bool {
        guard depth < self.deepest, self.take(start), self.skipSpace() else { return false }
        if self.take(end) { return true }
        repeat {
            guard self.skipSpace(), element(&self), self.skipSpace() else { return false }
        } while self.take(",")
        return self.take(end)
    }

    private mutating func string() -> Bool {
        guard self.take("\"") else { return false }
        while !self.take("\"") {
            if self.take("\\") {
                if self.take("u") {
                    for _ in 0..<4 where !self.take(Self.isHex) { return false }
                } else if !self.take({ "\"\\/bfnrt".unicodeScalars.contains($0) }) {
                    return false
                }
            } else if !self.take({ $0.value >= 0x20 }) {
                return false
            }
        }
        return true
    }

    private static func isHex(_ scalar: Unicode.Scalar) -> Bool {
        "0123456789abcdefABCDEF".unicodeScalars.contains(scalar)
    }

    private mutating func number() -> Bool {
        _ = self.take("-")
        guard self.take("0") || self.digits() else { return false }
        if self.take("."), !self.digits() { return false }
        if self.take("e") || self.take("E") {
            if !self.take("+") { _ = self.take("-") }
            return self.digits()
        }
        return true
    }

    private mutating func digits() -> Bool {
        var count = 0
        while self.take({ ("0"..."9").contains($0) }) { count += 1 }
        return count > 0
    }
}
