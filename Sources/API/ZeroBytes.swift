internal import Domain
internal import Hummingbird

// The database's text has no U+0000 and would be stored without it. Callers are told instead, at the door: what is
// read back would not be what was sent, and what is looked up would find another.

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
