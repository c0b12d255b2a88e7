internal import Domain

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
    /// What the body is packed in, in lower case; nil if it is not.
    private(set) var coding: String?
    /// What is kept of its fields; nil if nobody looks at them.
    private(set) var headers: AnswerHeaders?

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

    /// - Parameters:
    ///   - bytes: up to and including the empty line that ends it, or the end of another line.
    ///   - keepsHeaders: whether something of them is kept of a success too.
    ///   - isCut: whether there is more of it.
    init(
        _ bytes: UnsafeRawBufferPointer, keepsHeaders: Bool = false, isCut: Bool = false
    ) throws(ResponseParser.Malformed) {
        // What is not read may say where the body ends.
        self.isDoubtful = isCut
        let bytes = bytes[...]
        let isOld = try self.readStatusLine(bytes)
        if keepsHeaders || self.status >= 300 { self.headers = AnswerHeaders() }
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
        var next = self.line(bytes.base, from: Self.emptyLine(before: bytes)).end
        while next < bytes.endIndex {
            let (start, line) = (next, self.line(bytes.base, from: next))
            next = line.end
            // A folded field goes on in the next line (section 5.2). Its breaks are blanks.
            while next < bytes.endIndex, Self.isBlank(bytes[next]) {
                self.isDoubtful = true
                next = self.line(bytes.base, from: next).end
            }
            guard let colon = line.colon, colon > start, !Self.isBlank(bytes[start]) else {
                // Blanks in front belong to no field (section 2.2), and a line without a name is none. Neither says anything.
                if next - start > 2 || bytes[start] != 0x0D && bytes[start] != 0x0A { self.isDoubtful = true }
                continue
            }
            self.readField(bytes[start..<colon], bytes[colon + 1..<next], into: &fields)
        }
    }

    /// Where the line that begins there has its first colon, and the offset behind its line feed.
    private mutating func line(_ bytes: UnsafeRawBufferPointer, from start: Int) -> (colon: Int?, end: Int) {
        let count = bytes.count
        var (index, colon) = (start, -1)
        // Every byte of every head comes by here; none of these sums can overflow.
        while index < count {
            let byte = bytes[index]
            index &+= 1
            // Nothing is odd about any other byte: what is in a field is its own business.
            if byte >= 0x20 {
                if byte == 0x3A, colon < 0 { colon = index &- 1 }
            } else if byte == 0x0A {
                if index &- start < 2 || bytes[index &- 2] != 0x0D { self.isDoubtful = true }
                break
            } else if byte != 0x09, byte != 0x0D || index == count || bytes[index] != 0x0A {
                self.isDoubtful = true
            }
        }
        return (colon < 0 ? nil : colon, index)
    }

    /// - Parameter rest: what is behind the colon, as it stands.
    private mutating func readField(_ name: Bytes, _ rest: Bytes, into fields: inout Fields) {
        var name = name
        while let last = name.last, Self.isBlank(last) {
            name = name.dropLast()
            self.isDoubtful = true
        }
        self.headers?.note(name: name, value: Self.trimmed(rest))
        // Only these six matter, and their lengths tell most apart.
        switch name.count {
        case 14 where Self.equals(name, "content-length"): self.readLength(Self.trimmed(rest), into: &fields)
        case 17 where Self.equals(name, "transfer-encoding"): self.readCodings(Self.trimmed(rest), into: &fields)
        case 10 where Self.equals(name, "connection"): Self.readOptions(Self.trimmed(rest), into: &fields)
        case 11 where Self.equals(name, "retry-after"):
            self.retryAfter = String(decoding: Self.trimmed(rest).prefix(64), as: UTF8.self)
        case 8 where Self.equals(name, "location"):
            self.location = String(decoding: Self.trimmed(rest).prefix(1_024), as: UTF8.self)
        case 16 where Self.equals(name, "content-encoding"): self.readCoding(Self.trimmed(rest))
        default: break
        }
    }

    private static func readOptions(_ value: Bytes, into fields: inout Fields) {
        // As nearly all say it, so that no list is made.
        if Self.equals(value, "keep-alive") { return fields.keepsAlive = true }
        for option in value.split(separator: 0x2C) {
            if Self.equals(Self.trimmed(option), "close") { fields.closes = true }
            if Self.equals(Self.trimmed(option), "keep-alive") { fields.keepsAlive = true }
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

    /// Of the body itself. It says nothing about where that ends.
    private mutating func readCoding(_ value: Bytes) {
        guard !value.isEmpty, !Self.equals(value, "identity") else { return }
        let coding = String(decoding: value.prefix(64).map(Self.lowered), as: UTF8.self)
        // What was packed again is said in the order in which that was done, on one line or on several.
        self.coding = self.coding.map { "\($0), \(coding)" } ?? coding
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
    private static func trimmed(_ bytes: Bytes) -> Bytes {
        func isSpace(_ byte: UInt8) -> Bool { Self.isBlank(byte) || byte == 0x0D || byte == 0x0A }
        var (start, end) = (bytes.startIndex, bytes.endIndex)
        while start < end, isSpace(bytes[start]) { start += 1 }
        while start < end, isSpace(bytes[end - 1]) { end -= 1 }
        return bytes[start..<end]
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
        let (start, end, text) = (bytes.startIndex, bytes.endIndex, expected.utf8Start)
        var index = start
        while index < end {
            guard Self.lowered(bytes.base[index]) == text[index &- start] else { return false }
            index &+= 1
        }
        return true
    }
}
