internal import Domain
internal import Hummingbird
internal import Registry

/// `/broker/topics`, what is published at all, and `/topic-presets`, what known systems publish.
struct BrokerRoutes: Sendable {
    let listen: BrokerListen
    let topics: @Sendable () -> TopicTable
    /// Each has a connection to the broker, which sends it all that there is.
    private let places = StreamPlaces(most: 2, ofAUser: 1, what: "looks at the broker")

    init(listen: @escaping BrokerListen, topics: @escaping @Sendable () -> TopicTable) {
        self.listen = listen
        self.topics = topics
    }

    func add(to routes: RouterGroup<APIContext>) {
        routes.get("broker/topics") { try await self.look($0, $1) }
        routes.get("topic-presets") { _, context in
            _ = try context.caller()
            return try Response.json(["presets": try TopicPreset.all().map(TopicPresetDTO.init)])
        }
    }

    /// What is on the broker is of all groups.
    private func look(_ request: Request, _ context: APIContext) async throws -> Response {
        let caller = try context.caller()
        guard caller.isRoot else {
            throw APIError(status: .forbidden, message: "what is on the broker is root's to see")
        }
        let seconds = try request.integer("seconds", in: 1...30) ?? 5
        let text = request.text("filter") ?? "#"
        guard let filter = TopicFilter(text) else {
            throw InvalidField("filter", "must be a topic filter such as zigbee2mqtt/#, which does not begin with $")
        }
        let place = try self.places.take(for: caller.account)
        defer { withExtendedLifetime(place) {} }
        let survey: TopicSurvey
        do { survey = try await self.listen(filter, .seconds(seconds)) } catch let error as BrokerNotHeard {
            throw APIError(error)
        }
        return try Response.json(BrokerTopicsDTO(survey, self.topics(), try TopicPreset.all()))
    }
}

extension APIError {
    init(_ error: BrokerNotHeard) {
        switch error {
        case .refused(let reason): self.init(status: .badGateway, message: reason)
        case .unavailable(let reason):
            self.init(
                status: .serviceUnavailable, message: "the broker cannot be listened to: \(reason)",
                headers: [.retryAfter: "5"])
        }
    }
}

struct BrokerTopicsDTO: Encodable {
    let messages: Int
    /// On topics that are not listed, of which there are too many.
    let messages_beyond: Int
    let topics: [Topic]

    struct Topic: Encodable {
        let topic: String
        let messages: Int
        let bytes: Int
        /// Whether the broker had kept one of them.
        let retained: Bool
        /// The beginning of the newest payload.
        let newest: BodyDTO
        let newest_is_cut: Bool
        /// Whose it is by now.
        let taken_by: Taker?
        let suggestion: SuggestionDTO?
    }

    struct Taker: Encodable {
        /// `things`, which needs no rule, or `rule`.
        let kind: String
        let group_id: String?
    }

    init(_ survey: TopicSurvey, _ table: TopicTable, _ presets: [TopicPreset]) {
        self.messages = survey.messages
        self.messages_beyond = survey.unseen
        let seen = survey.seen
        let suggestions = TopicSuggestions(seen.map(\.topic), presets: presets)
        self.topics = seen.map { seen in
            let taker = Self.taker(of: seen.topic, table)
            return Topic(
                topic: seen.topic, messages: seen.count, bytes: seen.bytes, retained: seen.isRetained,
                newest: BodyDTO(seen.sample), newest_is_cut: seen.sampleBytes > seen.sample.count,
                taken_by: taker, suggestion: taker == nil ? suggestions[seen.topic].map(SuggestionDTO.init) : nil)
        }
    }

    private static func taker(of topic: String, _ table: TopicTable) -> Taker? {
        if topic.utf8.starts(with: "things/".utf8) { return Taker(kind: "things", group_id: nil) }
        guard case .rules(let match) = table.find(topic) else { return nil }
        return Taker(kind: "rule", group_id: match.group.description)
    }
}

struct SuggestionDTO: Encodable {
    let preset: String?
    let allowed_topics: [String]
    let rule: TopicRuleDraftDTO

    init(_ suggestion: TopicSuggestion) {
        self.preset = suggestion.preset
        self.allowed_topics = suggestion.grants
        self.rule = TopicRuleDraftDTO(suggestion.rule)
    }
}

struct TopicPresetDTO: Encodable {
    let id: String
    let name: String
    let about: String
    let docs: String
    let allowed_topics: [String]
    let rules: [TopicRuleDraftDTO]

    init(_ preset: TopicPreset) {
        self.id = preset.id
        self.name = preset.name
        self.about = preset.about
        self.docs = preset.docs
        self.allowed_topics = preset.grants
        self.rules = preset.rules.map { TopicRuleDraftDTO($0.draft) }
    }
}

/// As `POST /groups/{id}/topic-rules` takes it.
struct TopicRuleDraftDTO: Encodable {
    let filter: String
    let subtopic: String?
    let retained: Bool?
    let presence: TopicPresenceDTO?

    init(_ draft: TopicRule.Draft) {
        self.filter = draft.filter
        self.subtopic = draft.subtopic
        self.retained = draft.retained ? true : nil
        self.presence = draft.presence.map(TopicPresenceDTO.init)
    }
}
