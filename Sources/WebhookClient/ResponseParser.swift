/// Reads one HTTP/1.1 response (RFC 9112), piece by piece, in bounded memory.
///
/// It wants little of a response: the status, whether the connection can be used again, `retry-after`, and the first
/// bytes of the body for the log. A body is never decompressed, and what goes beyond the limits is not kept.
struct ResponseParser {
    struct Limits: Sendable {
        /// Status line and headers together, in bytes.
        var head = 32 * 1024
        /// How much of the body is kept.
        var keptBody = 4 * 1024
        /// How much of the body is read before the connection is given up.
        var body = 1024 * 1024
    }

    enum Progress: Equatable {
        case needsMore
        /// The response is complete; `canReuse` says whether the connection is still good.
        case complete(canReuse: Bool)
        /// The body is larger than we care to read. The status stands.
        case bodyTooLarge
    }

    enum Malformed: String, Error {
        case head = "the response's head is not valid HTTP/1.1"
        case headTooLarge = "the response's head is too large"
        case length = "the response's content-length is not valid"
        case chunk = "the response's chunked body is not valid"
        case excess = "the receiver sent more than one response"
    }

    private enum State {
        case head
        case body(remaining: Int)
        case chunkSize
        case chunk(remaining: Int)
        case chunkEnd
        case trailer
        case untilClose
        case done
    }

    private var limits: Limits
    private var state = State.head
    /// Bytes of a head, chunk size or trailer line that have not come whole yet.
    private var partial: [UInt8] = []
    private var trailerBytes = 0
    private var bodyBytes = 0
    private var isPersistent = true

    private(set) var status = 0
    private(set) var body: [UInt8] = []
    private(set) var retryAfter: String?
    /// Whether a single byte of a response has come.
    private(set) var hasBegun = false

    /// Whether the final status is known, so that whatever happens to the body the answer is in.
    var hasStatus: Bool {
        if case .head = self.state { false } else { true }
    }

    init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// The next response is somebody else's, who wants so much of its body.
    mutating func keep(_ bytes: Int) {
        self.limits.keptBody = bytes
    }

    /// Gets ready for the next response on the same connection, keeping the memory.
    mutating func reset() {
        self.state = .head
        self.partial.removeAll(keepingCapacity: true)
        self.trailerBytes = 0
        self.bodyBytes = 0
        self.isPersistent = true
        self.status = 0
        self.body = []
        self.retryAfter = nil
        self.hasBegun = false
    }

    /// The peer has closed: the end of a body that has no length, or of a response that never was.
    mutating func finish() -> Progress? {
        if case .untilClose = self.state {
            self.state = .done
            return .complete(canReuse: false)
        }
        return nil
    }

    mutating func read(_ bytes: UnsafeRawBufferPointer) throws(Malformed) -> Progress {
        var rest = bytes[...]
        if !rest.isEmpty { self.hasBegun = true }
        while true {
            switch self.state {
            case .head:
                guard try self.readHead(&rest) else { return .needsMore }
            case .body(let remaining):
                let count = min(remaining, rest.count)
                self.keep(rest.prefix(count))
                rest = rest.dropFirst(count)
                guard self.bodyBytes <= self.limits.body else { return .bodyTooLarge }
                guard count == remaining else {
                    self.state = .body(remaining: remaining - count)
                    return .needsMore
                }
                self.state = .done
            case .chunkSize:
                guard let line = try self.line(&rest) else { return .needsMore }
                let size = try Self.chunkSize(line)
                self.state = size == 0 ? .trailer : .chunk(remaining: size)
            case .chunk(let remaining):
                let count = min(remaining, rest.count)
                self.keep(rest.prefix(count))
                rest = rest.dropFirst(count)
                guard self.bodyBytes <= self.limits.body else { return .bodyTooLarge }
                guard count == remaining else {
                    self.state = .chunk(remaining: remaining - count)
                    return .needsMore
                }
                self.state = .chunkEnd
            case .chunkEnd:
                guard let line = try self.line(&rest) else { return .needsMore }
                guard line.isEmpty else { throw .chunk }
                self.state = .chunkSize
            case .trailer:
                guard let line = try self.line(&rest) else { return .needsMore }
                self.trailerBytes += line.count + 2
                guard self.trailerBytes <= self.limits.head else { throw .headTooLarge }
                if line.isEmpty { self.state = .done }
            case .untilClose:
                self.keep(rest)
                return self.bodyBytes <= self.limits.body ? .needsMore : .bodyTooLarge
            case .done:
                // Bytes that nobody asked for would be taken for the next answer.
                return .complete(canReuse: self.isPersistent && rest.isEmpty)
            }
        }
    }

