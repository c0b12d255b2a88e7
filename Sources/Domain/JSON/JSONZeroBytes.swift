extension JSONValue {
    /// Where the first text stands that has one; nil if none has, or if it is the value itself.
    var placeOfZeroByte: String? {
        guard let steps = self.stepsToZeroByte, !steps.isEmpty else { return nil }
        let place = steps.reversed().joined()
        return place.utf8.first == UInt8(ascii: ".") ? String(decoding: place.utf8.dropFirst(), as: UTF8.self) : place
    }

    /// The innermost first. They are put together on the way back: there are many ways, and each may be long.
    private var stepsToZeroByte: [String]? {
        switch self {
        case .null, .bool, .integer, .number: return nil
        case .string(let text): return text.utf8.contains(0) ? [] : nil
        case .array(let values):
            for (index, value) in values.enumerated() {
                if let steps = value.stepsToZeroByte { return steps + ["[\(index)]"] }
            }
            return nil
        case .object(let fields):
            for (name, value) in fields {
                if name.utf8.contains(0) { return [] }
                if let steps = value.stepsToZeroByte { return steps + [".\(name)"] }
            }
            return nil
        }
    }
}
