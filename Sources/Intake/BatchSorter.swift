internal import Domain
internal import Journal
internal import MQTT
internal import Observability
internal import Queue
internal import Registry
internal import Values

/// What a batch comes to.
struct SortedBatch {
    /// To be committed: those to keep, and those with deliveries.
    var messages: [Message] = []
    var deliveries: [Delivery] = []
    /// Known things' messages that nobody wants.
    var unrouted = 0
    /// Messages that go to no webhook, whether they are kept or not.
    var unforwarded: [UnforwardedReason: Int] = [:]
    var refused: [RefusalReason: Int] = [:]
    /// A topic for each reason, for the log.
    var examples: [RefusalReason: String] = [:]
    /// What is wrong with one of those of which no JSON can be made and that are refused for that.
    var whyUndecoded: String?
    /// Messages that conditions found no JSON in, and that are delivered as they are where there are none.
    var undecoded: [PayloadFormat: Int] = [:]
    var unknownThings: Set<EntityID> = []
    /// Things that rules found and that are not known by what they are called, with how many messages of theirs there are.
    var unknownNames: [ThingName: Int] = [:]
    /// What rules made nothing of.
    var ruleRefusals: [TopicRefusals.Subject: TopicRefusals.Count] = [:]
    /// How many messages there are, what came in one for several things counted for each.
    var count = 0
    /// Messages that came by another subscription too.
    var repeated = 0
    /// By the first level of the topic, messages that no rule is for.
    var untaken: [String: Int] = [:]
    /// Deliveries that are not made because a webhook's conditions are not met.
    var skips: [Skip] = []
    /// How many of these because the conditions would have cost too much.
    var tooCostly = 0
    /// What conditions compare with and was not at hand: the batch has to be sorted again with it.
    var missingMemory: Set<ConditionSubject> = []
    /// What conditions are to remember from now on.
    var memory: ConditionMemory = [:]
    /// The same where conditions have an edge.
    var missingAlarms: Set<ConditionSubject> = []
    var alarms: AlarmMemory = [:]
    /// What changed of them, in the order of the messages.
    var alarmChanges: [AlarmChange] = []
    /// The same for webhooks that leave out messages by what their things sent before.
    var missingThings: Set<ConditionSubject> = []
    var thinning = BatchThinning()
    /// Things of which no message was seen before.
    var newThings: Set<EntityID> = []
    /// What rules tell of whether things are connected: of each the last of the batch, so that one that comes and goes is told of
    /// once at the most.
    var presence: [EntityID: PresenceTold] = [:]
    /// When things were heard of whose silence matters, in milliseconds since 1970.
    var heard: [EntityID: Int64] = [:]
    /// In which minute since 1970 it was.
    var minute: UInt32 = 0
    /// Things of which no message was noted in that minute, in milliseconds since 1970.
    var seen: [EntityID: Int64] = [:]
    /// The last message of each group, whether anybody wants it or not: a group's first webhook is tried with it.
    var newest: [EntityID: Message] = [:]
    /// Properties of messages that were over the bounds.
    var leftOutProperties = 0
    /// How many messages came in of each group's things.
    var received: [EntityID: Int] = [:]
}

/// Messages of one group, one after the other. Most come so, and then there is nothing to look up for each.
private struct GroupRun {
    let group: EntityID
    var count = 0
    var newest: Message?

    func close(into sorted: inout SortedBatch) {
        sorted.received[self.group, default: 0] += self.count
        if let newest { sorted.newest[self.group] = newest }
    }
}

/// Decides what each message of a batch is and where it goes. Without I/O, and without a query per message.
struct BatchSorter: Sendable {
    private let ids: MessageIDGenerator
    private let largestPayload: Int

    init(ids: MessageIDGenerator, largestPayload: Int) {
        self.ids = ids
        self.largestPayload = largestPayload
    }

