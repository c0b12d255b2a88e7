/// What a collector says that took a request, but not all of it: `ExportTraceServiceResponse` of OTLP 1.
package struct PartialSuccess: Sendable, Equatable {
    /// How many spans it did not take.
    package let rejected: Int
    /// In its words.
    package let why: String

    package init(rejected: Int64, why: String) {
        self.rejected = Int(clamping: max(0, rejected))
        self.why = why
    }

    /// - Returns: nil if everything was taken, or if it is no such message: the status has said already that it was taken.
    package init?(protobuf bytes: [UInt8]) {
        guard let partial = Self.fields(bytes[...])?.first(where: { $0.number == 1 })?.bytes,
            let fields = Self.fields(partial)
        else { return nil }
        let rejected = fields.last { $0.number == 1 }?.value ?? 0
        let why = fields.last { $0.number == 2 }?.bytes ?? []
        self.init(rejected: Int64(bitPattern: rejected), why: String(decoding: why, as: UTF8.self))
    }

    private struct Field {
        let number: UInt64
        /// Of what is a number.
        var value: UInt64 = 0
        /// Of what has a length.
        var bytes: ArraySlice<UInt8> = []
    }

    private static func fields(_ message: ArraySlice<UInt8>) -> [Field]? {
        var rest = message
        var fields: [Field] = []
        while !rest.isEmpty {
            guard let tag = Self.varint(&rest) else { return nil }
            var field = Field(number: tag >> 3)
            switch tag & 7 {
            case 0:
                guard let value = Self.varint(&rest) else { return nil }
                field.value = value
            case 2:
                guard let length = Self.varint(&rest), length <= rest.count else { return nil }
                field.bytes = rest.prefix(Int(length))
                rest.removeFirst(Int(length))
            case 1, 5:
                let length = tag & 7 == 1 ? 8 : 4
                guard rest.count >= length else { return nil }
                rest.removeFirst(length)
            default: return nil
            }
            fields.append(field)
        }
        return fields
    }

    private static func varint(_ rest: inout ArraySlice<UInt8>) -> UInt64? {
        var number: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 70, by: 7) {
            guard let byte = rest.popFirst() else { return nil }
            number |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return number }
        }
        return nil
    }
}
