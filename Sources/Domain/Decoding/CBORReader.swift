/// CBOR (RFC 8949) as JSON, by its section 6.1 where that says how, but for numbers: large ones stay numbers.
///
/// - Of floats NaN and what is infinite are null, and so are undefined and simple values that have no meaning.
/// - Bytes are base64, within the tags 21 and 23 base64url and base16.
/// - Bignums (tags 2, 3) and decimal fractions (tag 4) are numbers. A time (tags 0, 1) is what is tagged, and so is everything
///   with another tag.
/// - A map's keys that are no text are the text of their JSON: `1`, `true`. An array or a map is none. Of a key that comes
///   again the last counts, as it does in JSON.
struct CBORReader {
    private var input: ByteInput
    private var view: JSONView

    init(_ bytes: [UInt8], _ view: JSONView) {
        self.input = ByteInput(bytes)
        self.view = view
    }

    mutating func read(bytesAs form: JSONView.BytesForm = .base64) throws(DecodingFault) -> [UInt8] {
        try self.value(0, form)
        try self.input.checkEnd()
        return self.view.bytes
    }

    /// The beginning of an item.
    private struct Head {
        let offset: Int
        let major: UInt8
        let info: UInt8
        /// nil if its end is marked.
        let argument: UInt64?
    }

    private mutating func head() throws(DecodingFault) -> Head {
        let offset = self.input.position
        let first = try self.input.next()
        let (major, info) = (first >> 5, first & 31)
        let argument: UInt64?
        switch info {
        case ..<24: argument = UInt64(info)
        case 24...27: argument = try self.input.bigEndian(1 << Int(info - 24))
        case 31 where (2...5).contains(major): argument = nil
        case 31 where major == 7: throw DecodingFault("a break stands where a value is expected", at: offset)
        default: throw DecodingFault("the first byte of an item is 0x\(Hex.encode([first]))", at: offset)
        }
        return Head(offset: offset, major: major, info: info, argument: argument)
    }

    /// Whether an item of no said length ends here.
    private mutating func takeBreak() throws(DecodingFault) -> Bool {
        guard self.input.current == 0xFF else { return false }
        _ = try self.input.next()
        return true
    }

    /// - Parameter depth: how many arrays, maps and tags are open.
    private mutating func value(_ depth: Int, _ form: JSONView.BytesForm) throws(DecodingFault) {
        let head = try self.head()
        switch head.major {
        case 0, 1: try self.view.append(json: Self.integer(head))
        case 2: try self.view.append(try self.string(head), as: form)
        case 3: try self.view.append(quoted: try self.string(head), at: head.offset)
        case 4: try self.array(head, depth, form)
        case 5: try self.map(head, depth, form)
        case 6: try self.tagged(head, depth, form)
        default: try self.view.append(json: try Self.simple(head))
        }
    }

    private static func integer(_ head: Head) -> [UInt8] {
        let number = head.argument ?? 0
        if head.major == 0 { return Array(String(number).utf8) }
        let (next, isOver) = number.addingReportingOverflow(1)
        return Array((isOver ? "-18446744073709551616" : "-\(next)").utf8)
    }

    private mutating func string(_ head: Head) throws(DecodingFault) -> ArraySlice<UInt8> {
        if let count = head.argument { return try self.input.take(count) }
        var whole: [UInt8] = []
        while try !self.takeBreak() {
            let part = try self.head()
            guard part.major == head.major, let count = part.argument else {
                throw DecodingFault("a part of a string is none", at: part.offset)
            }
            let bytes = try self.input.take(count)
            if part.major == 3, String(validating: bytes, as: UTF8.self) == nil {
                throw DecodingFault("a text is no UTF-8", at: part.offset)
            }
            whole += bytes
        }
        return whole[...]
    }

    /// - Returns: whether there is another; of an item of a said length that is counted down.
    private mutating func isNext(_ left: inout UInt64?) throws(DecodingFault) -> Bool {
        guard let count = left else { return try !self.takeBreak() }
        guard count > 0 else { return false }
        left = count - 1
        return true
    }

    private mutating func array(_ head: Head, _ depth: Int, _ form: JSONView.BytesForm) throws(DecodingFault) {
        try JSONView.check(depth: depth, at: head.offset)
        try self.view.append("[")
        var (left, isFirst) = (head.argument, true)
        while try self.isNext(&left) {
            if !isFirst { try self.view.append(",") }
            isFirst = false
            try self.value(depth + 1, form)
        }
        try self.view.append("]")
    }

