package import Domain
internal import Journal
internal import Queue
package import Schema
internal import Values

/// Puts together why a message of a thing goes to the webhooks of its group, or does not: one explanation for the API, the
/// console and `hookline why`.
package struct Explainer: Sendable {
    private let messages: MessageStore
    private let memory: ConditionMemoryStore
    private let alarms: AlarmStore
    private let thinned: ThinnedThingStore
    private let wallClock: WallClock
    private let standings: StandingStore
    private let scene: @Sendable (EntityID) async throws -> ThingScene?
    private let gate: (@Sendable (WebhookKey) async -> GateStanding)?
    private let largestPayload: Int

    /// How many webhooks are explained at a time.
    package static let most = StandingStore.most

    /// - Parameters:
    ///   - scene: what a thing's messages meet.
    ///   - gate: how the way to a webhook's receiver stands; nil where nothing is sent from.
    ///   - largestPayload: that is taken, in bytes.
    package init(
        _ database: Database, wallClock: WallClock, largestPayload: Int,
        scene: @escaping @Sendable (EntityID) async throws -> ThingScene?,
        gate: (@Sendable (WebhookKey) async -> GateStanding)?
    ) {
        self.messages = MessageStore(database)
        self.memory = ConditionMemoryStore(database)
        self.alarms = AlarmStore(database)
        self.thinned = ThinnedThingStore(database)
        self.wallClock = wallClock
        self.standings = StandingStore(database)
        self.scene = scene
        self.gate = gate
        self.largestPayload = largestPayload
    }

    package struct Answer: Sendable {
        package let message: ExplainedMessage
        /// The one that is kept, if it was asked about.
        package let kept: Message?
        package let explanation: Explanation
        package let names: [WebhookKey: String]
        /// How many webhooks the group has; more than are explained perhaps.
        package let total: Int
    }

    /// - Parameters:
    ///   - group: in which alone the thing is looked at; nil is the one that it is in.
    ///   - payload: nil asks about the newest message that is kept, of the subtopic if there is one.
    ///   - isWritten: whether the payload is given as JSON or text.
    ///   - webhook: asks about it alone.
    package func explain(
        _ thing: EntityID, in group: EntityID? = nil, subtopic: String?, payload: [UInt8]?, isWritten: Bool = false,
        webhook: EntityID? = nil
    ) async throws -> Answer {
        var scene = try await self.scene(thing)
        if let group, scene?.group != group { scene = nil }
        var kept: Message?
        if payload == nil, let scene {
            kept = try await self.messages.list(
                of: thing, in: scene.group, from: nil, to: nil, subtopic: subtopic, start: PageStart(), limit: 1
            ).items.first
        }
        let origin: ExplainedMessage.Origin =
            payload != nil ? .given : kept.map { .kept(at: $0.id.time) } ?? .missing
        let message = ExplainedMessage(
            thing: thing, subtopic: subtopic ?? kept?.subtopic ?? "", payload: payload ?? kept?.payload,
            properties: kept?.properties, origin: origin, isWritten: isWritten)
        let remembering = scene?.webhooks.filter { $0.conditions?.remembers == true } ?? []
        let memory = try await self.memory.memory(of: Set(remembering.map { $0.subject(thing) }))
        let alarms = try await self.alarms(of: thing, at: scene?.webhooks ?? [])
        let thinning = scene?.webhooks.filter { $0.thinning != nil } ?? []
        let thinned = try await self.thinned.things(Set(thinning.map { $0.subject(thing) }))
        // All of this thing.
        let remembered = Dictionary(uniqueKeysWithValues: memory.map { ($0.webhook, $1) })
        let sent = Dictionary(uniqueKeysWithValues: thinned.map { ($0.webhook, $1.memory) })
        let routed = Explanation(
            of: message, in: scene, largestPayload: self.largestPayload, now: self.wallClock.now,
            alarm: { $0.alarm(of: thing, among: alarms) },
            memory: { remembered[$0] ?? [:] }, thinned: { sent[$0] ?? Thinning.Memory() })
        let wanted = routed.webhooks.map(\.target).filter { webhook == nil || $0.id == webhook }.prefix(Self.most)
        let standings = try await self.standings.standings(of: wanted.map(\.key), thing: thing)
        var gates: [WebhookKey: GateStanding] = [:]
        if let gate { for target in wanted { gates[target.key] = await gate(target.key) } }
        return Answer(
            message: message, kept: kept, explanation: routed.with(standings, gates: gates),
            names: standings.mapValues(\.name), total: scene?.webhooks.count ?? 0)
    }

    /// What makes JSON of the payloads of a thing; nil if nothing has to, or if there is no such thing in the group.
    func decoder(of thing: EntityID, in group: EntityID) async throws -> PayloadDecoder? {
        guard let scene = try await self.scene(thing), scene.group == group else { return nil }
        return scene.profile.decoder
    }

    /// Why a message that a webhook is tried with would not come to it; nil if it would.
    func obstacle(of message: Message, to webhook: WebhookTarget) async throws -> String? {
        var scene = message.hasThing ? try await self.scene(message.thing) : nil
        if scene?.group != webhook.group { scene = nil }
        var memory: ConditionMemory = [:]
        let subject = webhook.subject(message.thing)
        if webhook.conditions?.remembers == true { memory = try await self.memory.memory(of: [subject]) }
        let alarms = try await self.alarms(of: message.thing, at: [webhook])
        let thinned = try await self.thinned.things(webhook.thinning == nil ? [] : [subject])
        return TestedMessage.obstacle(
            of: message, to: webhook, in: scene, memory: memory[subject] ?? [:],
            alarm: webhook.alarm(of: message.thing, among: alarms),
            thinned: thinned[subject]?.memory ?? Thinning.Memory())
    }

    private func alarms(of thing: EntityID, at webhooks: [WebhookTarget]) async throws -> AlarmMemory {
        try await self.alarms.memory(
            of: Set(webhooks.filter { $0.conditions?.edge != nil }.map { $0.subject(thing) }))
    }
}
