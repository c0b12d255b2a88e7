internal import Values

/// A message of Protocol Buffers as JSON, by what a descriptor set says of its type: the mapping of proto3
/// (https://protobuf.dev/programming-guides/json/), with these choices.
///
/// - All integers are numbers, those of 64 bits too: they are compared, and they are exact here.
/// - A single value that has no presence of its own is there as its default, a list and a map as an empty one: what was measured as 0 is not on
///   the wire. What has presence is left out where it is absent.
/// - What the type does not know is passed over, but a field on the wire that cannot be of its type is a fault: bytes of another
///   type would come to nonsense otherwise.
struct DescribedMessageReader {
    private let types: DescribedTypes
    private let bytes: [UInt8]
    private var view: JSONView
    private var fieldCount = 0

    private static let mostFields = 200_000

    /// - Parameter type: its place among the types.
    static func read(
        _ payload: [UInt8], as type: Int, of types: DescribedTypes, _ view: JSONView
    ) throws(DecodingFault) -> [UInt8] {
        var reader = DescribedMessageReader(types: types, bytes: payload, view: view)
        do throws(DecodingFault) {
            try reader.message(type, [0..<payload.count], at: 0, 0)
        } catch {
            throw error.path.isEmpty ? error : DecodingFault("\(error.path): \(error.reason)", at: error.offset)
        }
        return reader.view.bytes
    }

    private init(types: DescribedTypes, bytes: [UInt8], view: JSONView) {
        self.types = types
        self.bytes = bytes
        self.view = view
    }

    // MARK: What is there

    /// What is found takes more memory than its bytes.
    private mutating func count(at offset: Int) throws(DecodingFault) {
        self.fieldCount += 1
        guard self.fieldCount <= Self.mostFields else {
            throw DecodingFault("there are over \(Self.mostFields) fields", at: offset)
        }
    }

    /// The values of a message's fields, in the order of these; those of one field in theirs.
    ///
    /// - Parameter ranges: where it stands; in several places if it comes in parts, as a single message may.
    private mutating func values(
        in ranges: [Range<Int>], of message: DescribedMessage
    ) throws(DecodingFault) -> [PlacedValue] {
        var found: [PlacedValue] = []
        for range in ranges {
            var input = ByteInput(self.bytes, range)
            while !input.isAtEnd {
                let one = try input.field()
                try self.count(at: one.offset)
                guard let place = message.places[one.number] else { continue }
                let field = message.fields[place]
                do throws(DecodingFault) {
                    try self.take(one, field, place, &found)
                } catch {
                    throw error.within(field.name)
                }
            }
        }
        if message.hasOneofs { found = Self.withoutReplaced(found, of: message) }
        return found.inOrder
    }

    private mutating func take(
        _ one: WireField, _ field: DescribedField, _ place: Int, _ found: inout [PlacedValue]
    ) throws(DecodingFault) {
        let wire = field.kind.wire
        if one.wire == 2, wire != 2, field.isRepeated {
            // Several numbers together.
            var packed = ByteInput(self.bytes, one.range)
            while !packed.isAtEnd {
                let offset = packed.position
                try self.count(at: offset)
                let number =
                    switch wire {
                    case 1: try packed.littleEndian(8)
                    case 5: try packed.littleEndian(4)
                    default: try packed.varint()
                    }
                found.append(PlacedValue(place: place, offset: offset, number: number))
            }
            return
        }
        var isFitting = one.wire == wire
        if case .message = field.kind, one.wire == 3 { isFitting = true }
        guard isFitting else { throw DecodingFault("it has the wire type \(one.wire)", at: one.offset) }
        found.append(PlacedValue(place: place, offset: one.offset, number: one.value, range: one.range))
    }

    /// Of the members of a oneof the last is the one, and those before it are as if they had never been.
    private static func withoutReplaced(_ found: [PlacedValue], of message: DescribedMessage) -> [PlacedValue] {
        var chosen: [UInt64: Int] = [:]
        var replaced: Set<UInt64> = []
        var kept: [PlacedValue] = []
        for one in found.reversed() {
            if let oneof = message.fields[one.place].oneof {
                if chosen[oneof, default: one.place] != one.place { replaced.insert(oneof) }
                if replaced.contains(oneof) { continue }
                chosen[oneof] = one.place
            }
            kept.append(one)
        }
        return kept.reversed()
    }

