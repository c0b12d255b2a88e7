extension StringProtocol {
    /// Byte by byte: a mark that is joined to a space, or stands first, stays where it is.
    package var trimmingSpaces: String {
        let text = self.utf8.drop { $0 == 0x20 }
        let count = text.reversed().drop { $0 == 0x20 }.count
        return String(decoding: text.prefix(count), as: UTF8.self)
    }
}
