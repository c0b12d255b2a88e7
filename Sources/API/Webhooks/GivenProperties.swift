internal import Domain

extension MessageProperties {
    /// What a message that is given to try with says of itself: in the form in which the log shows it.
    ///
    /// - Returns: nil if nothing is given.
    convenience init?(_ message: JSONObject) throws(InvalidField) {
        guard let fields = try message.object("mqtt") else { return nil }
        var parts = Parts()
        parts.topic = try fields.string("topic")
        parts.qos = try fields.integer("qos").map { Int(clamping: $0) }
        parts.isRetained = try fields.bool("retain")
        parts.contentType = try fields.string("content_type")
        parts.responseTopic = try fields.string("response_topic")
        parts.expiry = try fields.integer("expiry")
        if let text = try fields.string("correlation_data") {
            guard let data = Base64.decode(text) else {
                throw InvalidField(fields.name("correlation_data"), "must be base64 (RFC 4648, section 4)")
            }
            parts.correlationData = data
        }
        if let user = try fields.object("user") {
            for name in user.fields.keys.sorted() {
                for value in try Self.values(of: name, in: user) { parts.user.append((name, value)) }
            }
        }
        self.init(parts)
    }

    /// Of a name that is repeated all values.
    private static func values(of name: String, in user: JSONObject) throws(InvalidField) -> [String] {
        if case .array? = user.fields[name] { return try user.strings(name) ?? [] }
        return try user.string(name).map { [$0] } ?? []
    }
}