    // MARK: What is written

    private mutating func message(
        _ type: Int, _ ranges: [Range<Int>], at offset: Int, _ depth: Int
    ) throws(DecodingFault) {
        // What repeats in it opens an array as well.
        try JSONView.check(depth: depth + 1, at: offset)
        let message = self.types.messages[type]
        let found = try self.values(in: ranges, of: message)
        if let known = message.wellKnown {
            return try self.wellKnown(known, message, found, at: offset, depth)
        }
        try self.view.append("{")
        try self.members(of: message, found, isFirst: true, depth)
        try self.view.append("}")
    }

    private mutating func members(
        of message: DescribedMessage, _ found: [PlacedValue], isFirst: Bool, _ depth: Int
    ) throws(DecodingFault) {
        var (isFirst, start) = (isFirst, 0)
        var absent = message.shownAbsent[...]
        while start < found.count || !absent.isEmpty {
            let place = start < found.count ? found[start].place : Int.max
            if !isFirst { try self.view.append(",") }
            isFirst = false
            if let next = absent.first, next < place {
                absent.removeFirst()
                try self.view.append(json: message.fields[next].key)
                try self.view.append(json: message.fields[next].absent ?? [])
                continue
            }
            if absent.first == place { absent.removeFirst() }
            let end = found[start...].firstIndex { $0.place != place } ?? found.count
            let field = message.fields[place]
            try self.view.append(json: field.key)
            do throws(DecodingFault) {
                try self.field(field, found[start..<end], depth)
            } catch {
                throw error.within(field.name)
            }
            start = end
        }
    }

    /// - Parameter found: at least one.
    private mutating func field(
        _ field: DescribedField, _ found: ArraySlice<PlacedValue>, _ depth: Int
    ) throws(DecodingFault) {
        if field.isMap, case .message(let entry) = field.kind { return try self.map(found, entry, depth) }
        if field.isRepeated { return try self.list(field, found, depth) }
        try self.value(of: field.kind, found, depth)
    }

    private mutating func list(
        _ field: DescribedField, _ found: ArraySlice<PlacedValue>, _ depth: Int
    ) throws(DecodingFault) {
        try self.view.append("[")
        for index in found.indices {
            if index > found.startIndex { try self.view.append(",") }
            do throws(DecodingFault) {
                try self.value(of: field.kind, found[index...index], depth + 1)
            } catch {
                throw error.within("[\(index - found.startIndex)]")
            }
        }
        try self.view.append("]")
    }

    /// The last of them, and of messages all together; what is absent is the default.
    private mutating func value(
        of kind: DescribedField.Kind, _ found: ArraySlice<PlacedValue>, at offset: Int = 0, _ depth: Int
    ) throws(DecodingFault) {
        if case .message(let type) = kind {
            return try self.message(type, found.map(\.range), at: found.first?.offset ?? offset, depth + 1)
        }
        if let last = found.last {
            try Self.append(last, kind, self.bytes, self.types, to: &self.view)
        } else {
            try self.view.append(json: self.types.zero(of: kind))
        }
    }

    /// Of a key that comes again the last counts.
    private mutating func map(
        _ found: ArraySlice<PlacedValue>, _ entry: Int, _ depth: Int
    ) throws(DecodingFault) {
        let message = self.types.messages[entry]
        guard let (key, value) = message.entryPlaces else { return try self.view.append("{}") }
        var places: [[UInt8]: Int] = [:]
        var entries: [(key: [UInt8], value: ArraySlice<PlacedValue>, offset: Int)] = []
        for one in found {
            let parts = try self.values(in: [one.range], of: message)
            let name = try self.name(of: message.fields[key].kind, parts.last { $0.place == key })
            let values = parts.filter { $0.place == value }[...]
            if let place = places[name] {
                entries[place].value = values
            } else {
                places[name] = entries.count
                entries.append((name, values, one.offset))
            }
        }
        try self.view.append("{")
        for (index, entry) in entries.enumerated() {
            if index > 0 { try self.view.append(",") }
            try self.view.append(json: entry.key)
            try self.view.append(":")
            try self.value(of: message.fields[value].kind, entry.value, at: entry.offset, depth)
        }
        try self.view.append("}")
    }

