internal import Domain
internal import Hummingbird

// The database's text has no U+0000 and would be stored without it. Callers are told instead, at the door: what is
// read back would not be what was sent, and what is looked up would find another.

extension JSONValue {
    /// - Throws: ``InvalidField`` with the place of the first text that has one.
    func refuseZeroBytes(at path: String) throws(InvalidField) {
        switch self {
        case .null, .bool, .integer, .number: return
        case .string(let text): try Self.refuse(text, at: path)
        case .array(let values):
            for (index, value) in values.enumerated() { try value.refuseZeroBytes(at: "\(path)[\(index)]") }
        case .object(let fields):
            for (name, value) in fields {
                try Self.refuse(name, at: path)
                try value.refuseZeroBytes(at: path.isEmpty ? name : "\(path).\(name)")
            }
        }
    }

    private static func refuse(_ text: String, at path: String) throws(InvalidField) {
        guard text.utf8.contains(0) else { return }
        throw InvalidField(path.isEmpty ? "the body" : path, "must not have a zero byte")
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
