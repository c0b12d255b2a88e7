internal import Domain
internal import MQTT
internal import Observability

/// What a batch comes to.
struct SortedBatch {
    /// To be committed: those to keep, and those with deliveries.
    var messages: [Message] = []
    var deliveries: [Delivery] = []
    /// Known things' messages that nobody wants.
    var unrouted = 0
    var refused: [RefusalReason: Int] = [:]
    /// A topic for each reason, for the log.
    var examples: [RefusalReason: String] = [:]
    var unknownThings: Set<EntityID> = []
}

/// Decides what each message of a batch is and where it goes. Without I/O, and without a query per message.
struct BatchSorter: Sendable {
    private let ids: MessageIDGenerator
    private let largestPayload: Int

    init(ids: MessageIDGenerator, largestPayload: Int) {
        self.ids = ids
        self.largestPayload = largestPayload
    }

    func sort(_ batch: Batch, by routes: borrowing Routes) -> SortedBatch {
        var sorted = SortedBatch()
        sorted.messages.reserveCapacity(batch.messages.count)
        sorted.deliveries.reserveCapacity(batch.messages.count)
        let ids = self.ids.next(batch.messages.count)
        let now = monotonicNanoseconds()
        for (received, id) in zip(batch.messages, ids) {
            do throws(ThingTopic.Refusal) {
                let topic = try ThingTopic(received.topic)
                guard received.payload.count <= self.largestPayload else {
                    Self.refuse(received, .payloadTooLarge, in: &sorted)
                    continue
                }
                guard let route = routes.resolve(topic.thing) else {
                    sorted.unknownThings.insert(topic.thing)
                    Self.refuse(received, .unknownThing, in: &sorted)
                    continue
                }
                guard route.profile.write || !route.webhooks.isEmpty else {
                    sorted.unrouted += 1
                    continue
                }
                let message = Message(
                    id: id, thing: topic.thing, group: route.group, subtopic: topic.subtopic,
                    contentType: route.profile.contentType, payload: received.payload,
                    traceparent: TraceContext.checked(received.traceparent), isKept: route.profile.write,
                    receivedNanoseconds: now)
                sorted.messages.append(message)
                for webhook in route.webhooks {
                    sorted.deliveries.append(Delivery(message: message, webhook: webhook))
                }
            } catch {
                Self.refuse(received, RefusalReason(error), in: &sorted)
            }
        }
        return sorted
    }

    private static func refuse(_ received: ReceivedMessage, _ reason: RefusalReason, in sorted: inout SortedBatch) {
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
