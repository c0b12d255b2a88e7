internal import Domain
internal import NIOCore
internal import WebhookClient

/// One delivery being tried, or several in one request: what is on the wire, and what comes of it.
///
/// It lives on its lane's event loop, and only while the attempt is under way.
final class Attempt: PendingRequest {
    let delivery: Delivery
    /// What goes along in the same request.
    let others: [Delivery]
    let startedAt: NIODeadline
    /// Microseconds since 1970, for the log and the `webhook-timestamp`.
    let startedAtWall: Int64
    /// The webhook as it is now, which may be newer than when the message came in.
    let target: WebhookTarget
    /// nil if it is the webhook's plain one: the same head, and the payload.
    let request: RenderedRequest?
    /// Where it is not always the same.
    var authorization: String?
    /// Whether a token that was refused has been replaced already.
    var hasRefreshed = false
    private let lane: Lane

    init(
        _ delivery: Delivery, with others: [Delivery] = [], request: RenderedRequest?, target: WebhookTarget,
        authorization: String?, lane: Lane, now: NIODeadline, wallNow: Int64
    ) {
        self.delivery = delivery
        self.others = others
        self.request = request
        self.target = target
        self.authorization = authorization
        self.lane = lane
        self.startedAt = now
        self.startedAtWall = wallNow
    }

    /// The `webhook-id`. Of several messages it is made of all of them, so that a receiver that has seen it has seen them.
    private var id: String {
        self.others.isEmpty
            ? self.delivery.id.text
            : BundleID.text(self.delivery.webhook.key, [self.delivery.message.id] + self.others.map(\.message.id))
    }

    func encode(into buffer: inout ByteBuffer) {
        if let request {
            buffer.writeRequest(
                request, about: self.delivery.message, id: self.id, to: self.target, at: self.startedAtWall,
                authorization: self.authorization)
        } else {
            buffer.writeRequest(
                of: self.delivery, to: self.target, at: self.startedAtWall, authorization: self.authorization)
        }
    }

    func ended(_ outcome: Outcome) {
        self.lane.ended(self, outcome)
    }
}
