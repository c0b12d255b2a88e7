internal import Domain
internal import Hummingbird

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// A point in time as it is written: milliseconds since 1970, or RFC 3339. Answers milliseconds.
private func time(_ text: some StringProtocol, field: String) throws(InvalidField) -> Int64 {
    if let milliseconds = Int64(text), milliseconds >= 0 { return milliseconds }
    for fractional in [false, true] {
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: fractional)
        if let date = try? style.parse(String(text)) { return Int64(date.timeIntervalSince1970 * 1_000) }
    }
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
