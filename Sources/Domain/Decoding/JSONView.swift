/// JSON that is being written, up to a length.
struct JSONView {
    private(set) var bytes: [UInt8] = []
    private let longest: Int

    /// How many arrays and objects may be open, as many as whoever reads it takes.
    static let deepest = JSONScanner.deepest

    init(longest: Int) {
        self.longest = longest
    }

    private func check() throws(DecodingFault) {
        guard self.bytes.count <= self.longest else {
            throw DecodingFault("its JSON would be over \(self.longest) bytes")
        }
    }

    mutating func append(_ text: StaticString) throws(DecodingFault) {
        text.withUTF8Buffer { self.bytes.append(contentsOf: $0) }
        try self.check()
    }

    /// What is JSON already.
    mutating func append(json: some Sequence<UInt8>) throws(DecodingFault) {
        self.bytes.append(contentsOf: json)
        try self.check()
    }

    mutating func append(_ number: some BinaryInteger) throws(DecodingFault) {
        try self.append(json: number.description.utf8)
    }

    mutating func append(_ number: some BinaryFloatingPoint & CustomStringConvertible) throws(DecodingFault) {
        try self.append(json: Self.text(of: number).utf8)
    }

    /// The shortest that reads back as the same in its own width; JSON has no NaN and nothing infinite, which are null.
    static func text(of number: some BinaryFloatingPoint & CustomStringConvertible) -> String {
        number.isFinite ? number.description : "null"
    }

    /// - Parameters:
    ///   - depth: how many arrays and objects are open where another one is opened.
    ///   - at: where it stands.
    static func check(depth: Int, at offset: Int) throws(DecodingFault) {
        guard depth < Self.deepest else {
            throw DecodingFault("it is nested deeper than \(Self.deepest)", at: offset)
        }
    }

    /// - Parameter at: where it stands, for who is told that it is no text.
    mutating func append(quoted text: ArraySlice<UInt8>, at: Int) throws(DecodingFault) {
        guard String(validating: text, as: UTF8.self) != nil else { throw DecodingFault("a text is no UTF-8", at: at) }
        self.bytes.append(UInt8(ascii: "\""))
        self.bytes.appendJSONEscaped(text)
        try self.append("\"")
    }

    /// Bytes as text that stands for them.
    mutating func append(_ bytes: ArraySlice<UInt8>, as form: BytesForm) throws(DecodingFault) {
        self.bytes.append(UInt8(ascii: "\""))
        switch form {
        case .base64: self.bytes.append(contentsOf: Base64.encode(bytes).utf8)
        case .base64URL:
            for byte in Base64.encode(bytes).utf8 where byte != UInt8(ascii: "=") {
                switch byte {
                case UInt8(ascii: "+"): self.bytes.append(UInt8(ascii: "-"))
                case UInt8(ascii: "/"): self.bytes.append(UInt8(ascii: "_"))
                default: self.bytes.append(byte)
                }
            }
        case .hex: self.bytes.append(contentsOf: Hex.encode(bytes).uppercased().utf8)
        }
        try self.append("\"")
    }

    enum BytesForm { case base64, base64URL, hex }
}

/// A payload that is being read.
struct ByteInput {
    let bytes: [UInt8]
    private(set) var position: Int
    let end: Int

    init(_ bytes: [UInt8], _ range: Range<Int>? = nil) {
        self.bytes = bytes
        self.position = range?.lowerBound ?? 0
        self.end = range?.upperBound ?? bytes.count
    }

    var isAtEnd: Bool { self.position == self.end }
    var current: UInt8? { self.position < self.end ? self.bytes[self.position] : nil }

    mutating func next() throws(DecodingFault) -> UInt8 {
        guard self.position < self.end else { throw DecodingFault("it ends in the middle", at: self.position) }
        defer { self.position += 1 }
        return self.bytes[self.position]
    }

    /// - Parameter count: of bytes, however many are said to follow.
    mutating func take(_ count: UInt64) throws(DecodingFault) -> ArraySlice<UInt8> {
        guard count <= UInt64(self.end - self.position) else {
            throw DecodingFault(
                "\(count) bytes are said to follow, and there are \(self.end - self.position)", at: self.position)
        }
        defer { self.position += Int(count) }
        return self.bytes[self.position..<self.position + Int(count)]
    }

    mutating func bigEndian(_ count: Int) throws(DecodingFault) -> UInt64 {
        try self.take(UInt64(count)).reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func littleEndian(_ count: Int) throws(DecodingFault) -> UInt64 {
        try self.take(UInt64(count)).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    func checkEnd() throws(DecodingFault) {
        guard self.isAtEnd else {
            throw DecodingFault("\(self.end - self.position) bytes stand behind the value", at: self.position)
        }
    }
}

/// Whole numbers of any length in decimal.
enum LongInteger {
    /// Of more bytes none is taken: what it takes grows with the square of its length.
    static let longest = 128

    /// - Parameters:
    ///   - bytes: the largest first.
    ///   - isPlusOne: whether it is one more than these say.
    static func decimal(_ bytes: ArraySlice<UInt8>, isPlusOne: Bool) -> [UInt8]? {
        let bytes = bytes.drop { $0 == 0 }
        guard bytes.count <= Self.longest else { return nil }
        var words: [UInt32] = []
        // The smallest first.
        var end = bytes.endIndex
        while end > bytes.startIndex {
            let start = max(bytes.startIndex, end - 4)
            words.append(bytes[start..<end].reduce(0) { $0 << 8 | UInt32($1) })
            end = start
        }
        if isPlusOne {
            var index = 0
            while index < words.count, words[index] == .max {
                words[index] = 0
                index += 1
            }
            if index < words.count { words[index] += 1 } else { words.append(1) }
        }
        var digits: [UInt8] = []
        while let last = words.last {
            if last == 0 {
                words.removeLast()
                continue
            }
            var rest: UInt64 = 0
            for index in words.indices.reversed() {
                let value = rest << 32 | UInt64(words[index])
                words[index] = UInt32(value / 1_000_000_000)
                rest = value % 1_000_000_000
            }
            for _ in 0..<9 {
                digits.append(UInt8(rest % 10) + 0x30)
                rest /= 10
            }
        }
        while digits.last == 0x30 { digits.removeLast() }
        return digits.isEmpty ? [0x30] : digits.reversed()
    }
}
