internal import Domain
internal import Hummingbird

/// A point in time as it is written: milliseconds since 1970, or RFC 3339. Answers milliseconds.
private func time(_ text: some StringProtocol, field: String) throws(InvalidField) -> Int64 {
    if let milliseconds = Int64(text), milliseconds >= 0 { return milliseconds }
    if let milliseconds = RFC3339.milliseconds(text) { return milliseconds }
    throw InvalidField(field, "must be milliseconds since 1970 or a time such as 2026-01-31T12:00:00Z")
}

extension Request {
    /// A parameter of the query.
    func time(_ name: String) throws(InvalidField) -> Int64? {
        guard let text = self.uri.queryParameters.get(name) else { return nil }
        return try API.time(text, field: name)
    }
}

extension JSONObject {
    func time(_ field: String) throws(InvalidField) -> Int64? {
        if case .integer(let milliseconds)? = self.fields[field], milliseconds >= 0 { return milliseconds }
        return try self.string(field).map { (text) throws(InvalidField) in try API.time(text, field: self.name(field)) }
    }
}
