/// Rows of a table as text (RFC 4180), as spreadsheets write it: with a comma, a semicolon or a tab between fields, whichever the
/// first row has, lines that end in any way, and a byte order mark before all.
package struct DelimitedText: Sendable {
    /// The fields of each row, and where it begins: counted from 1, as who looks at the text counts lines.
    package struct Row: Sendable, Equatable {
        package let line: Int
        package let fields: [String]
    }

    package struct Refusal: Error, Sendable, Equatable {
        package let line: Int
        package let reason: String
    }

    /// Without empty lines.
    package let rows: [Row]

    /// - Parameters:
    ///   - most: rows.
    ///   - separator: between fields; nil finds out.
    package init(_ bytes: [UInt8], most: Int, separator: UInt8? = nil) throws(Refusal) {
        var reader = Reader(bytes, separator)
        var rows: [Row] = []
        while let row = try reader.next() {
            if row.fields == [""] { continue }
            guard rows.count < most else {
                throw Refusal(line: row.line, reason: "is beyond the \(most) that are taken")
            }
            rows.append(row)
        }
        self.rows = rows
    }

    private struct Reader {
        let bytes: [UInt8]
        let separator: UInt8
        var position: Int
        var line = 1

        init(_ bytes: [UInt8], _ separator: UInt8?) {
            self.bytes = bytes
            self.position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
            self.separator = separator ?? Self.separator(of: bytes[self.position...])
        }

        /// The one that comes first in the first row, outside of quotes.
        private static func separator(of bytes: ArraySlice<UInt8>) -> UInt8 {
            var isQuoted = false
            for byte in bytes {
                switch byte {
                case UInt8(ascii: "\""): isQuoted.toggle()
                case _ where isQuoted: continue
                case UInt8(ascii: ","), UInt8(ascii: ";"), 0x09: return byte
                case 0x0A, 0x0D: return UInt8(ascii: ",")
                default: continue
                }
            }
            return UInt8(ascii: ",")
        }

        private var current: UInt8? { self.position < self.bytes.count ? self.bytes[self.position] : nil }

        mutating func next() throws(Refusal) -> Row? {
            guard self.current != nil else { return nil }
            let start = self.line
            var fields: [String] = []
            while true {
                fields.append(try self.field())
                guard let end = self.current else { break }
                self.position += 1
                if end == self.separator { continue }
                if end == 0x0D, self.current == 0x0A { self.position += 1 }
                self.line += 1
                break
            }
            return Row(line: start, fields: fields)
        }

        /// Ends before what follows the field: a separator, the end of the line, or nothing.
        private mutating func field() throws(Refusal) -> String {
            guard self.current == UInt8(ascii: "\"") else {
                let end = self.bytes[self.position...].firstIndex { self.ends($0) } ?? self.bytes.count
                defer { self.position = end }
                return try self.text(Array(self.bytes[self.position..<end]))
            }
            self.position += 1
            var inside: [UInt8] = []
            let start = self.line
            while let byte = self.current {
                self.position += 1
                if byte == UInt8(ascii: "\"") {
                    guard self.current == UInt8(ascii: "\"") else {
                        guard self.current.map(self.ends) ?? true else {
                            throw Refusal(line: self.line, reason: "has something behind a closing quote")
                        }
                        return try self.text(inside)
                    }
                    self.position += 1
                } else if byte == 0x0A {
                    self.line += 1
                }
                inside.append(byte)
            }
            throw Refusal(line: start, reason: "has a quote that is not closed")
        }

        private func ends(_ byte: UInt8) -> Bool { byte == self.separator || byte == 0x0A || byte == 0x0D }

        private func text(_ bytes: [UInt8]) throws(Refusal) -> String {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw Refusal(line: self.line, reason: "is no text in UTF-8")
            }
            guard !text.utf8.contains(0) else { throw Refusal(line: self.line, reason: "has a zero byte") }
            return text
        }
    }
}