    /// - Parameters:
    ///   - memory: what conditions compare with; nil if it has not been read.
    ///   - alarms: what is known where they have an edge; read together with `memory`.
    ///   - things: what is remembered where messages are left out; the same.
    ///   - rules: looked at for messages that are not below `things/`, and only if there are any.
    ///   - resolve: asked once for the things of all messages. What it answers is looked at beside the routes, so that what
    ///     conditions cost holds up nobody else who asks for a route.
    func sort(
        _ batch: Batch, memory: ConditionMemory? = nil, alarms: AlarmMemory = [:], things: ThinnedThings = [:],
        rules: () -> RuleSorter = { .none },
        resolve: ([EntityID]) -> [Routes.Resolution?]
    ) -> SortedBatch {
        var sorted = SortedBatch()
        sorted.memory = memory ?? [:]
        sorted.alarms = alarms
        sorted.thinning = BatchThinning(things)
        sorted.count = batch.messages.count
        sorted.messages.reserveCapacity(batch.messages.count)
        sorted.deliveries.reserveCapacity(batch.messages.count)
        let ids = self.ids.next(batch.messages.count)
        sorted.minute = UInt32(clamping: (ids.first?.millisecondsSince1970 ?? 0) / 60_000)
        let now = monotonicNanoseconds()
        var run: GroupRun?
        var others: [ReceivedMessage] = []
        let admitted = self.admit(batch, ids: ids, leaving: &others, in: &sorted)
        for ((received, id, topic), route) in zip(admitted, resolve(admitted.map(\.topic.thing))) {
            guard let route else {
                sorted.unknownThings.insert(topic.thing)
                Self.refuse(received, .unknownThing, in: &sorted)
                continue
            }
            let message = received.message(
                id, of: topic.thing, on: topic.subtopic, received.payload, by: route, at: now,
                noting: &sorted.leftOutProperties)
            self.take(message, by: route, hasMemory: memory != nil, run: &run, in: &sorted)
        }
        if !others.isEmpty {
            let time = ids.first?.time ?? .first
            let found = rules().find(others, largestPayload: self.largestPayload, at: time, in: &sorted)
            for ((received, part, thing, route), id) in zip(found, self.ids.next(found.count)) {
                if let isConnected = part.isConnected {
                    sorted.presence[thing] = PresenceTold(
                        isConnected: isConnected, at: id.time, isRetained: received.isRetained)
                }
                guard part.isDelivered else { continue }
                let message = received.message(
                    id, of: thing, on: part.subtopic, part.payload,
                    isMadeJSON: part.isJSON(beside: route.profile.decoder), by: route, at: now,
                    noting: &sorted.leftOutProperties)
                self.take(message, by: route, hasMemory: memory != nil, run: &run, in: &sorted)
            }
        }
        run?.close(into: &sorted)
        sorted.thinning.drop(
            from: &sorted.messages, deliveries: sorted.deliveries, keeping: sorted.alarmChanges.lazy.map(\.message.id))
        return sorted
    }

    /// What becomes of a message of a known thing.
    @inline(__always)
    private func take(
        _ message: Message, by route: Routes.Resolution, hasMemory: Bool, run: inout GroupRun?,
        in sorted: inout SortedBatch
    ) {
        var payload: PayloadIndex?
        if route.profile.refusesUndecoded {
            let index = PayloadIndex(of: message, paths: route.conditionPaths)
            guard index.json != nil else { return Self.refuse(message, index, in: &sorted) }
            payload = index
        }
        if run?.group != route.group {
            run?.close(into: &sorted)
            run = GroupRun(group: route.group)
        }
        run?.count += 1
        if !route.hasSent { sorted.newThings.insert(message.thing) }
        if route.seen != sorted.minute { sorted.seen[message.thing] = message.id.millisecondsSince1970 }
        if route.isWatched { sorted.heard[message.thing] = message.id.millisecondsSince1970 }
        run?.newest = message
        if route.webhooks.isEmpty {
            sorted.unforwarded[route.profile.webhook ? .noWebhook : .profile, default: 0] += 1
        }
        guard route.profile.write || !route.webhooks.isEmpty else {
            sorted.unrouted += 1
            return
        }
        let changes = sorted.alarmChanges.count
        let isForwarded = self.route(message, payload, by: route, hasMemory: hasMemory, in: &sorted)
        if !isForwarded, !route.webhooks.isEmpty { sorted.unforwarded[.filtered, default: 0] += 1 }
        // What changes an alarm is written with it, so that it is known whether it was.
        if message.isKept || isForwarded || sorted.alarmChanges.count > changes { sorted.messages.append(message) }
    }

