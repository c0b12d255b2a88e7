internal import Domain
internal import Hummingbird
internal import Values

extension Instant {
    /// As callers write it: milliseconds since 1970, or RFC 3339.
    fileprivate init(_ text: some StringProtocol, of field: String) throws(InvalidField) {
        guard let time = Int64(text).map({ Instant(milliseconds: $0) }) ?? Instant(rfc3339: text) else {
            throw Self.invalid(field)
        }
        self = time
    }

    fileprivate static func invalid(_ field: String) -> InvalidField {
        InvalidField(
            field, "must be milliseconds since 1970 or a time such as 2026-01-31T12:00:00Z, in the years 1970 to 9999")
    }
}

extension Request {
    /// A parameter of the query.
    func time(_ name: String) throws(InvalidField) -> Instant? {
        guard let text = self.uri.queryParameters.get(name) else { return nil }
        return try Instant(text, of: name)
    }
}

extension JSONObject {
    func time(_ field: String) throws(InvalidField) -> Instant? {
        switch self.fields[field] {
        case .integer(let milliseconds)?:
            guard let time = Instant(milliseconds: milliseconds) else { throw Instant.invalid(self.name(field)) }
            return time
        case .number?: throw Instant.invalid(self.name(field))
        default:
            guard let text = try self.string(field) else { return nil }
            return try Instant(text, of: self.name(field))
        }
    }
}
