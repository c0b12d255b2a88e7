internal import Domain

/// Reads one HTTP/1.1 response (RFC 9112), piece by piece, in bounded memory.
///
/// It wants little of a response: the status, whether the connection can be used again, `retry-after`, and for the log the
/// first bytes of the body and, of what is no success, some of the headers. A body that is packed is kept as it came, and what
/// goes beyond the limits is not kept.
///
/// Receivers speak as they do. A head with a status is an answer, whatever else is in it and whatever becomes of the body;
/// where there is any doubt about where it ends the connection is not used again, so that nothing of it can be taken for the
/// next answer.
struct ResponseParser {
    struct Limits: Sendable {
        /// How much of the status line and the headers is kept.
        var head = 32 * 1024
        /// How much of the body is kept.
        var keptBody = 4 * 1024
        /// How much of the body is read before the connection is given up, its framing included; of a head beyond what is kept; and of
        /// interim heads together.
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
        case head = "what the receiver sent is not HTTP/1.1; is that the right port, and http or https as it should be?"
        case headTooLarge = "the answer's headers are too large: they have more than 1 MiB"
        case otherProtocol = "the receiver switched to another protocol, which it was not asked to (status 101)"
    }

    private enum State {
        case head
        /// In one of which no more is kept; what was kept of it, as a head.
        case longHead(ResponseHead, HeadEnd)
        case body(remaining: Int)
        case chunks(ChunkedFraming)
        case untilClose
        case done
    }

    private var limits: Limits
    private var keepsHeaders = false
    private var state = State.head
    /// Bytes of a head that has not come whole yet, and up to where they were looked through.
    private var partial: [UInt8] = []
    private var searched = 0
    private var bodyBytes = 0
    private var interimBytes = 0
    private var isPersistent = true
    private var isDoubtful = false

    private(set) var status = 0
    private(set) var body: [UInt8] = []
    private(set) var retryAfter: String?
    /// Where the receiver would have sent somebody else.
    private(set) var location: String?
    /// What the body is packed in, in lower case; nil if it is not.
    private(set) var coding: String?
    /// What is kept of the headers; nil if nobody looks at them.
    private(set) var headers: AnswerHeaders?
    /// Whether a single byte of a response has come.
    private(set) var hasBegun = false

    /// Whether the final status is known, so that whatever happens to the body the answer is in.
    var hasStatus: Bool {
        switch self.state {
        case .head, .longHead: false
        case .body, .chunks, .untilClose, .done: true
        }
    }

    /// Whether the end of the body will be known without the connection's.
    var isFramed: Bool {
        if case .untilClose = self.state { false } else { !self.isDoubtful }
    }

    init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// How much of what has come is in memory.
    var held: Int { self.partial.count + self.body.count }

    /// How much of the body is wanted.
    var keptBody: Int { self.limits.keptBody }

    /// The next response is somebody else's, who wants so much of its body, and may want headers of a success too.
    mutating func keep(_ bytes: Int, headers: Bool) {
        self.limits.keptBody = bytes
        self.keepsHeaders = headers
    }

    /// Gets ready for the next response on the same connection.
    mutating func reset() {
        self.state = .head
        self.clearPartial()
        self.bodyBytes = 0
        self.interimBytes = 0
        self.isPersistent = true
        self.isDoubtful = false
        self.status = 0
        self.body = []
        self.retryAfter = nil
        self.location = nil
        self.coding = nil
        self.headers = nil
        self.hasBegun = false
    }

    /// The peer has closed: the end of a body, whole or not, of a head without its empty line, or of a response that never
    /// was.
    mutating func finish() -> Progress? {
        self.endHead()
        guard self.hasStatus else { return nil }
        self.state = .done
        return .complete(canReuse: false)
    }

    /// Who prints a status line and closes has answered, as curl and others take it: small devices forget the empty line
    /// behind the headers. What has come in whole lines counts.
    private mutating func endHead() {
        switch self.state {
        case .head:
            guard let last = self.partial.lastIndex(of: 0x0A) else { return }
            let head: ResponseHead
            do throws(Malformed) {
                head = try self.head(of: self.partial[...last], isCut: true)
            } catch {
                // It has no status, or one that is no answer.
                return
            }
            self.take(head)
        case .longHead(let head, _): self.take(head)
        case .body, .chunks, .untilClose, .done: break
        }
    }

