/// Sparkplug B as JSON: its fields by their names, and of a metric, a property or a parameter the one that is its value as `value`, read
/// by the datatype beside it. What is not among the fields is passed over, as Protocol Buffers have it.
///
/// By a reader of our own: swift-protobuf needs code that protoc made, and takes messages apart into objects before anything is bounded.
struct ProtobufReader {
    private let bytes: [UInt8]
    private var view: JSONView
    /// Of the columns of the data set that is being read.
    private var columns: [UInt64] = []

    private static let mostFields = 200_000
    private var fieldCount = 0

    static func sparkplug(_ payload: [UInt8], _ view: JSONView) throws(DecodingFault) -> [UInt8] {
        var reader = ProtobufReader(bytes: payload, view: view)
        try reader.message(.payload, 0..<payload.count, 0)
        return reader.view.bytes
    }

    private init(bytes: [UInt8], view: JSONView) {
        self.bytes = bytes
        self.view = view
    }

    /// The wire type of a field's own.
    private static func wire(of kind: ProtobufSchema.Kind) -> UInt64 {
        switch kind {
        case .uint32, .uint64, .bool, .datatype: 0
        case .double: 1
        case .string, .bytes, .message: 2
        case .float: 5
        }
    }

    /// What is found takes more memory than its bytes.
    private mutating func count(at offset: Int) throws(DecodingFault) {
        self.fieldCount += 1
        guard self.fieldCount <= Self.mostFields else {
            throw DecodingFault("there are over \(Self.mostFields) fields", at: offset)
        }
    }

    /// The fields of a message that are known, in the order of their numbers, and those of one number in theirs.
    private mutating func fields(
        of role: ProtobufSchema.Role, _ range: Range<Int>
    ) throws(DecodingFault) -> [PlacedValue] {
        let fields = role.fields
        var input = ByteInput(self.bytes, range)
        var found: [PlacedValue] = []
        while !input.isAtEnd {
            var one = try input.key()
            try self.count(at: one.offset)
            try input.read(&one)
            guard let place = fields.firstIndex(where: { $0.number == one.number }) else { continue }
            if one.wire == 2, fields[place].isRepeated, case .datatype = fields[place].kind {
                // Several numbers together.
                var packed = ByteInput(self.bytes, one.range)
                while !packed.isAtEnd {
                    try self.count(at: one.offset)
                    found.append(PlacedValue(place: place, offset: one.offset, number: try packed.varint()))
                }
                continue
            }
            guard one.wire == Self.wire(of: fields[place].kind) else {
                throw DecodingFault("\(fields[place].name) has the wire type \(one.wire)", at: one.offset)
            }
            found.append(PlacedValue(place: place, offset: one.offset, number: one.value, range: one.range))
        }
        return found.inOrder
    }

    private mutating func message(
        _ role: ProtobufSchema.Role, _ range: Range<Int>, _ depth: Int
    ) throws(DecodingFault) {
        // What repeats in it opens an array as well.
        try JSONView.check(depth: depth + 1, at: range.lowerBound)
        let found = try self.fields(of: role, range)
        switch role {
        case .propertySet: return try self.properties(found, depth)
        case .row: return try self.row(found, depth)
        default: break
        }
        let outer = self.columns
        defer { self.columns = outer }
        if case .dataSet = role { self.columns = found.filter { role.fields[$0.place].number == 3 }.map(\.number) }
        let type = found.last { if case .datatype = role.fields[$0.place].kind { true } else { false } }?.number
        let nullPlace = role == .metric ? 6 : role == .propertyValue ? 1 : -1
        let isNull = found.contains { $0.place == nullPlace && $0.number != 0 }
        try self.view.append("{")
        var (index, isFirst) = (0, true)
        while index < found.count {
            // Of a field that does not repeat, and of a value's forms, the last counts.
            let field = role.fields[found[index].place]
            var end = index + 1
            while end < found.count,
                found[end].place == found[index].place || field.isValue && role.fields[found[end].place].isValue
            {
                end += 1
            }
            if !isFirst { try self.view.append(",") }
            isFirst = false
            try self.view.append("\"")
            try self.view.append(field.name)
            try self.view.append("\":")
            if field.isRepeated {
                try self.list(found[index..<end], field, depth)
            } else if field.isValue, isNull {
                try self.view.append("null")
            } else {
                try self.value(found[end - 1], role.fields[found[end - 1].place], type: type, depth)
            }
            index = end
        }
        if isNull, !found.contains(where: { role.fields[$0.place].isValue }) {
            try self.view.append(isFirst ? "\"value\":null" : ",\"value\":null")
        }
        try self.view.append("}")
    }

