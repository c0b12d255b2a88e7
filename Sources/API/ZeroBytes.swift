internal import Domain
internal import Hummingbird

// The database's text has no U+0000 and would be stored without it. Callers are told instead, at the door: what is
// read back would not be what was sent, and what is looked up would find another.

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

extension Request {
    /// - Throws: what the caller is told if the path or the query has one.
    func refuseZeroBytes() throws {
        guard self.uri.string.contains("%00") else { return }
        for (name, value) in self.uri.queryParameters where value.utf8.contains(0) {
            throw InvalidField(String(name), "must not have a zero byte")
        }
        throw APIError.badRequest("the path or the query has a zero byte")
    }
}
