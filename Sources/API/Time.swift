internal import Domain
internal import Hummingbird

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

func base64(_ bytes: [UInt8]) -> String {
    Data(bytes).base64EncodedString()
}

extension Request {
    /// A point in time: milliseconds since 1970, or RFC 3339.
    func time(_ name: String) throws(InvalidField) -> Int64? {
        guard let text = self.uri.queryParameters.get(name), !text.isEmpty else { return nil }
        if let milliseconds = Int64(text), milliseconds >= 0 { return milliseconds }
        for fractional in [false, true] {
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: fractional)
            if let date = try? style.parse(String(text)) { return Int64(date.timeIntervalSince1970 * 1_000) }
        }
        throw InvalidField(name, "must be milliseconds since 1970 or a time such as 2026-01-31T12:00:00Z")
    }
}
