package import Values

/// One publish of a thing, on its way, or something that happened to a thing or a member. The payload is kept and sent
/// exactly as it was published.
package final class Message: Sendable {
    package let id: MessageID
    package let thing: EntityID
    package let group: EntityID
    package let subtopic: String
    /// What the thing's profile said when the message came in.
    package let contentType: String
    package let payload: [UInt8]
    package let traceparent: String?
    /// Whether the message stays readable after its last delivery has ended (the profile's `write`).
    package let isKept: Bool
    /// When it was read from the broker, on the machine's monotonic clock in nanoseconds; nil if it was read back from
    /// the database. For the latency histogram.
    package let receivedNanoseconds: Int64?
    /// What happened, if this is no publish; the payload is then a JSON object that tells of it.
    package let event: TriggerKind?
    /// What the publish said of itself, as far as somebody may ask for it; nil for most.
    package let properties: MessageProperties?
    /// What makes JSON of the payload, as the thing's profile said when the message came in; nil for what is read as it is.
    package let decoder: PayloadDecoder?

    package init(
        id: MessageID, thing: EntityID, group: EntityID, subtopic: String, contentType: String, payload: [UInt8],
        traceparent: String?, isKept: Bool, receivedNanoseconds: Int64?, event: TriggerKind? = nil,
        decoder: PayloadDecoder? = nil, properties: MessageProperties? = nil
    ) {
        self.properties = properties
        self.decoder = decoder
        self.event = event
        self.id = id
        self.thing = thing
        self.group = group
        self.subtopic = subtopic
        self.contentType = contentType
        self.payload = payload
        self.traceparent = traceparent
        self.isKept = isKept
        self.receivedNanoseconds = receivedNanoseconds
    }

    /// What stands for the thing where there is none.
    package static let noThing = EntityID(high: 0, low: 0)
    package var hasThing: Bool { self.thing != Self.noThing }

    /// What it takes of memory, in bytes.
    package var size: Int { self.payload.count + (self.properties?.byteCount ?? 0) }

    /// Where it was published.
    package var topic: String {
        "things/\(self.thing)/messages\(self.subtopic.isEmpty ? "" : "/" + self.subtopic)"
    }
}

/// One message on its way to one webhook.
package struct Delivery: Sendable {
    package let message: Message
    package let webhook: WebhookTarget
    /// How many attempts were made before.
    package var attempts: Int32
    // Beside the attempts, where it takes no room.
    private var resentCode: Int32 = 0
    /// When it was replayed; its age counts from then.
    package var replayedAt: Instant?
    /// Whether this instance holds its lease, so that it goes out from memory. What does not fit is committed without
    /// one and claimed later.
    package var isLeased: Bool
    /// The row in which it stands with others; nil if it has one of its own.
    package var batch: DeliveryBatch?
    /// Those that were sent in one request and failed have the same, and are sent together again. One that a webhook with
    /// batches was sent alone has its own.
    package var bundle: MessageID?

    package init(
        message: Message, webhook: WebhookTarget, attempts: Int32 = 0, replayedAt: Instant? = nil,
        isLeased: Bool = false
    ) {
        self.message = message
        self.webhook = webhook
        self.attempts = attempts
        self.replayedAt = replayedAt
        self.isLeased = isLeased
    }

    /// The resend that it is of; nil if it is a message's own, be it replayed.
    package var resent: Resent? {
        get { Resent(code: self.resentCode) }
        set { self.resentCode = newValue?.code ?? 0 }
    }

    /// Where its age counts from.
    package var since: Instant { self.replayedAt ?? self.message.id.time }

    package var id: DeliveryID { DeliveryID(message: self.message.id, webhook: self.webhook.key) }
}

/// What identifies a delivery, and stays the same over all its attempts: the receiver sees it as `webhook-id`.
package struct DeliveryID: Hashable, Sendable {
    package let message: MessageID
    package let webhook: WebhookKey

    package init(message: MessageID, webhook: WebhookKey) {
        self.message = message
        self.webhook = webhook
    }

    /// `msg_<message>_<webhook>` in base 36: no dot, which Standard Webhooks forbids in an id.
    package var text: String {
        // "msg_", 13 digits of a 64-bit number, "_", 6 of a 32-bit one.
        String(unsafeUninitializedCapacity: 24) { text in
            var end = text.count
            func prepend(_ number: UInt64) {
                var rest = number
                repeat {
                    end -= 1
                    let digit = UInt8(truncatingIfNeeded: rest % 36)
                    text[end] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                    rest /= 36
                } while rest > 0
            }
            func prepend(_ prefix: StaticString) {
                prefix.withUTF8Buffer { bytes in
                    end -= bytes.count
                    for (offset, byte) in bytes.enumerated() { text[end + offset] = byte }
                }
            }
            prepend(UInt64(truncatingIfNeeded: self.webhook.rawValue))
            prepend("_")
            prepend(UInt64(bitPattern: self.message.rawValue))
            prepend("msg_")
            let count = text.count - end
            for index in 0..<count { text[index] = text[end + index] }
            return count
        }
    }

    /// - Parameter text: as a receiver has it; a resend may have put its number behind.
    package init?(_ text: String) {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 3 || parts.count == 4 && Int32(parts[3], radix: 36).map({ $0 > 0 }) == true,
            parts[0] == "msg", let message = Int64(parts[1], radix: 36),
            let webhook = Int32(parts[2], radix: 36), message >= 0, webhook >= 0
        else { return nil }
        self.init(message: MessageID(rawValue: message), webhook: WebhookKey(rawValue: webhook))
    }
}