    /// What is well formed, whoever it is of.
    ///
    /// - Parameter others: what is not below `things/`.
    private func admit(
        _ batch: Batch, ids: [MessageID], leaving others: inout [ReceivedMessage], in sorted: inout SortedBatch
    ) -> [(received: ReceivedMessage, id: MessageID, topic: ThingTopic)] {
        var admitted: [(received: ReceivedMessage, id: MessageID, topic: ThingTopic)] = []
        admitted.reserveCapacity(batch.messages.count)
        for (received, id) in zip(batch.messages, ids) {
            do throws(ThingTopic.Refusal) {
                let topic = try ThingTopic(received.topic)
                guard received.payload.count <= self.largestPayload else {
                    Self.refuse(received, .payloadTooLarge, in: &sorted)
                    continue
                }
                admitted.append((received, id, topic))
            } catch {
                if error == .notAThings {
                    others.append(received)
                } else {
                    Self.refuse(received, RefusalReason(error), in: &sorted)
                }
            }
        }
        return admitted
    }

    /// Makes the deliveries of a message: to the webhooks whose trigger it is and whose conditions it meets.
    ///
    /// - Parameter payload: nil if it was not gone over yet.
    /// - Returns: whether there are any, be it later.
    private func route(
        _ message: Message, _ payload: PayloadIndex?, by route: Routes.Resolution, hasMemory: Bool,
        in sorted: inout SortedBatch
    ) -> Bool {
        let before = sorted.deliveries.count
        var isLater = false
        var payload = payload
        var budget = EvaluationBudget(for: route.conditionPaths)
        for webhook in route.webhooks {
            if webhook.takesAllMessages {
                sorted.deliveries.append(Delivery(message: message, webhook: webhook))
                continue
            }
            if !webhook.filter.isOpen,
                !webhook.filter.admits(thing: message.thing, route.traits, subtopic: message.subtopic)
            {
                continue
            }
            if webhook.payloadFilter != nil, payload == nil { payload = Self.index(message, by: route, in: &sorted) }
            if let filter = webhook.payloadFilter, let index = payload {
                switch filter.verdict(on: index, budget: &budget) {
                case .admits: break
                case .lacksPaths, .isOf: continue
                case .isTooCostly:
                    sorted.tooCostly += 1
                    Self.skip(message, at: webhook, because: EvaluationBudget.tooCostly, in: &sorted)
                    continue
                }
            }
            if !hasMemory, webhook.remembers {
                Self.miss(webhook.subject(message.thing), of: webhook, in: &sorted)
                continue
            }
            // Gone over once, for all of the group's webhooks.
            if payload == nil, webhook.conditions != nil || webhook.thinning != nil {
                payload = Self.index(message, by: route, in: &sorted)
            }
            if let index = payload, let conditions = webhook.conditions {
                let subject = webhook.subject(message.thing)
                let reason =
                    if let edge = conditions.edge {
                        Self.judge(message, conditions, edge, subject, index, budget: &budget, in: &sorted)
                    } else { Self.judge(conditions, subject, index, budget: &budget, in: &sorted) }
                if let reason {
                    Self.skip(message, at: webhook, because: reason, in: &sorted)
                    continue
                }
            }
            let delivery = Delivery(message: message, webhook: webhook)
            if let index = payload, let thinning = webhook.thinning {
                switch sorted.thinning.judge(delivery, thinning, index, &budget) {
                case .send: break
                case .later: isLater = true; continue
                case .leaveOut: continue
                }
            }
            sorted.deliveries.append(delivery)
        }
        return isLater || sorted.deliveries.count > before
    }