    mutating func read(_ bytes: UnsafeRawBufferPointer) throws(Malformed) -> Progress {
        var rest = bytes[...]
        if !rest.isEmpty { self.hasBegun = true }
        while true {
            switch self.state {
            case .head:
                guard try self.readHead(&rest) else { return .needsMore }
            case .longHead(let head, let end):
                guard try self.readBehind(head, end, &rest) else { return .needsMore }
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
            case .chunks(let framing):
                if let progress = self.readChunks(framing, &rest) { return progress }
            case .untilClose:
                self.keep(rest)
                return self.bodyBytes <= self.limits.body ? .needsMore : .bodyTooLarge
            case .done:
                // Bytes that nobody asked for would be taken for the next answer.
                return .complete(canReuse: self.isPersistent && !self.isDoubtful && rest.isEmpty)
            }
        }
    }

    /// - Returns: nil if the body has come to its end.
    private mutating func readChunks(
        _ framing: ChunkedFraming, _ rest: inout Slice<UnsafeRawBufferPointer>
    ) -> Progress? {
        var framing = framing
        while true {
            let before = rest.count
            let step = framing.read(&rest)
            self.bodyBytes += before - rest.count
            guard self.bodyBytes <= self.limits.body else { return .bodyTooLarge }
            switch step {
            case .data(let there):
                // One byte beyond the limit tells that it is too large; what is kept does not depend on how much came with it.
                let count = min(there, self.limits.body + 1 - self.bodyBytes)
                self.keep(rest.prefix(count))
                rest = rest.dropFirst(count)
                framing.took(count)
            case .needsMore:
                self.state = .chunks(framing)
                return .needsMore
            case .done, .broken:
                if case .broken = step { self.isDoubtful = true }
                if framing.isDoubtful { self.isDoubtful = true }
                self.state = .done
                return nil
            }
        }
    }

    private mutating func keep(_ bytes: Slice<UnsafeRawBufferPointer>) {
        self.bodyBytes += bytes.count
        let room = Self.kept(of: self.limits.keptBody, coding: self.coding) - self.body.count
        if room > 0 { self.body.append(contentsOf: bytes.prefix(room)) }
    }

    /// How much of a body is kept, so much of which is wanted: what does not get smaller by being packed gets a little larger.
    static func kept(of most: Int, coding: String?) -> Int {
        coding == nil ? most : most + most / 64 + 1_024
    }

    // MARK: Head

    private mutating func readHead(_ rest: inout Slice<UnsafeRawBufferPointer>) throws(Malformed) -> Bool {
        // The usual case, a whole head in one piece, is read where it lies.
        let piece = UnsafeRawBufferPointer(rebasing: rest)
        if self.partial.isEmpty, let end = Self.endOfHead(piece, from: 0), end <= self.limits.head {
            let head = try ResponseHead(
                UnsafeRawBufferPointer(rebasing: piece.prefix(end)), keepsHeaders: self.keepsHeaders)
            if head.isInterim { try self.pass(end) }
            self.take(head)
            rest = rest.dropFirst(end)
            return true
        }
        guard !rest.isEmpty else { return false }
        let before = self.partial.count
        self.partial.append(contentsOf: rest.prefix(self.limits.head - before))
        // A piece may end between the two line feeds that end a head.
        let start = max(0, self.searched - 2)
        let (canBegin, found) = self.partial.withUnsafeBytes {
            (ResponseHead.canBegin(with: $0), Self.endOfHead($0, from: start))
        }
        guard canBegin else { throw .head }
        guard let end = found else {
            self.searched = self.partial.count
            rest = rest.dropFirst(self.partial.count - before)
            guard !rest.isEmpty else { return false }
            try self.keepNoMore()
            return true
        }
        rest = rest.dropFirst(end - before)
        let head = try self.head(of: self.partial.prefix(end))
        self.clearPartial()
        if head.isInterim { try self.pass(end) }
        self.take(head)
        return true
    }

