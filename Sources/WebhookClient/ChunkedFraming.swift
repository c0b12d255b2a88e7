/// Finds the data in a chunked body (RFC 9112, section 7.1), byte by byte, so that it keeps nothing however long a line is.
///
/// A size may have any number of zeros in front and an extension behind. What cannot be understood ends the body: it is the
/// connection that is no good any more, and not the answer.
struct ChunkedFraming {
    enum Step {
        case needsMore
        /// So many of the next bytes are data.
        case data(Int)
        case done
        case broken
    }

    private enum State {
        case size
        case digits
        /// Behind the size, up to the end of its line.
        case behindSize
        case data
        case dataEnd
        /// In the last lines; how long the present one is.
        case trailer(Int)
        case done
    }

    private var state = State.size
    /// Of the chunk's data what has not come yet.
    private var remaining = 0
    private var last: UInt8 = 0
    /// Whether two readers could understand it differently.
    private(set) var isDoubtful = false

    /// Reads up to the next data.
    ///
    /// - Parameter rest: what it has read is taken from it, and data is not.
    mutating func read(_ rest: inout Slice<UnsafeRawBufferPointer>) -> Step {
        while true {
            if case .data = self.state {
                if self.remaining > 0 { return rest.isEmpty ? .needsMore : .data(min(self.remaining, rest.count)) }
                self.state = .dataEnd
            }
            if case .done = self.state { return .done }
            guard let byte = rest.popFirst() else { return .needsMore }
            guard self.read(byte) else { return .broken }
            self.last = byte
        }
    }

    /// So much of the data was taken.
    mutating func took(_ count: Int) {
        self.remaining -= count
    }

    /// - Returns: false if there is no sense in it.
    private mutating func read(_ byte: UInt8) -> Bool {
        switch self.state {
        case .size:
            if byte == 0x20 || byte == 0x09 {
                self.isDoubtful = true
                return true
            }
            guard let digit = Self.digit(byte) else { return false }
            self.remaining = digit
            self.state = .digits
        case .digits:
            if let digit = Self.digit(byte) {
                let (times, overflows) = self.remaining.multipliedReportingOverflow(by: 16)
                let (sum, overflowsToo) = times.addingReportingOverflow(digit)
                self.remaining = overflows || overflowsToo ? .max : sum
            } else if byte == 0x0A {
                self.sizeEnded()
            } else if byte == 0x3B || byte == 0x20 || byte == 0x09 || byte == 0x0D {
                self.state = .behindSize
            } else {
                return false
            }
        case .behindSize:
            // What it says means nothing to us. A carriage return in the middle of it ends the line for some.
            if byte == 0x0A { self.sizeEnded() } else if self.last == 0x0D { self.isDoubtful = true }
        case .dataEnd:
            if byte == 0x0D, self.last != 0x0D { return true }
            guard byte == 0x0A else { return false }
            if self.last != 0x0D { self.isDoubtful = true }
            self.state = .size
        case .trailer(let length):
            if byte == 0x0A {
                let isEmpty = length == 0 || length == 1 && self.last == 0x0D
                if self.last != 0x0D { self.isDoubtful = true }
                self.state = isEmpty ? .done : .trailer(0)
            } else {
                if length > 0, self.last == 0x0D { self.isDoubtful = true }
                self.state = .trailer(length + 1)
            }
        case .data, .done: break
        }
        return true
    }

    private mutating func sizeEnded() {
        if self.last != 0x0D { self.isDoubtful = true }
        self.state = self.remaining == 0 ? .trailer(0) : .data
    }

    private static func digit(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte - 0x30)
        case 0x41...0x46: Int(byte - 0x41) + 10
        case 0x61...0x66: Int(byte - 0x61) + 10
        default: nil
        }
    }
}
