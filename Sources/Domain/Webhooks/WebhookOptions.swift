/// What a webhook says beyond name, url, headers and delivery.
///
/// `Codable` is for Storage, which keeps it under the same seal as the headers: bodies and queries carry keys as often.
package struct WebhookOptions: Sendable, Equatable, Codable {
    package var request = RequestSpec()
    package var auth = WebhookAuth()
    package var trigger = Trigger()
    package var conditions: Conditions?
    /// Users who are told when it is disabled because of errors, and when it works again.
    package var notify: [String] = []
    /// Whether the thing is told what the receiver answered.
    package var responds = false
    package var batching: Batching?
    package var description = ""
    /// A JSON object of its owners, kept and shown and nothing else.
    package var metadata = "{}"

    package init() {}

    package init(from decoder: any Decoder) throws {
        // What an older version did not write has its default.
        let values = try decoder.container(keyedBy: CodingKeys.self)
        self.request = try values.decodeIfPresent(RequestSpec.self, forKey: .request) ?? RequestSpec()
        self.auth = try values.decodeIfPresent(WebhookAuth.self, forKey: .auth) ?? WebhookAuth()
        self.trigger = try values.decodeIfPresent(Trigger.self, forKey: .trigger) ?? Trigger()
        self.conditions = try values.decodeIfPresent(Conditions.self, forKey: .conditions)
        self.notify = try values.decodeIfPresent([String].self, forKey: .notify) ?? []
        self.responds = try values.decodeIfPresent(Bool.self, forKey: .responds) ?? false
        self.batching = try values.decodeIfPresent(Batching.self, forKey: .batching)
        self.description = try values.decodeIfPresent(String.self, forKey: .description) ?? ""
        self.metadata = try values.decodeIfPresent(String.self, forKey: .metadata) ?? "{}"
    }

    package static let longestDescription = 2_000
    package static let longestMetadata = 16 * 1024
    package static let mostNotified = 50

    /// - Throws: ``InvalidField``, named as the API names it.
    func check(headers: [Header]) throws(InvalidField) {
        try self.auth.check()
        try self.trigger.check()
        try self.conditions?.check()
        try self.batching?.check()
        if self.auth.kind != .none, headers.contains(where: { $0.name.lowercased() == "authorization" }) {
            throw InvalidField("auth", "and a header Authorization exclude each other")
        }
        guard self.notify.count <= Self.mostNotified else {
            throw InvalidField("notify", "must name at most \(Self.mostNotified) users")
        }
        for (index, user) in self.notify.enumerated() {
            // It becomes a level of a topic.
            guard (1...254).contains(user.utf8.count),
                user.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0 != "+" && $0 != "#" && $0 != "/" })
            else { throw InvalidField("notify[\(index)]", "must be a user's id without /, + or #") }
        }
        guard self.description.utf8.count <= Self.longestDescription else {
            throw InvalidField("description", "must be at most \(Self.longestDescription) bytes long")
        }
        guard self.metadata.utf8.count <= Self.longestMetadata else {
            throw InvalidField("metadata", "must be at most \(Self.longestMetadata) bytes of JSON")
        }
        if self.responds, self.trigger.kind != .message || self.batching != nil {
            throw InvalidField("respond", "goes with the trigger MESSAGE alone, and not with batch")
        }
        if self.batching != nil { try self.checkBatching() }
    }

    private func checkBatching() throws(InvalidField) {
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