    private mutating func map(_ head: Head, _ depth: Int, _ form: JSONView.BytesForm) throws(DecodingFault) {
        try JSONView.check(depth: depth, at: head.offset)
        try self.view.append("{")
        var (left, isFirst) = (head.argument, true)
        while try self.isNext(&left) {
            if !isFirst { try self.view.append(",") }
            isFirst = false
            try self.key()
            try self.view.append(":")
            try self.value(depth + 1, form)
        }
        try self.view.append("}")
    }

    private mutating func key() throws(DecodingFault) {
        var head = try self.head()
        while head.major == 6 { head = try self.head() }
        switch head.major {
        case 0, 1: try self.view.append(quoted: Self.integer(head)[...], at: head.offset)
        case 2: try self.view.append(try self.string(head), as: .base64)
        case 3: try self.view.append(quoted: try self.string(head), at: head.offset)
        case 7: try self.view.append(quoted: try Self.simple(head)[...], at: head.offset)
        default: throw DecodingFault("a map's key is an array or a map", at: head.offset)
        }
    }

    private mutating func tagged(_ head: Head, _ depth: Int, _ form: JSONView.BytesForm) throws(DecodingFault) {
        try JSONView.check(depth: depth, at: head.offset)
        switch head.argument {
        case 2, 3: try self.view.append(json: try self.bignum(head))
        case 4: try self.fraction(head)
        case 21: try self.value(depth + 1, .base64URL)
        case 22: try self.value(depth + 1, .base64)
        case 23: try self.value(depth + 1, .hex)
        default: try self.value(depth + 1, form)
        }
    }

    private mutating func bignum(_ tag: Head) throws(DecodingFault) -> [UInt8] {
        let head = try self.head()
        guard head.major == 2 else { throw DecodingFault("a bignum is not made of bytes", at: head.offset) }
        let isNegative = tag.argument == 3
        guard let digits = LongInteger.decimal(try self.string(head), isPlusOne: isNegative) else {
            throw DecodingFault("a bignum is longer than \(LongInteger.longest) bytes", at: tag.offset)
        }
        return isNegative ? [UInt8(ascii: "-")] + digits : digits
    }

    /// `[exponent, mantissa]`, of ten.
    private mutating func fraction(_ tag: Head) throws(DecodingFault) {
        let wrong = DecodingFault("a decimal fraction is not an exponent and a mantissa", at: tag.offset)
        let pair = try self.head()
        guard pair.major == 4, pair.argument == 2 else { throw wrong }
        let (exponent, mantissa) = (try self.head(), try self.head())
        guard exponent.major < 2 else { throw wrong }
        switch mantissa.major {
        case 0, 1: try self.view.append(json: Self.integer(mantissa))
        case 6 where mantissa.argument == 2 || mantissa.argument == 3:
            try self.view.append(json: try self.bignum(mantissa))
        default: throw wrong
        }
        guard exponent.major == 1 || exponent.argument != 0 else { return }
        try self.view.append("e")
        try self.view.append(json: Self.integer(exponent))
    }

    /// Its JSON.
    private static func simple(_ head: Head) throws(DecodingFault) -> [UInt8] {
        let bits = head.argument ?? 0
        let text: String
        switch head.info {
        case 20: text = "false"
        case 21: text = "true"
        case ..<24: text = "null"
        case 24:
            guard bits >= 32 else { throw DecodingFault("a simple value is written in two bytes", at: head.offset) }
            text = "null"
        case 25: text = JSONView.text(of: Self.half(UInt16(truncatingIfNeeded: bits)))
        case 26: text = JSONView.text(of: Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        default: text = JSONView.text(of: Double(bitPattern: bits))
        }
        return Array(text.utf8)
    }

    /// A number of IEEE 754's half precision, of which each is one of single precision too.
    private static func half(_ bits: UInt16) -> Float {
        let (exponent, mantissa) = (Int(bits >> 10 & 31), Float(bits & 1023))
        let magnitude: Float =
            switch exponent {
            case 0: mantissa * Float(sign: .plus, exponent: -24, significand: 1)
            case 31: mantissa == 0 ? .infinity : .nan
            default: (mantissa + 1024) * Float(sign: .plus, exponent: exponent - 25, significand: 1)
            }
        return bits & 0x8000 == 0 ? magnitude : -magnitude
    }
}
