internal import Domain
internal import Hummingbird
internal import MQTT

extension MessageProperties.Parts {
    private typealias Bounds = ReceivedProperties

    /// What a message that is to be published says of itself (MQTT 5, section 3.3.2.3), from the query of a request:
    /// `content_type`, `response_topic`, `correlation_data` in base64, `expiry` in seconds, `retain`, and any number of
    /// `user_property=<name>=<value>`, in their order. As much as intake takes of a message: what is published here comes in again.
    init(of request: Request) throws(InvalidField) {
        self.init()
        self.isRetained = try request.flag("retain")
        self.contentType = try Self.property("content_type", request.text("content_type"), upTo: Bounds.longestType)
        self.responseTopic = try Self.property(
            "response_topic", request.text("response_topic"), upTo: Bounds.longestTopic)
        if let topic = self.responseTopic, topic.isEmpty || TopicText.hasWildcard(topic) {
            throw InvalidField("response_topic", "must be a topic without + and #")
        }
        if let text = request.text("correlation_data") {
            guard let data = Base64.decode(text), data.count <= Bounds.longestCorrelation else {
                throw InvalidField(
                    "correlation_data",
                    "must be base64 (RFC 4648, section 4) of at most \(Bounds.longestCorrelation) bytes, with + as %2B")
            }
            self.correlationData = data
        }
        self.expiry = try request.integer("expiry", in: 1...Int64(UInt32.max))
        self.user = try Self.user(request.texts("user_property"))
    }

    private static func user(_ texts: [String]) throws(InvalidField) -> [(name: String, value: String)] {
        guard texts.count <= Bounds.mostUser, texts.reduce(0, { $0 + $1.utf8.count }) <= Bounds.mostUserBytes else {
            throw InvalidField(
                "user_property",
                "may be given \(Bounds.mostUser) times, with at most \(Bounds.mostUserBytes) bytes in all")
        }
        var user: [(name: String, value: String)] = []
        for text in texts {
            let parts = text.unicodeScalars.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map { String($0) }
            guard parts.count == 2, !parts.contains(""), MessageProperties.isText(text) else {
                throw InvalidField("user_property", "must be <name>=<value>, neither empty, without control characters")
            }
            user.append((parts[0], parts[1]))
        }
        return user
    }

    private static func property(_ name: String, _ text: String?, upTo most: Int) throws(InvalidField) -> String? {
        guard let text else { return nil }
        guard text.utf8.count <= most, MessageProperties.isText(text) else {
            throw InvalidField(name, "must be at most \(most) bytes without control characters")
        }
        return text
    }
}
