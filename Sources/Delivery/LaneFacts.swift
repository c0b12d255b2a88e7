internal import Domain
internal import NIOCore
internal import Queue
internal import WebhookClient

/// What a lane was told of the things that it is about to name. It asks for a few at a time, and uses what came for what it asked
/// for: however much others ask, it gets on.
struct LaneFacts {
    private(set) var isAsking = false
    /// Of the things of the next request.
    var atHand: [ThingFacts.Subject: ThingFacts] = [:]
    private var told: [ThingFacts.Subject: ThingFacts] = [:]
    private var goodUntil = NIODeadline.distantPast
    /// The newest of the messages that it asked for: what comes in later may be of a thing that has changed meanwhile.
    private var newest = MessageID(rawValue: 0)

    static let mostAtOnce = 256
    /// After that a thing may be called otherwise.
    private static let lifetime = TimeAmount.seconds(5)

    /// - Parameter messages: whose things it asks for.
    mutating func ask(for messages: some Sequence<Message>) {
        self.isAsking = true
        self.told = [:]
        self.newest = messages.lazy.map(\.id).max() ?? MessageID(rawValue: 0)
    }

    mutating func come(_ facts: [ThingFacts.Subject: ThingFacts], now: NIODeadline) {
        self.isAsking = false
        self.told = facts
        self.goodUntil = now + Self.lifetime
    }

    func of(
        _ message: Message, _ subject: ThingFacts.Subject, _ extent: ThingFacts.Extent, now: NIODeadline
    ) -> ThingFacts? {
        guard self.goodUntil > now, message.id <= self.newest, let facts = self.told[subject],
            facts.extent >= extent
        else { return nil }
        return facts
    }
}

extension Lane {
    /// What is at hand of a message's thing; nil if it has to be asked for.
    private func knownFacts(of message: Message, now: NIODeadline) -> ThingFacts? {
        guard message.hasThing else { return .unknown }
        // What was good when the lane began to stand in line is good until its turn is over: asking again would lose that.
        let (subject, extent) = (self.target.subject(of: message), self.target.extent)
        return self.dispatcher.ports.facts(subject, extent)
            ?? self.facts.of(message, subject, extent, now: self.pool.waitsSince ?? now)
    }

    /// Whether what the next request says of things is at hand. If not, it is asked for, and the lane goes on when it comes.
    func hasFacts(for first: Delivery, now: NIODeadline) -> Bool {
        guard self.target.needsFacts else { return true }
        let next = self.target.batching.map { self.queue.nextBatch($0.mostItems) } ?? [first]
        self.facts.atHand = [:]
        for message in next.lazy.map(\.message) {
            guard let facts = self.knownFacts(of: message, now: now) else {
                self.askForFacts(next)
                return false
            }
            self.facts.atHand[self.target.subject(of: message)] = facts
        }
        return true
    }

    private func askForFacts(_ next: [Delivery]) {
        guard !self.facts.isAsking else { return }
        let messages = (next + self.queue.nextBatch(LaneFacts.mostAtOnce)).map(\.message)
        self.facts.ask(for: messages)
        self.dispatcher.factsLine.ask(
            self.key, self.target.extent, Set(messages.filter(\.hasThing).map { self.target.subject(of: $0) }))
    }
}
