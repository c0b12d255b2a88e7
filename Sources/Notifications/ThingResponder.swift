internal import DequeModule
package import Domain
package import Logging
internal import MQTT
package import Observability
internal import ServiceLifecycle
internal import Synchronization

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Tells things what receivers answered, below `things/<thing_id>/responses/`.
///
/// A thing that answers an answer with another message would go on for ever: each gets so many a second of each webhook
/// and no more. What is too much is dropped and counted; a delivery does not wait for it.
package final class ThingResponder: Service {
    private struct Key: Hashable {
        let thing: EntityID
        let webhook: EntityID
    }

    private struct State {
        var queue: Deque<ThingResponse> = []
        var buckets: [Key: TokenBucket] = [:]
    }

    private static let rate = RateLimit(perSecond: 5, burst: 20)
    private static let mostQueued = 2_000
    private static let mostBuckets = 20_000

    private let messenger: BrokerMessenger
    private let isOf: @Sendable (_ thing: EntityID, _ group: EntityID) async throws -> Bool
    private let metrics: Metrics
    private let logger: Logger
    private let log: RateLimitedLog
    private let monotonicNow: @Sendable () -> Int64
    private let state = Mutex(State())
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - isOf: whether a thing is in a group now.
    ///   - monotonicNow: nanoseconds of a monotonic clock.
    package init(
        messenger: BrokerMessenger, isOf: @escaping @Sendable (EntityID, EntityID) async throws -> Bool,
        metrics: Metrics, monotonicNow: @escaping @Sendable () -> Int64, logger: Logger
    ) {
        self.messenger = messenger
        self.isOf = isOf
        self.metrics = metrics
        self.monotonicNow = monotonicNow
        self.logger = logger
        self.log = RateLimitedLog(logger: logger)
        // One signal is as good as many: who hears it takes all there is.
        (self.signals, self.signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    package func respond(_ response: ThingResponse) {
        let now = self.monotonicNow()
        let key = Key(thing: response.thing, webhook: response.webhook)
        let isTaken = self.state.withLock { state in
            if state.buckets.count >= Self.mostBuckets { state.buckets = [:] }
            var bucket = state.buckets[key] ?? TokenBucket(Self.rate, now: now)
            defer { state.buckets[key] = bucket }
            guard state.queue.count < Self.mostQueued, bucket.take(now: now) == nil else { return false }
            state.queue.append(response)
            return true
        }
        if isTaken { self.signal.yield() } else { self.metrics.droppedResponses.add() }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                group.addTask {
                    // Without work the connection needs a look now and then.
                    await Periodic(
                        every: .seconds(5), orSay: "the connection for answers and notices is gone", logger: self.logger
                    )
                    .run { try await self.messenger.keepAlive() }
                }
                for await _ in self.signals {
                    while let response = self.state.withLock({ $0.queue.popFirst() }) { await self.publish(response) }
                    if Task.isCancelled { break }
                }
                group.cancelAll()
            }
        }
        await self.messenger.disconnect()
    }

    private func publish(_ response: ThingResponse) async {
        guard let topic = response.topic, Self.refusal(of: response) == nil else {
            self.metrics.droppedResponses.add()
            let reason = Self.refusal(of: response) ?? ""
            return self.log.warning(
                "untold", "a thing is not told an answer",
                metadata: ["reason": "\(reason)", "webhook": "\(response.webhook)", "thing": "\(response.thing)"])
        }
        do {
            // What it sent is the former group's, and so is who answers it. The thing is not.
            guard try await self.isOf(response.thing, response.group) else {
                self.metrics.droppedResponses.add()
                return self.log.warning(
                    "left", "a thing is not told an answer",
                    metadata: [
                        "reason": "it has left the group", "webhook": "\(response.webhook)",
                        "thing": "\(response.thing)",
                    ])
            }
            try await self.messenger.publish(
                Publication(
                    response.format == .raw ? response.body : Self.payload(of: response), to: topic.text,
                    qos: response.qos, isRetained: response.isRetained,
                    properties: Self.properties(of: response)))
            self.metrics.responses.add()
        } catch {
            self.metrics.droppedResponses.add()
            self.log.warning("respond", "a thing cannot be told an answer", metadata: ["error": "\(error)"])
        }
    }

    /// Why the thing is not told; nil if it is.
    static func refusal(of response: ThingResponse) -> String? {
        guard response.topic != nil else {
            return response.isAsked
                ? "its response topic is none of the thing's own" : "its subtopic makes no topic to publish on"
        }
        guard response.format == .raw else { return nil }
        // A part of what is read as it is would be taken for the whole, and what is packed for what is in it.
        return response.isCut ? "it is longer than RESPOND_LARGEST_BODY" : response.fault?.untold
    }

    /// What is kept for a time the broker forgets by itself (MQTT 5, section 3.3.2.3.3).
    static func properties(of response: ThingResponse) -> Publication.Properties? {
        guard response.correlationData != nil || response.keptFor != nil else { return nil }
        var properties = Publication.Properties(correlationData: response.correlationData ?? [])
        properties.expiry = response.keptFor
        return properties
    }

    private struct Payload: Encodable {
        let trigger_id: String
        let webhook_id: String
        let status: Int?
        let error: String?
        /// The body if it is text…
        let body: String?
        /// …and otherwise in base64.
        let body_base64: String?
    }

    static func payload(of response: ThingResponse) throws -> [UInt8] {
        let text = String(validating: response.body, as: UTF8.self)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(
            try encoder.encode(
                Payload(
                    trigger_id: response.delivery.text, webhook_id: response.webhook.description,
                    status: response.status, error: response.error, body: text,
                    body_base64: text == nil ? Base64.encode(response.body) : nil)))
    }
}
