internal import Values

extension JSONView {
    /// An array of Sparkplug B, whose elements stand in bytes, the smallest byte first (Sparkplug 3.0.0, section 6.4.17).
    ///
    /// - Parameter type: one of an array.
    mutating func append(array input: ByteInput, of type: Datatype) throws(DecodingFault) {
        var input = input
        try self.append("[")
        switch type {
        case .stringArray: try self.append(strings: &input)
        case .booleanArray: try self.append(bits: &input)
        default:
            var isFirst = true
            while !input.isAtEnd {
                if !isFirst { try self.append(",") }
                isFirst = false
                try self.append(element: &input, of: type)
            }
        }
        try self.append("]")
    }

    private mutating func append(element input: inout ByteInput, of type: Datatype) throws(DecodingFault) {
        switch type {
        case .int8Array: try self.append(Int8(truncatingIfNeeded: try input.littleEndian(1)))
        case .int16Array: try self.append(Int16(truncatingIfNeeded: try input.littleEndian(2)))
        case .int32Array: try self.append(Int32(truncatingIfNeeded: try input.littleEndian(4)))
        case .int64Array: try self.append(Int64(bitPattern: try input.littleEndian(8)))
        case .uint8Array: try self.append(try input.littleEndian(1))
        case .uint16Array: try self.append(try input.littleEndian(2))
        case .uint32Array: try self.append(try input.littleEndian(4))
        case .floatArray: try self.append(Float(bitPattern: UInt32(truncatingIfNeeded: try input.littleEndian(4))))
        case .doubleArray: try self.append(Double(bitPattern: try input.littleEndian(8)))
        default: try self.append(try input.littleEndian(8))
        }
    }

    /// Each ends with a zero byte.
    private mutating func append(strings input: inout ByteInput) throws(DecodingFault) {
        var isFirst = true
        while !input.isAtEnd {
            if !isFirst { try self.append(",") }
            isFirst = false
            let start = input.position
            let length = input.bytes[start..<input.end].firstIndex(of: 0).map { $0 - start } ?? input.end - start
            try self.append(quoted: try input.take(UInt64(length)), at: start)
            if !input.isAtEnd { _ = try input.next() }
        }
    }

    /// How many there are, and then eight in a byte, the first in the highest bit.
    private mutating func append(bits input: inout ByteInput) throws(DecodingFault) {
        guard !input.isAtEnd else { return }
        let offset = input.position
        let count = try input.littleEndian(4)
        guard (count.adding(7)) / 8 <= UInt64(input.end - input.position) else {
            throw DecodingFault("\(count) booleans are said to follow", at: offset)
        }
        var byte: UInt8 = 0
        for index in 0..<count {
            if index % 8 == 0 { byte = try input.next() }
            if index > 0 { try self.append(",") }
            try self.append(byte & 0x80 >> UInt8(index % 8) == 0 ? "false" : "true")
        }
    }
}
