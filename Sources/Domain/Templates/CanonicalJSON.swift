extension RawJSON {
    /// The same bytes for all texts that say the same: numbers by what they come to, strings by their code points, arrays
    /// element by element, objects by their members in any order, of several of one name the last.
    package var canonicalText: [UInt8] {
        var writer = Canonicalizer(JSONScanner(self.bytes, at: self.range.lowerBound, end: self.range.upperBound))
        writer.write(depth: 0)
        return writer.out
    }

    /// The text without spaces between what it consists of. Digits, order and repetitions stay.
    package var compactText: String {
        var out: [UInt8] = []
        out.reserveCapacity(self.range.count)
        var isInString = false
        var isEscaped = false
        for byte in self.text {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
            } else {
                guard byte > 0x20 else { continue }
                isInString = byte == UInt8(ascii: "\"")
            }
            out.append(byte)
        }
        return String(decoding: out, as: UTF8.self)
    }
}

/// Writes a value that was checked before in its one canonical form.
private struct Canonicalizer {
    private var scanner: JSONScanner
    var out: [UInt8] = []

    init(_ scanner: JSONScanner) {
        self.scanner = scanner
    }

    mutating func write(depth: Int) {
        switch self.scanner.current {
        case UInt8(ascii: "{")?: self.writeObject(depth)
        case UInt8(ascii: "[")?: self.writeArray(depth)
        default:
            let start = self.scanner.position
            let kind = self.scanner.skipValue(depth: depth)
            let text = self.scanner.bytes[start..<self.scanner.position]
            switch kind {
            case .string?: self.writeString(JSONScanner.unescape(text.dropFirst().dropLast()).bytes)
            case .number? where !JSONNumber.isCanonical(text): self.out += JSONNumber(text).canonicalText
            default: self.out += text
            }
        }
    }

    private mutating func writeString(_ text: [UInt8]) {
        self.out.append(UInt8(ascii: "\""))
        for byte in text {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { self.out.append(UInt8(ascii: "\\")) }
            self.out.append(byte)
        }
        self.out.append(UInt8(ascii: "\""))
    }

    private mutating func writeArray(_ depth: Int) {
        self.out.append(UInt8(ascii: "["))
        var scanner = self.scanner
        _ = scanner.skipElements(depth) { scanner, index in
            if index > 0 { self.out.append(UInt8(ascii: ",")) }
            self.writeNext(&scanner, depth)
            return true
        }
        self.scanner = scanner
        self.out.append(UInt8(ascii: "]"))
    }

    private mutating func writeObject(_ depth: Int) {
        let start = self.out.count
        var members: [(name: [UInt8], value: Range<Int>)] = []
        var scanner = self.scanner
        _ = scanner.skipMembers(depth) { scanner, name in
            let start = self.out.count
            self.writeNext(&scanner, depth)
            members.append((JSONScanner.unescape(scanner.bytes[name]).bytes, start..<self.out.count))
            return true
        }
        self.scanner = scanner
        let values = Array(self.out[start...])
        self.out.removeLast(values.count)
        members.sort {
            $0.name == $1.name
                ? $0.value.lowerBound < $1.value.lowerBound : $0.name.lexicographicallyPrecedes($1.name)
        }
        self.out.append(UInt8(ascii: "{"))
        var isFirst = true
        for (index, member) in members.enumerated() {
            if index + 1 < members.count, members[index + 1].name == member.name { continue }
            if !isFirst { self.out.append(UInt8(ascii: ",")) }
            isFirst = false
            self.writeString(member.name)
            self.out.append(UInt8(ascii: ":"))
            self.out += values[(member.value.lowerBound - start)..<(member.value.upperBound - start)]
        }
        self.out.append(UInt8(ascii: "}"))
    }

    private mutating func writeNext(_ scanner: inout JSONScanner, _ depth: Int) {
        self.scanner.position = scanner.position
        self.write(depth: depth + 1)
        scanner.position = self.scanner.position
    }
}
