/// A field as it stands on the wire of Protocol Buffers (https://protobuf.dev/programming-guides/encoding/).
struct WireField {
    let number: UInt64
    /// 0 is a varint, 1 are eight bytes, 2 has a length, 3 is a group, and 5 are four bytes.
    let wire: UInt64
    let offset: Int
    var value: UInt64 = 0
    /// Of what has a length, and of what stands in a group.
    var range = 0..<0
}

/// A value of a field that is known.
struct PlacedValue {
    /// Among its message's fields.
    let place: Int
    let offset: Int
    var number: UInt64 = 0
    /// Of what has a length, and of groups.
    var range = 0..<0
}

extension [PlacedValue] {
    /// In the order of their fields, and those of one field in theirs.
    var inOrder: Self {
        // As most are.
        if zip(self, self.dropFirst()).allSatisfy({ $0.place <= $1.place }) { return self }
        return self.enumerated().sorted { ($0.element.place, $0.offset) < ($1.element.place, $1.offset) }.map(\.element)
    }
}

extension ByteInput {
    mutating func varint() throws(DecodingFault) -> UInt64 {
        let offset = self.position
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            let byte = try self.next()
            guard shift < 63 || byte < 2 else { break }
            number |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return number }
        }
        throw DecodingFault("a number is longer than 64 bits", at: offset)
    }

    /// A field's number and its wire type; its value comes next.
    mutating func key() throws(DecodingFault) -> WireField {
        let offset = self.position
        let key = try self.varint()
        guard key >> 3 > 0, key >> 3 < 1 << 29 else {
            throw DecodingFault("a field's number is \(key >> 3)", at: offset)
        }
        return WireField(number: key >> 3, wire: key & 7, offset: offset)
    }

    mutating func field() throws(DecodingFault) -> WireField {
        var field = try self.key()
        switch field.wire {
        case 3: field.range = try self.group(field.number)
        case 4: throw DecodingFault("a group ends where none is open", at: field.offset)
        default: try self.read(&field)
        }
        return field
    }

    /// What is no group.
    mutating func read(_ field: inout WireField) throws(DecodingFault) {
        switch field.wire {
        case 0: field.value = try self.varint()
        case 1: field.value = try self.littleEndian(8)
        case 2:
            let bytes = try self.take(try self.varint())
            field.range = bytes.startIndex..<bytes.endIndex
        case 5: field.value = try self.littleEndian(4)
        default: throw DecodingFault("a field has the wire type \(field.wire)", at: field.offset)
        }
    }

    /// Where a group's fields stand; it has begun, and is read to its end.
    private mutating func group(_ number: UInt64) throws(DecodingFault) -> Range<Int> {
        let start = self.position
        var open = [number]
        while true {
            var key = try self.key()
            switch key.wire {
            case 3:
                try JSONView.check(depth: open.count, at: key.offset)
                open.append(key.number)
            case 4:
                guard open.popLast() == key.number else {
                    throw DecodingFault("another group ends than the one that is open", at: key.offset)
                }
                if open.isEmpty { return start..<key.offset }
            default:
                try self.read(&key)
            }
        }
    }
}
