internal import Domain
internal import Hummingbird
internal import Values

// The database's text has no U+0000 and would be stored without it, and what is percent-encoded and no UTF-8 is read as
// if it were not there: a message would go to another topic, a list would have what was not asked for. Callers are told
// instead, at the door.

extension Request {
    /// - Throws: what the caller is told if the path or the query has a zero byte, or bytes that are no text.
    func refuseWhatIsNoText() throws {
        let target = self.uri.string
        guard target.utf8.contains(UInt8(ascii: "%")) else { return }
        try self.refuseZeroBytes()
        let parts = target.utf8.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        guard PercentEncoding.isText(parts[0]) else {
            throw APIError.badRequest("the path must be UTF-8, percent-encoded")
        }
        // What others put behind the address of a source is not for us to judge.
        guard parts.count == 2, !target.hasPrefix("/in/"), !target.hasPrefix("/webhooks/in/") else { return }
        for parameter in parts[1].split(separator: UInt8(ascii: "&")) where !PercentEncoding.isText(parameter) {
            let name = parameter.prefix { $0 != UInt8(ascii: "=") }
            guard PercentEncoding.isText(name) else {
                throw APIError.badRequest("the query must be UTF-8, percent-encoded")
            }
            throw InvalidField(String(decoding: name, as: UTF8.self), "must be UTF-8, percent-encoded")
        }
    }

    private func refuseZeroBytes() throws {
        guard self.uri.string.contains("%00") else { return }
        for (name, value) in self.uri.queryParameters where value.utf8.contains(0) {
            throw InvalidField(String(name), "must not have a zero byte")
        }
        throw APIError.badRequest("the path or the query has a zero byte")
    }
}