    /// A map's key as JSON has it, which is text whatever it is.
    private func name(of kind: DescribedField.Kind, _ found: PlacedValue?) throws(DecodingFault) -> [UInt8] {
        var text = JSONView(longest: .max)
        if let found {
            try Self.append(found, kind, self.bytes, self.types, to: &text)
        } else {
            try text.append(json: self.types.zero(of: kind))
        }
        return kind == .string ? text.bytes : [UInt8(ascii: "\"")] + text.bytes + [UInt8(ascii: "\"")]
    }

    /// What is no message.
    private static func append(
        _ found: PlacedValue, _ kind: DescribedField.Kind, _ bytes: [UInt8], _ types: DescribedTypes,
        to view: inout JSONView
    ) throws(DecodingFault) {
        let (number, low) = (found.number, UInt32(truncatingIfNeeded: found.number))
        switch kind {
        case .double: try Self.append(Double(bitPattern: number), to: &view)
        case .float: try Self.append(Float(bitPattern: low), to: &view)
        case .int64, .sfixed64: try view.append(Int64(bitPattern: number))
        case .uint64, .fixed64: try view.append(number)
        case .int32, .sfixed32: try view.append(Int32(bitPattern: low))
        case .uint32, .fixed32: try view.append(low)
        case .sint32: try view.append(Int32(bitPattern: low >> 1) ^ (low & 1 == 0 ? 0 : -1))
        case .sint64: try view.append(Int64(bitPattern: number >> 1) ^ (number & 1 == 0 ? 0 : -1))
        case .bool: try view.append(number == 0 ? "false" : "true")
        case .string: try view.append(quoted: bytes[found.range], at: found.offset)
        case .bytes: try view.append(bytes[found.range], as: .base64)
        case .enumeration(let index):
            try view.append(json: types.enumerations[index].json(Int32(bitPattern: low)))
        case .message: break
        }
    }

    private static func append(
        _ number: some BinaryFloatingPoint & CustomStringConvertible, to view: inout JSONView
    ) throws(DecodingFault) {
        if number.isNaN { return try view.append("\"NaN\"") }
        if number.isInfinite { return try view.append(number < 0 ? "\"-Infinity\"" : "\"Infinity\"") }
        try view.append(number)
    }

    // MARK: Messages with a form of their own

    private mutating func wellKnown(
        _ known: WellKnownMessage, _ message: DescribedMessage, _ found: [PlacedValue], at offset: Int, _ depth: Int
    ) throws(DecodingFault) {
        func last(_ number: UInt64) -> PlacedValue? { found.last { message.fields[$0.place].number == number } }
        switch known {
        case .timestamp, .duration:
            let seconds = Int64(bitPattern: last(1)?.number ?? 0)
            let nanos = Int32(truncatingIfNeeded: last(2)?.number ?? 0)
            let text = known == .timestamp ? Self.timestamp(seconds, nanos) : Self.duration(seconds, nanos)
            guard let text else {
                throw DecodingFault("\(seconds) s and \(nanos) ns are no \(known)", at: offset)
            }
            try self.view.append(json: "\"\(text)\"".utf8)
        case .structure, .list:
            // Both have one field, and a list no object around it.
            let field = message.fields[0]
            if found.isEmpty { return try self.view.append(json: field.absent ?? []) }
            try self.field(field, found[...], known == .list ? depth - 1 : depth)
        case .value:
            // What is none of its kinds is nothing.
            guard let place = found.last?.place else { return try self.view.append("null") }
            // A struct and a list are their own object and array, without one around them.
            try self.value(of: message.fields[place].kind, found[...], depth - 1)
        case .fieldMask:
            var paths: [UInt8] = []
            for one in found {
                if !paths.isEmpty { paths.append(UInt8(ascii: ",")) }
                paths += Self.camelCase(self.bytes[one.range])
            }
            try self.view.append(quoted: paths[...], at: offset)
        case .any: try self.any(last(1)?.range ?? 0..<0, last(2)?.range ?? 0..<0, at: offset, depth)
        default:
            try self.value(of: message.fields[0].kind, found[...], at: offset, depth)
        }
    }