    private static func index(
        _ message: Message, by route: Routes.Resolution, in sorted: inout SortedBatch
    ) -> PayloadIndex {
        let index = PayloadIndex(of: message, paths: route.conditionPaths)
        if let failure = index.failure { sorted.undecoded[failure.format, default: 0] += 1 }
        return index
    }

    private static func skip(
        _ message: Message, at webhook: WebhookTarget, because reason: String, in sorted: inout SortedBatch
    ) {
        sorted.skips.append(
            Skip(
                delivery: DeliveryID(message: message.id, webhook: webhook.key), group: message.group,
                thing: message.thing, reason: reason, at: message.id.time))
    }

    private static func miss(_ subject: ConditionSubject, of webhook: WebhookTarget, in sorted: inout SortedBatch) {
        if webhook.conditions?.remembers == true { sorted.missingMemory.insert(subject) }
        if webhook.conditions?.edge != nil { sorted.missingAlarms.insert(subject) }
        if webhook.thinning != nil { sorted.missingThings.insert(subject) }
    }

    /// - Returns: why the webhook is not called; nil if it is.
    private static func judge(
        _ conditions: ConditionSet, _ subject: ConditionSubject, _ index: PayloadIndex,
        budget: inout EvaluationBudget, in sorted: inout SortedBatch
    ) -> String? {
        let outcome = conditions.evaluate(index, memory: sorted.memory[subject] ?? [:], budget: &budget)
        if conditions.remembers { sorted.memory[subject] = outcome.memory }
        if outcome.isTooCostly { sorted.tooCostly += 1 }
        return outcome.skip
    }

    /// The same by what is known of the thing, which the message may change.
    private static func judge(
        _ message: Message, _ conditions: ConditionSet, _ edge: EdgeRule, _ subject: ConditionSubject,
        _ index: PayloadIndex, budget: inout EvaluationBudget, in sorted: inout SortedBatch
    ) -> String? {
        let known = sorted.alarms[subject]
        let alarm = known?.mark == conditions.mark ? known?.alarm : nil
        let truth = conditions.truth(of: index, isHeld: alarm != nil, budget: &budget)
        if truth == .isTooCostly { sorted.tooCostly += 1 }
        let outcome = edge.outcome(of: truth, by: message.id, after: alarm)
        if outcome.alarm != known?.alarm {
            sorted.alarms[subject] = outcome.alarm.map { KnownAlarm($0, mark: conditions.mark) }
            sorted.alarmChanges.append(
                AlarmChange(
                    subject, by: message, before: known?.alarm.changed, after: outcome.alarm, mark: conditions.mark,
                    dueAt: outcome.alarm.flatMap { edge.dueAt($0) },
                    value: outcome.alarm == nil ? nil : conditions.found(in: index), crossing: outcome.crossing))
        }
        return outcome.skip
    }

    private static func refuse(_ message: Message, _ index: PayloadIndex, in sorted: inout SortedBatch) {
        sorted.refused[.undecoded, default: 0] += 1
        sorted.examples[.undecoded] = message.topic
        sorted.whyUndecoded = index.failure?.description ?? "it is no JSON"
    }

    static func refuse(_ received: ReceivedMessage, _ reason: RefusalReason, in sorted: inout SortedBatch) {
        sorted.refused[reason, default: 0] += 1
        sorted.examples[reason] = received.topic
    }
}

extension RefusalReason {
    fileprivate init(_ refusal: ThingTopic.Refusal) {
        switch refusal {
        case .notAThings: self = .topic
        case .badThingID: self = .thingID
        case .badSubtopic: self = .subtopic
        }
    }
}