/// What identifies several messages in one request: made of all of them, so that no other request has the same.
package enum BundleID {
    package static func text(_ webhook: WebhookKey, _ messages: [MessageID]) -> String {
        // FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), for telling apart what begins with the same message.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for message in messages {
            for shift in stride(from: 0, to: 64, by: 8) {
                hash = (hash ^ UInt64(truncatingIfNeeded: message.rawValue >> Int64(shift)) & 0xFF) &* 0x100_0000_01B3
            }
        }
        let first = messages.first.map { String($0.rawValue, radix: 36) } ?? "0"
        return "bat_\(first)_\(String(webhook.rawValue, radix: 36))_\(String(hash, radix: 36))"
    }
}

/// A webhook's number inside this installation: four bytes instead of sixteen in every row about it. Never shown.
package struct WebhookKey: RawRepresentable, Hashable, Sendable {
    package let rawValue: Int32
    package init(rawValue: Int32) { self.rawValue = rawValue }
}

/// What a receiver answered, for the thing whose message it was sent.
package struct ThingResponse: Sendable {
    package let thing: EntityID
    /// That the thing was in when it sent what is answered.
    package let group: EntityID
    package let webhook: EntityID
    package let delivery: DeliveryID
    /// nil if there was no answer, and then `error` says why.
    package let status: Int?
    package let error: String?
    package let body: [UInt8]
    /// nil if what the message carries makes none, or may not be answered on.
    package let topic: ResponseTopic?
    /// Whether the message says where.
    package let isAsked: Bool
    package let format: ThingAnswer.Format
    package let qos: Int
    package let isRetained: Bool
    /// For how many seconds; nil is for ever.
    package let keptFor: UInt32?
    /// Whether the body is longer than what things are told.
    package let isCut: Bool
    /// What is wrong with the body, if something is.
    package let fault: AnswerMeaning.BodyFault?
    /// What the thing's message wants back with the answer.
    package let correlationData: [UInt8]?

    /// - Parameters:
    ///   - subtopic: of the thing's message.
    ///   - asked: where the message wants to be answered; nil leaves it to the webhook.
    ///   - largest: how much of the body the thing is told, in bytes.
    package init(
        thing: EntityID, in group: EntityID, subtopic: String, webhook: EntityID, delivery: DeliveryID, status: Int?,
        error: String?, body: [UInt8], fault: AnswerMeaning.BodyFault? = nil, hasSucceeded: Bool,
        as answer: ThingAnswer = ThingAnswer(), asked: AskedAnswer? = nil, largest: Int = .max
    ) {
        self.isCut = body.count > largest
        self.fault = fault
        self.format = answer.format
        self.qos = answer.qos
        // What was asked for stays where it is kept until it is there anew.
        self.isRetained = (answer.isRetained || answer.keptFor != nil) && hasSucceeded
        self.keptFor = self.isRetained ? answer.keptFor.map { UInt32(clamping: $0) } : nil
        self.topic =
            if let asked { asked.topic } else {
                ResponseTopic(
                    of: thing, answer.topic,
                    ResponseTopic.Values(webhook: webhook, status: status, subtopic: subtopic, delivery: delivery))
            }
        self.isAsked = asked != nil
        self.correlationData = asked?.correlationData
        self.thing = thing
        self.group = group
        self.webhook = webhook
        self.delivery = delivery
        self.status = status
        self.error = error
        self.body = Array(body.prefix(largest))
    }
}

/// Takes answers for things. It does not wait: what is too much is dropped and counted.
package struct ResponsePort: Sendable {
    package let respond: @Sendable (ThingResponse) -> Void

    package init(respond: @escaping @Sendable (ThingResponse) -> Void) {
        self.respond = respond
    }
}

/// The time of day. Passed in, so that tests can stop it.
package struct WallClock: Sendable {
    /// Microseconds since 1970-01-01 UTC.
    package let microseconds: @Sendable () -> Int64
    /// How long it was from one time to another, without what the clock was set forward by; by this something may be given up for
    /// its age. nil while it is known that a clock is wrong.
    package let elapsed: @Sendable (_ start: Instant, _ end: Instant) -> Duration?

    package init(
        microseconds: @escaping @Sendable () -> Int64,
        elapsed: @escaping @Sendable (_ start: Instant, _ end: Instant) -> Duration? = { $1 - $0 }
    ) {
        self.microseconds = microseconds
        self.elapsed = elapsed
    }

    package var now: Instant { Instant(clampingMicroseconds: self.microseconds()) }
}