    private mutating func keep(_ bytes: Slice<UnsafeRawBufferPointer>) {
        self.bodyBytes += bytes.count
        let room = self.limits.keptBody - self.body.count
        if room > 0 { self.body.append(contentsOf: bytes.prefix(room)) }
    }

    // MARK: Head

    private mutating func readHead(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(Malformed) -> Bool {
        // The usual case, a whole head in one piece, is read where it lies.
        if self.partial.isEmpty, let end = Self.endOfHead(UnsafeRawBufferPointer(rebasing: rest)) {
            guard end <= self.limits.head else { throw .headTooLarge }
            try self.parseHead(UnsafeRawBufferPointer(rebasing: rest.prefix(end)))
            rest = rest.dropFirst(end)
            return true
        }
        let before = self.partial.count
        let room = self.limits.head + 4 - before
        self.partial.append(contentsOf: rest.prefix(room))
        let found = self.partial.withUnsafeBytes { Self.endOfHead($0) }
        guard let end = found else {
            guard self.partial.count <= self.limits.head else { throw .headTooLarge }
            rest = rest.dropFirst(rest.count)
            return false
        }
        rest = rest.dropFirst(end - before)
        let head = Array(self.partial.prefix(end))
        self.partial.removeAll(keepingCapacity: true)
        var failure: Malformed?
        head.withUnsafeBytes { bytes in
            do throws(Malformed) { try self.parseHead(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
        return true
    }

    /// The offset behind the empty line that ends a head.
    private static func endOfHead(_ bytes: UnsafeRawBufferPointer) -> Int? {
        var index = 3
        while index < bytes.count {
            // Every third byte at most would do; the last of four tells how far to go.
            if bytes[index] == 0x0A {
                if bytes[index - 1] == 0x0D, bytes[index - 2] == 0x0A, bytes[index - 3] == 0x0D { return index + 1 }
                index += 2
            } else {
                index += bytes[index] == 0x0D ? 1 : 1
            }
        }
        return nil
    }

    private mutating func parseHead(_ head: UnsafeRawBufferPointer) throws(Malformed) {
        // "HTTP/1.x 200": everything up to the status has fixed places.
        guard head.count >= 16, head[0] == 0x48, head[1] == 0x54, head[2] == 0x54, head[3] == 0x50, head[4] == 0x2F,
            head[5] == 0x31, head[6] == 0x2E, head[7] == 0x31 || head[7] == 0x30, head[8] == 0x20
        else { throw .head }
        var status = 0
        for index in 9..<12 {
            guard (0x30...0x39).contains(head[index]) else { throw .head }
            status = status * 10 + Int(head[index] - 0x30)
        }
        guard head[12] == 0x20 || head[12] == 0x0D, (100...599).contains(status) else { throw .head }
        self.isPersistent = head[7] == 0x31
        let fields = try self.parseFields(head)
        switch status {
        case 101: throw .head  // we never ask for another protocol
        case 100..<200: return  // an interim response; the final one follows
        default: break
        }
        self.status = status
        if status == 204 || status == 304 {
            // It has no body. Who announces one may send it all the same.
            if fields.isChunked || fields.contentLength ?? 0 > 0 { self.isPersistent = false }
            self.state = .done
        } else if fields.isChunked {
            self.state = .chunkSize
        } else if let length = fields.contentLength {
            self.state = length == 0 ? .done : .body(remaining: length)
        } else {
            self.isPersistent = false
            self.state = .untilClose
        }
    }

    private struct Fields {
        var contentLength: Int?
        var isChunked = false
    }

    private mutating func parseFields(_ head: UnsafeRawBufferPointer) throws(Malformed) -> Fields {
        var fields = Fields()
        var lineStart = 0
        var isFirst = true
        for index in 0..<head.count where head[index] == 0x0A {
            guard index > lineStart, head[index - 1] == 0x0D else { throw .head }
            let line = head[lineStart..<(index - 1)]
            lineStart = index + 1
            if isFirst {
                isFirst = false
            } else if !line.isEmpty {
                try self.parseField(line, into: &fields)
            }
        }
        // Both at once is how responses are smuggled; the connection is not used again (RFC 9112, section 6.3).
        if fields.isChunked && fields.contentLength != nil { self.isPersistent = false }
        return fields
    }

    private mutating func parseField(
        _ line: Slice<UnsafeRawBufferPointer>, into fields: inout Fields
    ) throws(Malformed) {
        guard let colon = line.firstIndex(of: 0x3A), colon > line.startIndex else { throw .head }
        let name = line[..<colon]
        let value = Self.trimmed(line[line.index(after: colon)...])
        // Only these four matter, and their lengths tell them apart.
        switch name.count {
        case 14 where Self.equals(name, "content-length"):
            var length = 0
            guard !value.isEmpty, value.count <= 15 else { throw .length }
            for byte in value {
                guard (0x30...0x39).contains(byte) else { throw .length }
                length = length * 10 + Int(byte - 0x30)
            }
            guard fields.contentLength == nil || fields.contentLength == length else { throw .length }
            fields.contentLength = length
        case 17 where Self.equals(name, "transfer-encoding"):
            // Anything but plain "chunked" has a framing that we do not know.
            guard Self.equals(value, "chunked") else { throw .head }
            fields.isChunked = true
        case 10 where Self.equals(name, "connection"):
            if Self.equals(value, "close") { self.isPersistent = false }
            if Self.equals(value, "keep-alive") { self.isPersistent = true }
        case 11 where Self.equals(name, "retry-after"):
            self.retryAfter = String(decoding: value.prefix(64), as: UTF8.self)
        default: break
        }
    }

    private static func trimmed(_ bytes: Slice<UnsafeRawBufferPointer>) -> Slice<UnsafeRawBufferPointer> {
        var bytes = bytes
        while let first = bytes.first, first == 0x20 || first == 0x09 { bytes = bytes.dropFirst() }
        while let last = bytes.last, last == 0x20 || last == 0x09 { bytes = bytes.dropLast() }
        return bytes
    }

    /// Compares without regard to case; `expected` is lower case.
    private static func equals(_ bytes: Slice<UnsafeRawBufferPointer>, _ expected: StaticString) -> Bool {
        guard bytes.count == expected.utf8CodeUnitCount else { return false }
        for offset in 0..<bytes.count {
            let byte = bytes[bytes.startIndex + offset]
            let lowered = (0x41...0x5A).contains(byte) ? byte | 0x20 : byte
            guard lowered == expected.utf8Start[offset] else { return false }
        }
        return true
    }

    // MARK: Chunks

    /// The next line without its CRLF, once it is whole.
    private mutating func line(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(Malformed) -> [UInt8]? {
        let end = rest.firstIndex(of: 0x0A)
        self.partial.append(contentsOf: end.map { rest[..<$0] } ?? rest)
        guard self.partial.count <= 4_096 else { throw .chunk }
        guard let end else {
            rest = rest.dropFirst(rest.count)
            return nil
        }
        rest = rest[rest.index(after: end)...]
        guard self.partial.last == 0x0D else { throw .chunk }
        defer { self.partial.removeAll(keepingCapacity: true) }
        return self.partial.dropLast()
    }

    private static func chunkSize(_ line: [UInt8]) throws(Malformed) -> Int {
        // Extensions after `;` mean nothing to us.
        let digits = line.prefix { $0 != 0x3B && $0 != 0x20 && $0 != 0x09 }
        guard (1...8).contains(digits.count), digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
            let size = Int(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw .chunk }
        return size
    }
}

extension [UInt8] {
    fileprivate func dropLast() -> [UInt8] { Array(self[..<(self.count - 1)]) }
}
