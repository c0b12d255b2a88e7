internal import Values

/// What a rule's messages say of whether their thing is connected: a last will and what is told beside it, or a topic that says it
/// by itself.
package struct TopicPresence: Sendable, Hashable {
    /// As its owners write it.
    package struct Draft: Sendable, Hashable, Codable {
        /// Where the payload says it; nil is all of it.
        package var path: String?
        /// What is said of a thing that is connected…
        package var online: [String]
        /// …and of one that is not.
        package var offline: [String]
        /// `online` or `offline` where every message says the same, whatever it holds.
        package var always: String?
        /// Whether the messages go on as messages of the thing too; nil is yes.
        package var deliver: Bool?

        package init(
            path: String? = nil, online: [String] = [], offline: [String] = [], always: String? = nil,
            deliver: Bool? = nil
        ) {
            self.path = path
            self.online = online
            self.offline = offline
            self.always = always
            self.deliver = deliver
        }

        /// As the API and files that declare rules have it.
        package init(_ object: JSONObject) throws(InvalidField) {
            self.init(
                path: try object.string("path"), online: try object.strings("online") ?? [],
                offline: try object.strings("offline") ?? [], always: try object.string("always"),
                deliver: try object.bool("deliver"))
        }

        private enum CodingKeys: String, CodingKey { case path, online, offline, always, deliver }

        package init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            self.init(
                path: try values.decodeIfPresent(String.self, forKey: .path),
                online: try values.decodeIfPresent([String].self, forKey: .online) ?? [],
                offline: try values.decodeIfPresent([String].self, forKey: .offline) ?? [],
                always: try values.decodeIfPresent(String.self, forKey: .always),
                deliver: try values.decodeIfPresent(Bool.self, forKey: .deliver))
        }
    }

    let isDelivered: Bool
    /// What every message says; nil if their payloads do.
    let always: Bool?
    private let path: JSONPath?
    private let values: [ExactText: Bool]

    /// The most values of each kind, and how long one may be, in code points.
    package static let mostValues = 20
    package static let longestValue = 128

    /// - Parameter path: where it stands in a body, for what is said of its fields.
    init(_ draft: Draft, at path: String) throws(InvalidField) {
        self.isDelivered = draft.deliver ?? true
        var place: JSONPath?
        if let text = draft.path {
            guard let read = JSONPath(text), !read.steps.isEmpty else {
                throw InvalidField("\(path).path", "must be a path such as data.state")
            }
            place = read
        }
        self.path = place
        if let always = draft.always {
            guard let isConnected = ["online": true, "offline": false][always] else {
                throw InvalidField("\(path).always", "must be online or offline")
            }
            guard draft.path == nil, draft.online.isEmpty, draft.offline.isEmpty else {
                throw InvalidField("\(path).always", "leaves nothing for path, online and offline to say")
            }
            (self.always, self.values) = (isConnected, [:])
            return
        }
        guard !draft.online.isEmpty || !draft.offline.isEmpty else {
            throw InvalidField(
                "\(path).online", "or offline must hold a value by which it is told, unless always says it")
        }
        var values: [ExactText: Bool] = [:]
        for (name, texts, isConnected) in [("online", draft.online, true), ("offline", draft.offline, false)] {
            guard texts.count <= Self.mostValues else {
                throw InvalidField("\(path).\(name)", "must hold at most \(Self.mostValues) values")
            }
            for (index, text) in texts.enumerated() {
                let field = "\(path).\(name)[\(index)]"
                guard !text.isEmpty, text.unicodeScalars.count <= Self.longestValue, !text.utf8.contains(0) else {
                    throw InvalidField(field, "must be a text of 1 to \(Self.longestValue) characters")
                }
                guard values.updateValue(isConnected, forKey: ExactText(text)) == nil else {
                    throw InvalidField(field, "stands there twice")
                }
            }
        }
        (self.always, self.values) = (nil, values)
    }

    /// Whether the thing is connected, as a payload says; nil if it says neither.
    ///
    /// A value is what a JSON text says, or another scalar as it is written. A payload that is no JSON is a text, and is taken as a
    /// whole whatever the path: some systems write the same state in two ways.
    func isConnected(by payload: [UInt8]) -> Bool? {
        if let always { return always }
        if let json = RawJSON(payload: payload) { return self.isConnected(by: json) }
        let text = payload[RawJSON.textRange(of: payload)]
        return text.count <= Self.longestValue * 4 ? self.values[ExactText(String(decoding: text, as: UTF8.self))] : nil
    }

    /// The same where the payload is read already.
    func isConnected(by json: RawJSON) -> Bool? {
        if let always { return always }
        var value = json
        if let path, json.kind == .object || json.kind == .array {
            guard let found = json.value(at: path) else { return nil }
            value = found
        }
        // A text may be escaped, at twelve bytes for one character beyond the first plane.
        guard value.text.count <= Self.longestValue * 12 + 2 else { return nil }
        switch value.kind {
        case .object, .array: return nil
        case .string: return value.string.flatMap { self.values[ExactText($0)] }
        case .number, .bool, .null: return self.values[ExactText(String(decoding: value.text, as: UTF8.self))]
        }
    }
}
