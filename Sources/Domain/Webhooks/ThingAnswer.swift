/// How a thing is told what the receiver answered: what `respond` says beyond true.
package struct ThingAnswer: Sendable, Equatable, Codable {
    package enum Format: String, Sendable, Codable, CaseIterable {
        /// A JSON object with status, body, and what it is about.
        case json
        /// The body's bytes and nothing else, for devices that read no JSON in JSON.
        case raw
    }

    package enum Occasion: String, Sendable, Codable, CaseIterable {
        /// Whatever became of the message.
        case always
        /// Only if the receiver has taken it.
        case success
    }

    /// Where an answer goes.
    package enum Destination: String, Sendable, Codable, CaseIterable {
        /// Where the webhook says.
        case topic
        /// Where the message asks for it, with its correlation data; where the webhook says if it asks nothing.
        case responseTopic = "response_topic"
    }

    /// Levels below the thing's own responses (``ResponseTopic``); nil is the webhook's id.
    package let topic: String?
    package let format: Format
    package let occasion: Occasion
    /// 0 to 2.
    package let qos: Int
    /// Whether the broker keeps it for who subscribes later.
    package let isRetained: Bool
    /// For how many seconds the broker keeps it; nil is for ever, if it is retained at all.
    package let keptFor: Int64?
    /// nil is the webhook's topic.
    package let destination: Destination?

    package static let keepings: ClosedRange<Int64> = 1...30 * 86_400

    package init(
        topic: String? = nil, format: Format = .json, occasion: Occasion = .always, qos: Int = 1,
        isRetained: Bool = false, keptFor: Int64? = nil, to destination: Destination? = nil
    ) {
        self.keptFor = keptFor
        self.destination = destination == .topic ? nil : destination
        self.topic = topic
        self.format = format
        self.occasion = occasion
        self.qos = qos
        self.isRetained = isRetained
    }

    static let form = Form.either(
        .flag,
        .object([
            .init("topic", .text(1...ResponseTopic.longest)), .init("format", .choice(of: Format.self)),
            .init("on", .choice(of: Occasion.self)), .init("qos", .integer(0...2)), .init("retain", .flag),
            .init("keep_for", .integer(keepings)), .init("to", .choice(of: Destination.self)),
        ]))

    /// Who reads bytes alone cannot tell a failure from what was asked for, unless that is wanted.
    init(_ fields: JSONObject) throws(InvalidField) {
        let format: Format = try fields.choice("format") ?? .json
        self.init(
            topic: try fields.string("topic"), format: format,
            occasion: try fields.choice("on") ?? (format == .raw ? .success : .always),
            qos: Int(clamping: try fields.integer("qos") ?? 1), isRetained: try fields.bool("retain") ?? false,
            keptFor: try fields.integer("keep_for"), to: try fields.choice("to"))
    }

    var json: JSONValue {
        var fields: JSONFields = [
            "format": .string(self.format.rawValue), "on": .string(self.occasion.rawValue),
            "qos": .integer(Int64(self.qos)), "retain": .bool(self.isRetained),
        ]
        if let topic { fields["topic"] = .string(topic) }
        if let keptFor { fields["keep_for"] = .integer(keptFor) }
        if let destination { fields["to"] = .string(destination.rawValue) }
        return .object(fields)
    }

    func check() throws(InvalidField) {
        guard (0...2).contains(self.qos) else { throw InvalidField("respond.qos", "must be 0, 1 or 2") }
        if let keptFor, !Self.keepings.contains(keptFor) {
            throw InvalidField(
                "respond.keep_for",
                "must be a number from \(Self.keepings.lowerBound) to \(Self.keepings.upperBound)")
        }
        if let topic, let fault = ResponseTopic.fault(of: topic) { throw InvalidField("respond.topic", fault) }
    }
}

/// Whether a thing is told, and how: what `respond` says.
struct Responding: Sendable, Equatable {
    var isWanted: Bool
    var answer: ThingAnswer
}

extension FieldKind where Value == Responding {
    static var responding: FieldKind {
        FieldKind(
            ThingAnswer.form,
            read: { (object, name) throws(InvalidField) in
                guard case .object? = object.fields[name], let fields = try object.object(name) else {
                    return try object.bool(name).map { Responding(isWanted: $0, answer: ThingAnswer()) }
                }
                return Responding(isWanted: true, answer: try ThingAnswer(fields))
            },
            write: { responding in
                responding.answer == ThingAnswer() ? .bool(responding.isWanted) : responding.answer.json
            },
            check: { (responding, _) throws(InvalidField) in try responding.answer.check() })
    }
}