    /// Bounds what somebody who has no end of interim responses makes us read.
    ///
    /// - Parameter bytes: of one of them.
    private mutating func pass(_ bytes: Int) throws(Malformed) {
        self.interimBytes += bytes
        guard self.interimBytes <= self.limits.body else { throw .headTooLarge }
    }

    /// - Parameter isCut: whether there is more of it.
    private func head(of bytes: ArraySlice<UInt8>, isCut: Bool = false) throws(Malformed) -> ResponseHead {
        let result: Result<ResponseHead, Malformed> = bytes.withUnsafeBytes { bytes in
            do throws(Malformed) {
                return .success(try ResponseHead(bytes, keepsHeaders: self.keepsHeaders, isCut: isCut))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// What has come of the head is what is kept of one. Its whole lines say what there is to know; the rest is passed over, for the
    /// status is the answer, however much somebody's debugger has to say in the headers.
    private mutating func keepNoMore() throws(Malformed) {
        let bytes = self.partial
        guard let last = bytes.lastIndex(of: 0x0A) else { throw .head }
        let head = try self.head(of: bytes[...last], isCut: true)
        self.clearPartial()
        self.state = .longHead(head, HeadEnd(behind: bytes[(last + 1)...]))
    }

    /// - Returns: whether the head has come to its end.
    private mutating func readBehind(
        _ head: ResponseHead, _ end: HeadEnd, _ rest: inout Slice<UnsafeRawBufferPointer>
    ) throws(Malformed) -> Bool {
        var end = end
        let isOver = end.read(&rest)
        guard end.passed <= self.limits.body else { throw .headTooLarge }
        guard isOver else {
            self.state = .longHead(head, end)
            return false
        }
        self.state = .head
        if head.isInterim { try self.pass(self.limits.head + end.passed) }
        self.take(head)
        return true
    }

    private mutating func take(_ head: ResponseHead) {
        if head.isDoubtful { self.isDoubtful = true }
        guard !head.isInterim else { return }
        self.status = head.status
        self.isPersistent = head.isPersistent
        self.retryAfter = head.retryAfter
        self.location = head.location
        self.coding = head.coding
        self.headers = head.headers
        self.state =
            switch head.framing {
            case .none, .length(0): .done
            case .length(let length): .body(remaining: length)
            case .chunked: .chunks(ChunkedFraming())
            case .untilClose: .untilClose
            }
    }

    /// What a slow head has grown to is not kept for those that follow.
    private mutating func clearPartial() {
        self.searched = 0
        if self.partial.capacity > 0 { self.partial = [] }
    }

    /// The offset behind the empty line that ends a head; its lines may end with a line feed alone.
    private static func endOfHead(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        let count = bytes.count
        var index = start
        while index < count {
            let byte = bytes[index]
            index &+= 1
            guard byte == 0x0A else { continue }
            // What is behind the end of a line tells whether it was the last but the empty one.
            if index < count, bytes[index] == 0x0A { return index + 1 }
            if index + 1 < count, bytes[index] == 0x0D, bytes[index + 1] == 0x0A { return index + 2 }
        }
        return nil
    }
}

/// Finds the end of a head that nobody reads: the first line that is empty.
private struct HeadEnd {
    private enum Line { case empty, carriageReturn, other }

    /// The present one, as far as it has come.
    private var line = Line.empty
    /// So many bytes were looked at.
    private(set) var passed = 0

    /// - Parameter beginning: of a line.
    init(behind beginning: ArraySlice<UInt8>) {
        for byte in beginning { _ = self.isEnd(byte) }
    }

    /// - Parameter rest: what it has read is taken from it.
    /// - Returns: whether the end was in it.
    mutating func read(_ rest: inout Slice<UnsafeRawBufferPointer>) -> Bool {
        while let byte = rest.popFirst() {
            if self.isEnd(byte) { return true }
        }
        return false
    }

    private mutating func isEnd(_ byte: UInt8) -> Bool {
        self.passed += 1
        switch (byte, self.line) {
        case (0x0A, .other): self.line = .empty
        case (0x0A, _): return true
        case (0x0D, .empty): self.line = .carriageReturn
        default: self.line = .other
        }
        return false
    }
}
