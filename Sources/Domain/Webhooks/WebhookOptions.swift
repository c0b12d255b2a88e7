/// What a webhook says beyond name, url, headers and delivery.
///
/// It is kept under the same seal as the headers: bodies and queries carry keys as often.
package struct WebhookOptions: FieldTable {
    package var request = RequestSpec()
    package var auth = WebhookAuth()
    package var trigger = Trigger()
    package var conditions: Conditions?
    /// Users who are told when it is disabled because of errors, and when it works again.
    package var notify: [String] = []
    /// Whether the thing is told what the receiver answered.
    package var responds = false
    /// …and how, if it is.
    package var answer = ThingAnswer()
    package var batching: Batching?
    /// What is shown to the receiver over TLS; nil is what the group has.
    package var clientCertificate: ClientCertificate?
    package var compression = Compression.none
    /// Whether its receiver is given a key to send commands to a delivery's thing.
    package var sendsCommandKey = false
    package var description = ""
    /// A JSON object of its owners, kept and shown and nothing else.
    package var metadata = "{}"

    /// Both that `respond` says.
    var responding: Responding {
        get { Responding(isWanted: self.responds, answer: self.answer) }
        set { (self.responds, self.answer) = (newValue.isWanted, newValue.answer) }
    }

    private var unusualAnswer: ThingAnswer? {
        get { self.answer == ThingAnswer() ? nil : self.answer }
        set { self.answer = newValue ?? ThingAnswer() }
    }

    package init() {}

    /// How bodies are sent.
    package enum Compression: String, Sendable, Codable, CaseIterable {
        /// As they are.
        case none
        /// With `content-encoding: gzip` (RFC 9110, section 8.4.1.3), where that makes them smaller.
        case gzip
    }

    package static let longestDescription = 2_000
    package static let longestMetadata = 16 * 1024
    package static let mostNotified = 50

    package static let fields: [Field<WebhookOptions>] =
        RequestSpec.fields.map { $0.within(\.request) } + [
            .auth, .trigger, .conditions,
            Field("notify", \.notify, stored: "notify", .users),
            Field(
                "respond", \.responding,
                stored: [StoredField("responds", \.responds), StoredField("answer", \.unusualAnswer)],
                .responding),
            .batch, .clientCertificate,
            Field("compression", \.compression, stored: "compression", .choice()),
            Field("command_url", \.sendsCommandKey, stored: "sendsCommandKey", .flag),
            Field("description", \.description, stored: "description", .text(longest: longestDescription)),
            Field("metadata", \.metadata, stored: "metadata", .metadata),
        ]
    package static let stored = [StoredField("request", \.request)] + fields.flatMap(\.stored)

    /// - Throws: ``InvalidField``, named as the API names it.
    func check(headers: [Header]) throws(InvalidField) {
        try self.checkFields()
        if self.auth.kind != .none, headers.contains(where: { $0.name.lowercased() == "authorization" }) {
            throw InvalidField("auth", "and a header Authorization exclude each other")
        }
        if self.compression != .none, headers.contains(where: { $0.name.lowercased() == "content-encoding" }) {
            throw InvalidField("compression", "and a header Content-Encoding exclude each other")
        }
        if self.responds, !self.trigger.kind.isOfMessages || self.batching != nil {
            throw InvalidField("respond", "goes with the triggers MESSAGE and LOG_EVENT alone, and not with batch")
        }
        if self.conditions?.edge != nil, !self.trigger.kind.isOfMessages {
            throw InvalidField("conditions.edge", "goes with the triggers MESSAGE and LOG_EVENT alone")
        }
        if self.batching != nil { try self.checkBatching() }
    }

    private func checkBatching() throws(InvalidField) {
        if self.sendsCommandKey {
            throw InvalidField("command_url", "does not go with batch, which is of several things")
        }
        switch self.request.method {
        case .post, .put, .patch: break
        case .get, .delete: throw InvalidField("batch", "needs a method that has a body: POST, PUT or PATCH")
        }
        switch self.request.body {
        case nil, .json?: break
        case .text?, .form?: throw InvalidField("batch", "needs a body that is JSON")
        }
        guard self.request.contentType == .json || self.request.contentType == .profile else {
            throw InvalidField("batch", "needs the content_type json or profile")
        }
        guard self.request.format == .plain else { throw InvalidField("batch", "does not go with format cloudevents") }
    }
}
