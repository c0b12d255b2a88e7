internal import Domain
internal import NIOCore
internal import WebhookClient

/// One delivery being tried: the request on the wire, and what comes of it.
///
/// It lives on its lane's event loop, and only while the attempt is under way.
final class Attempt: PendingRequest {
    let delivery: Delivery
    let startedAt: NIODeadline
    /// Microseconds since 1970, for the log and the `webhook-timestamp`.
    let startedAtWall: Int64
    /// The webhook as it is now, which may be newer than when the message came in.
    let target: WebhookTarget
    private let lane: Lane

    init(_ delivery: Delivery, target: WebhookTarget, lane: Lane, now: NIODeadline, wallNow: Int64) {
        self.delivery = delivery
        self.target = target
        self.lane = lane
        self.startedAt = now
        self.startedAtWall = wallNow
    }

    func encode(into buffer: inout ByteBuffer) {
        buffer.writeRequest(of: self.delivery, to: self.target, at: self.startedAtWall)
    }

    func ended(_ outcome: Outcome) {
        self.lane.ended(self, outcome)
    }
}
