/// MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md) as JSON.
///
/// - NaN and what is infinite are null, bytes are base64, keys that are no text are the text of their JSON; of a key that comes again
///   the last counts.
/// - A timestamp is its seconds since 1970, with as much behind the point as it has. Another extension is
///   `{"type":…,"data":"…"}`.
struct MsgpackReader {
    private var input: ByteInput
    private var view: JSONView

    init(_ bytes: [UInt8], _ view: JSONView) {
        self.input = ByteInput(bytes)
        self.view = view
    }

    mutating func read() throws(DecodingFault) -> [UInt8] {
        try self.value(0)
        try self.input.checkEnd()
        return self.view.bytes
    }

    /// What an item begins as.
    private enum Item {
        case scalar(String)
        case text(UInt64)
        case bytes(UInt64)
        case array(UInt64)
        case map(UInt64)
        case extended(UInt64)
    }

    private mutating func item() throws(DecodingFault) -> (Item, offset: Int) {
        let offset = self.input.position
        let first = try self.input.next()
        let item: Item
        switch first {
        case ..<0x80: item = .scalar(String(first))
        case ..<0x90: item = .map(UInt64(first & 15))
        case ..<0xA0: item = .array(UInt64(first & 15))
        case ..<0xC0: item = .text(UInt64(first & 31))
        case 0xC0: item = .scalar("null")
        case 0xC2: item = .scalar("false")
        case 0xC3: item = .scalar("true")
        case 0xC4...0xC6: item = .bytes(try self.number(first - 0xC4))
        case 0xC7...0xC9: item = .extended(try self.number(first - 0xC7))
        case 0xCA:
            item = .scalar(
                JSONView.text(of: Float(bitPattern: UInt32(truncatingIfNeeded: try self.input.bigEndian(4)))))
        case 0xCB: item = .scalar(JSONView.text(of: Double(bitPattern: try self.input.bigEndian(8))))
        case 0xCC...0xCF: item = .scalar(String(try self.number(first - 0xCC)))
        case 0xD0: item = .scalar(String(Int8(truncatingIfNeeded: try self.input.bigEndian(1))))
        case 0xD1: item = .scalar(String(Int16(truncatingIfNeeded: try self.input.bigEndian(2))))
        case 0xD2: item = .scalar(String(Int32(truncatingIfNeeded: try self.input.bigEndian(4))))
        case 0xD3: item = .scalar(String(Int64(bitPattern: try self.input.bigEndian(8))))
        case 0xD4...0xD8: item = .extended(1 << UInt64(first - 0xD4))
        case 0xD9...0xDB: item = .text(try self.number(first - 0xD9))
        case 0xDC, 0xDD: item = .array(try self.number(first - 0xDB))
        case 0xDE, 0xDF: item = .map(try self.number(first - 0xDD))
        case 0xE0...: item = .scalar(String(Int8(bitPattern: first)))
        default: throw DecodingFault("the first byte of an item is 0xc1", at: offset)
        }
        return (item, offset)
    }

    /// - Parameter width: 0 is a byte, 1 two, 2 four, 3 eight.
    private mutating func number(_ width: UInt8) throws(DecodingFault) -> UInt64 {
        try self.input.bigEndian(1 << Int(width))
    }

    private mutating func value(_ depth: Int) throws(DecodingFault) {
        let (item, offset) = try self.item()
        switch item {
        case .scalar(let text): try self.view.append(json: text.utf8)
        case .text(let count): try self.view.append(quoted: try self.input.take(count), at: offset)
        case .bytes(let count): try self.view.append(try self.input.take(count), as: .base64)
        case .extended(let count): try self.extended(count, at: offset)
        case .array(let count):
            try JSONView.check(depth: depth, at: offset)
            try self.view.append("[")
            try self.repeating(count) { reader throws(DecodingFault) in try reader.value(depth + 1) }
            try self.view.append("]")
        case .map(let count):
            try JSONView.check(depth: depth, at: offset)
            try self.view.append("{")
            try self.repeating(count) { reader throws(DecodingFault) in
                try reader.key()
                try reader.view.append(":")
                try reader.value(depth + 1)
            }
            try self.view.append("}")
        }
    }

    /// However many are said to follow, each takes a byte at least.
    private mutating func repeating(
        _ count: UInt64, _ body: (inout MsgpackReader) throws(DecodingFault) -> Void
    ) throws(DecodingFault) {
        var left = count
        while left > 0 {
            if left < count { try self.view.append(",") }
            left -= 1
            try body(&self)
        }
    }

    private mutating func key() throws(DecodingFault) {
        let (item, offset) = try self.item()
        switch item {
        case .scalar(let text): try self.view.append(quoted: Array(text.utf8)[...], at: offset)
        case .text(let count): try self.view.append(quoted: try self.input.take(count), at: offset)
        case .bytes(let count): try self.view.append(try self.input.take(count), as: .base64)
        case .array, .map, .extended:
            throw DecodingFault("a map's key is an array, a map or an extension", at: offset)
        }
    }

    private mutating func extended(_ count: UInt64, at offset: Int) throws(DecodingFault) {
        let type = Int8(bitPattern: try self.input.next())
        var data = ByteInput(self.input.bytes, try self.rangeOfNext(count))
        guard type == -1, count == 4 || count == 8 || count == 12 else {
            try self.view.append("{\"type\":")
            try self.view.append(type)
            try self.view.append(",\"data\":")
            try self.view.append(try data.take(count), as: .base64)
            return try self.view.append("}")
        }
        var (seconds, nanoseconds): (Int64, UInt64)
        switch count {
        case 4: (seconds, nanoseconds) = (Int64(try data.bigEndian(4)), 0)
        case 8:
            let both = try data.bigEndian(8)
            (seconds, nanoseconds) = (Int64(both & 0x3_FFFF_FFFF), both >> 34)
        default:
            nanoseconds = try data.bigEndian(4)
            seconds = Int64(bitPattern: try data.bigEndian(8))
        }
        guard nanoseconds < 1_000_000_000 else {
            throw DecodingFault("a timestamp has \(nanoseconds) nanoseconds", at: offset)
        }
        let isNegative = seconds < 0
        // What is behind the point counts on from the second before.
        if isNegative, nanoseconds > 0 { (seconds, nanoseconds) = (seconds + 1, 1_000_000_000 - nanoseconds) }
        var text = "\(isNegative ? "-" : "")\(seconds.magnitude)"
        if nanoseconds > 0 {
            let digits = String(nanoseconds)
            text += "." + String(repeating: "0", count: 9 - digits.count) + digits
            while text.hasSuffix("0") { text.removeLast() }
        }
        try self.view.append(json: text.utf8)
    }

    private mutating func rangeOfNext(_ count: UInt64) throws(DecodingFault) -> Range<Int> {
        let slice = try self.input.take(count)
        return slice.startIndex..<slice.endIndex
    }
}
