/// What the head of a response says (RFC 9112), as far as anybody here wants to know.
///
/// Its status is the receiver's answer, and nothing else in the head can take it back. How long the body is decides only
/// whether the connection may be used again: what is odd about it makes the head doubtful, and then it may not.
struct ResponseHead: Equatable {
    enum Framing: Equatable {
        case none
        case length(Int)
        case chunked
        /// The body goes on until the receiver closes.
        case untilClose
    }

    private(set) var status = 0
    private(set) var framing = Framing.none
    /// Whether the connection is still good behind the body.
    private(set) var isPersistent = false
    /// Whether two readers could find the end of the body in different places.
    private(set) var isDoubtful = false
    private(set) var retryAfter: String?
    private(set) var location: String?

    /// An interim response; the final one follows.
    var isInterim: Bool { self.status < 200 }

    private typealias Bytes = Slice<UnsafeRawBufferPointer>

    private enum Coding { case chunked, other }

    /// What the fields say of the body and of the connection.
    private struct Fields {
        var length: Int?
        var hasBadLength = false
        var coding: Coding?
        var closes = false
        var keepsAlive = false
    }

    /// - Parameter bytes: up to and including the empty line that ends it.
    init(_ bytes: UnsafeRawBufferPointer) throws(ResponseParser.Malformed) {
        let bytes = bytes[...]
        let isOld = try self.readStatusLine(bytes)
        var fields = Fields()
        self.readFields(of: bytes, into: &fields)
        self.settle(fields, isOld: isOld)
    }

    // MARK: The status line

    /// Whether a response may begin like this, however little there is of it: some talk first and are no HTTP servers.
    static func canBegin(with bytes: UnsafeRawBufferPointer) -> Bool {
        let rest = bytes.dropFirst(Self.emptyLine(before: bytes[...]))
        let expected: StaticString = "http/1."
        for (offset, byte) in rest.prefix(expected.utf8CodeUnitCount).enumerated()
        where Self.lowered(byte) != expected.utf8Start[offset] {
            return false
        }
        return true
    }

    /// One empty line may stand in front, the end of a body before it that was counted wrong.
    ///
    /// - Returns: its length.
    private static func emptyLine(before bytes: Bytes) -> Int {
        guard bytes.first == 0x0D || bytes.first == 0x0A else { return 0 }
        return bytes.first == 0x0D && bytes.dropFirst().first == 0x0A ? 2 : 1
    }

    /// - Returns: whether it is HTTP/1.0.
    private mutating func readStatusLine(_ bytes: Bytes) throws(ResponseParser.Malformed) -> Bool {
        let skipped = Self.emptyLine(before: bytes)
        if skipped > 0 { self.isDoubtful = true }
        // "HTTP/1.x 200": everything up to the status has fixed places, but for the spaces between.
        let line = bytes.dropFirst(skipped)
        guard line.count > 12, Self.equals(line.prefix(7), "http/1."), Self.isDigit(line[line.startIndex + 7]) else {
            throw .head
        }
        var index = line.startIndex + 8
        while index < line.endIndex, Self.isBlank(line[index]) { index += 1 }
        guard index > line.startIndex + 8, line.endIndex - index > 3 else { throw .head }
        let isUsual = line.first == 0x48 && line[line.startIndex + 7] <= 0x31 && index == line.startIndex + 9
        if !isUsual { self.isDoubtful = true }
        for digit in line[index..<index + 3] {
            guard Self.isDigit(digit) else { throw .head }
            self.status = self.status * 10 + Int(digit - 0x30)
        }
        guard self.status >= 100, !Self.isDigit(line[index + 3]) else { throw .head }
        // We never ask for another protocol, and what follows is one.
        guard self.status != 101 else { throw .otherProtocol }
        return line[line.startIndex + 7] == 0x30
    }

    // MARK: Fields

    private mutating func readFields(of bytes: Bytes, into fields: inout Fields) {
        // The first line is the status line.
        var next = self.endOfLine(bytes, from: bytes.startIndex + Self.emptyLine(before: bytes))
        while next < bytes.endIndex {
            let start = next
            if Self.isBlank(bytes[start]) { self.isDoubtful = true }
            next = self.endOfLine(bytes, from: start)
            // A folded field goes on in the next line (section 5.2). Its breaks are blanks.
            while next < bytes.endIndex, Self.isBlank(bytes[next]) {
                self.isDoubtful = true
                next = self.endOfLine(bytes, from: next)
            }
            self.readField(Self.trimmed(bytes[start..<next], isStartKept: true), into: &fields)
        }
    }

    /// The offset behind the line feed of the line that begins there.
    private mutating func endOfLine(_ bytes: Bytes, from start: Int) -> Int {
        var index = start
        while index < bytes.endIndex {
            let byte = bytes[index]
            index += 1
            // Nothing is odd about any other byte: what is in a field is its own business.
            guard byte < 0x20 else { continue }
            if byte == 0x0A {
                if index - 2 < start || bytes[index - 2] != 0x0D { self.isDoubtful = true }
                return index
            }
            if byte != 0x09, byte != 0x0D || index == bytes.endIndex || bytes[index] != 0x0A { self.isDoubtful = true }
        }
        return index
    }