    private mutating func list(
        _ found: ArraySlice<PlacedValue>, _ field: ProtobufSchema.Field, _ depth: Int
    ) throws(DecodingFault) {
        try self.view.append("[")
        for (place, one) in found.enumerated() {
            if place > 0 { try self.view.append(",") }
            try self.value(one, field, type: nil, depth + 1)
        }
        try self.view.append("]")
    }

    /// `{"key": {…}}`.
    private mutating func properties(_ found: [PlacedValue], _ depth: Int) throws(DecodingFault) {
        let fields = ProtobufSchema.Role.propertySet.fields
        let (keys, values) = (found.filter { $0.place == 0 }, found.filter { $0.place == 1 })
        guard keys.count == values.count else {
            throw DecodingFault(
                "a property set has \(keys.count) keys and \(values.count) values", at: found.first?.offset)
        }
        try self.view.append("{")
        for index in keys.indices {
            if index > 0 { try self.view.append(",") }
            try self.value(keys[index], fields[0], type: nil, depth + 1)
            try self.view.append(":")
            try self.value(values[index], fields[1], type: nil, depth)
        }
        try self.view.append("}")
    }

    /// The values of its columns.
    private mutating func row(_ found: [PlacedValue], _ depth: Int) throws(DecodingFault) {
        try self.view.append("[")
        for (column, element) in found.enumerated() {
            if column > 0 { try self.view.append(",") }
            let role = ProtobufSchema.Role.dataSetValue
            if let value = try self.fields(of: role, element.range).last {
                try self.value(
                    value, role.fields[value.place], type: column < self.columns.count ? self.columns[column] : nil,
                    depth + 1)
            } else {
                try self.view.append("null")
            }
        }
        try self.view.append("]")
    }

    /// - Parameter type: a value's datatype, by which it is read.
    private mutating func value(
        _ found: PlacedValue, _ field: ProtobufSchema.Field, type: UInt64?, _ depth: Int
    ) throws(DecodingFault) {
        let slice = self.bytes[found.range]
        switch field.kind {
        case .uint32, .uint64:
            let isSigned = field.isValue
            switch isSigned ? type.flatMap(Datatype.init(rawValue:)) : nil {
            case .int8: try self.view.append(Int8(truncatingIfNeeded: found.number))
            case .int16: try self.view.append(Int16(truncatingIfNeeded: found.number))
            case .int32: try self.view.append(Int32(truncatingIfNeeded: found.number))
            case .int64: try self.view.append(Int64(bitPattern: found.number))
            default: try self.view.append(found.number)
            }
        case .datatype: try self.view.append(json: Datatype.json(found.number).utf8)
        case .bool: try self.view.append(found.number == 0 ? "false" : "true")
        case .float: try self.view.append(Float(bitPattern: UInt32(truncatingIfNeeded: found.number)))
        case .double: try self.view.append(Double(bitPattern: found.number))
        case .string: try self.view.append(quoted: slice, at: found.offset)
        case .bytes:
            if let type = type.flatMap(Datatype.init(rawValue:)), type.rawValue >= Datatype.int8Array.rawValue {
                try self.view.append(array: ByteInput(self.bytes, found.range), of: type)
            } else {
                try self.view.append(slice, as: .base64)
            }
        case .message(let role): try self.message(role, found.range, depth + 1)
        }
    }
}