    private static func camelCase(_ path: ArraySlice<UInt8>) -> [UInt8] {
        var (text, isNext): ([UInt8], Bool) = ([], false)
        for byte in path {
            if byte == UInt8(ascii: "_") {
                isNext = true
            } else {
                text.append(isNext && (0x61...0x7A).contains(byte) ? byte - 0x20 : byte)
                isNext = false
            }
        }
        return text
    }

    /// Where the type is not among those that are known its bytes are base64.
    private mutating func any(
        _ url: Range<Int>, _ value: Range<Int>, at offset: Int, _ depth: Int
    ) throws(DecodingFault) {
        guard !url.isEmpty else { return try self.view.append("{}") }
        try self.view.append("{\"@type\":")
        try self.view.append(quoted: self.bytes[url], at: offset)
        let name = String(decoding: self.bytes[url], as: UTF8.self).split(separator: "/").last ?? ""
        if let type = self.types.messagesByName[String(name)] {
            let message = self.types.messages[type]
            if message.wellKnown == nil {
                try JSONView.check(depth: depth + 2, at: value.lowerBound)
                let found = try self.values(in: [value], of: message)
                try self.members(of: message, found, isFirst: false, depth)
            } else {
                try self.view.append(",\"value\":")
                try self.message(type, [value], at: value.lowerBound, depth + 1)
            }
        } else {
            try self.view.append(",\"value\":")
            try self.view.append(self.bytes[value], as: .base64)
        }
        try self.view.append("}")
    }

    // MARK: Times

    /// - Returns: nil beyond the years 1 to 9999.
    private static func timestamp(_ seconds: Int64, _ nanos: Int32) -> String? {
        guard (-62_135_596_800...253_402_300_799).contains(seconds), (0...999_999_999).contains(nanos) else {
            return nil
        }
        let ofDay = (seconds % 86_400 + 86_400) % 86_400
        let date = CivilDate(day: (seconds - ofDay) / 86_400)
        let day = "\(Self.padded(date.year, 4))-\(Self.padded(date.month, 2))-\(Self.padded(date.day, 2))"
        let (hour, minute, second) = (ofDay / 3_600, ofDay / 60 % 60, ofDay % 60)
        let time = "\(Self.padded(hour, 2)):\(Self.padded(minute, 2)):\(Self.padded(second, 2))"
        return "\(day)T\(time)\(Self.fraction(nanos))Z"
    }

    /// - Returns: nil beyond 10,000 years, and where the signs are not the same.
    private static func duration(_ seconds: Int64, _ nanos: Int32) -> String? {
        guard (-315_576_000_000...315_576_000_000).contains(seconds), (-999_999_999...999_999_999).contains(nanos),
            seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0)
        else { return nil }
        return "\(seconds < 0 || nanos < 0 ? "-" : "")\(seconds.magnitude)\(Self.fraction(nanos))s"
    }

    private static func padded(_ number: Int64, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// Of three, six or nine digits; empty if there is none.
    private static func fraction(_ nanos: Int32) -> String {
        guard nanos != 0 else { return "" }
        let digits = Self.padded(Int64(nanos.magnitude), 9)
        if digits.hasSuffix("000000") { return ".\(digits.prefix(3))" }
        return digits.hasSuffix("000") ? ".\(digits.prefix(6))" : ".\(digits)"
    }
}

extension DescribedMessage {
    /// The places of the key and the value of a map's entry.
    fileprivate var entryPlaces: (key: Int, value: Int)? {
        guard let key = self.places[1], let value = self.places[2] else { return nil }
        return (key, value)
    }
}