    private mutating func readField(_ line: Bytes, into fields: inout Fields) {
        guard let first = line.first else { return }
        // Blanks in front belong to no field (section 2.2), and a line without a name is none. Neither says anything.
        guard !Self.isBlank(first), let colon = line.firstIndex(of: 0x3A), colon > line.startIndex else {
            self.isDoubtful = true
            return
        }
        var name = line[..<colon]
        while let last = name.last, Self.isBlank(last) {
            name = name.dropLast()
            self.isDoubtful = true
        }
        let value = Self.trimmed(line[line.index(after: colon)...])
        // Only these five matter, and their lengths tell most apart.
        switch name.count {
        case 14 where Self.equals(name, "content-length"): self.readLength(value, into: &fields)
        case 17 where Self.equals(name, "transfer-encoding"): self.readCodings(value, into: &fields)
        case 10 where Self.equals(name, "connection") && Self.equals(value, "keep-alive"): fields.keepsAlive = true
        case 10 where Self.equals(name, "connection"):
            for option in value.split(separator: 0x2C) {
                if Self.equals(Self.trimmed(option), "close") { fields.closes = true }
                if Self.equals(Self.trimmed(option), "keep-alive") { fields.keepsAlive = true }
            }
        case 11 where Self.equals(name, "retry-after"):
            self.retryAfter = String(decoding: value.prefix(64), as: UTF8.self)
        case 8 where Self.equals(name, "location"):
            self.location = String(decoding: value.prefix(1_024), as: UTF8.self)
        default: break
        }
    }

    /// One that is said twice is taken if it is the same (RFC 9110, section 8.6); of several the least, so that nobody waits
    /// for what does not come.
    private mutating func readLength(_ value: Bytes, into fields: inout Fields) {
        if fields.length == nil, let length = Self.number(value) { return fields.length = length }
        self.isDoubtful = true
        for part in value.split(separator: 0x2C, omittingEmptySubsequences: false) {
            guard let length = Self.number(Self.trimmed(part)) else {
                fields.hasBadLength = true
                continue
            }
            fields.length = min(length, fields.length ?? length)
        }
    }

    private mutating func readCodings(_ value: Bytes, into fields: inout Fields) {
        if fields.coding == nil, Self.equals(value, "chunked") { return fields.coding = .chunked }
        // `identity`, which was removed from HTTP long ago, says nothing; of others only the last frames the body.
        self.isDoubtful = true
        for part in value.split(separator: 0x2C) {
            let coding = Self.trimmed(part)
            if coding.isEmpty || Self.equals(coding, "identity") { continue }
            fields.coding = Self.equals(coding, "chunked") ? .chunked : .other
        }
    }

    // MARK: What comes of it

    private mutating func settle(_ fields: Fields, isOld: Bool) {
        // A length and chunks at once is how responses are smuggled (section 6.3), and HTTP/1.0 knows no chunks (section 6.1).
        if fields.coding != nil, isOld || fields.length != nil || fields.hasBadLength { self.isDoubtful = true }
        if self.isInterim || self.status == 204 || self.status == 304 {
            self.framing = .none
            // It has no body. Who announces one may send it all the same.
            if !self.isInterim, fields.coding != nil || fields.length ?? 0 > 0 { self.isDoubtful = true }
        } else {
            self.framing =
                switch fields.coding {
                case .chunked: .chunked
                case .other: .untilClose
                case nil: fields.length.map { .length($0) } ?? .untilClose
                }
        }
        self.isPersistent =
            !self.isDoubtful && !fields.closes && self.framing != .untilClose && (!isOld || fields.keepsAlive)
    }

    // MARK: Bytes

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    private static func lowered(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }

    /// Without blanks around it, and without the ends of lines.
    private static func trimmed(_ bytes: Bytes, isStartKept: Bool = false) -> Bytes {
        func isSpace(_ byte: UInt8) -> Bool { Self.isBlank(byte) || byte == 0x0D || byte == 0x0A }
        var bytes = bytes
        while let last = bytes.last, isSpace(last) { bytes = bytes.dropLast() }
        while !isStartKept, let first = bytes.first, isSpace(first) { bytes = bytes.dropFirst() }
        return bytes
    }

    /// A number in decimal; one that is too large is the largest, and nil is none.
    private static func number(_ bytes: Bytes) -> Int? {
        guard !bytes.isEmpty, bytes.allSatisfy(Self.isDigit) else { return nil }
        guard bytes.count > 15 else { return bytes.reduce(0) { $0 * 10 + Int($1 - 0x30) } }
        return Int(String(decoding: bytes, as: UTF8.self)) ?? .max
    }

    /// Compares without regard to case; `expected` is lower case.
    private static func equals(_ bytes: Bytes, _ expected: StaticString) -> Bool {
        guard bytes.count == expected.utf8CodeUnitCount else { return false }
        for offset in 0..<bytes.count where Self.lowered(bytes[bytes.startIndex + offset]) != expected.utf8Start[offset]
        {
            return false
        }
        return true
    }
}
