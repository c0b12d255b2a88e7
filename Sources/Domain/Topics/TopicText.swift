/// What may stand in a topic (MQTT 5, section 4.7), judged by its bytes: what is joined to a wildcard, such as an accent, makes
/// another character of both, and for a broker it stays one.
package enum TopicText {
    /// Wildcards are for who listens.
    package static func hasWildcard(_ text: some StringProtocol) -> Bool {
        text.utf8.contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") }
    }

    /// Whether it, or what it is a part of, is a topic to publish on and a value of a header.
    package static func isPublishable(_ text: some StringProtocol) -> Bool {
        !Self.hasWildcard(text) && text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
    }
}
