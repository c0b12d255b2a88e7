package import Values

/// A message of a thing, for somebody who looks on.
package struct TailedMessage: Sendable {
    package let at: Instant
    package let subtopic: String
    /// The beginning of the payload…
    package let payload: [UInt8]
    /// …and the size of the whole of it.
    package let bytes: Int

    package init(at: Instant, subtopic: String, payload: [UInt8], bytes: Int) {
        self.at = at
        self.subtopic = subtopic
        self.payload = payload
        self.bytes = bytes
    }
}

/// What came of a thing since the batch before.
package struct TailBatch: Sendable {
    /// Whether listening has just begun.
    package var isConnected = false
    package var messages: [TailedMessage] = []
    /// How many more there were, too many to be looked at.
    package var dropped = 0

    package init() {}
}

/// The broker cannot be listened to.
package struct TailUnavailable: Error {
    package let reason: String

    package init(reason: String) {
        self.reason = reason
    }
}

/// Follows what a thing publishes, until told otherwise: the closure is called with what came, at least once a second, and
/// answers whether to go on.
///
/// - Throws: ``TailUnavailable``, or what the closure throws.
package typealias ThingTailing =
    @Sendable (EntityID, _ onBatch: (TailBatch) async throws -> Bool) async throws -> Void
