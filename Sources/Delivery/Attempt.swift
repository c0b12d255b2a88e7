internal import Domain
internal import NIOCore
internal import Values
internal import WebhookClient

/// One delivery being tried, or several in one request: what is on the wire, and what comes of it.
///
/// It lives on its lane's event loop, and only while the attempt is under way.
final class Attempt: PendingRequest {
    let delivery: Delivery
    let startedAt: NIODeadline
    /// When its connection was there, which says more of the receiver than of the way to it.
    private(set) var sentAt: NIODeadline
    /// How many requests of the webhook were under way when it began, itself included.
    let level: Int
    /// For the log and the `webhook-timestamp`.
    let startedAtWall: Instant
    /// Of the webhook as it is now, which may be newer than when the message came in.
    private let requests: WebhookRequests
    /// nil if it is the webhook's plain request: the same head, and the payload.
    let special: Special?
    /// nil unless its trace is recorded.
    let trace: AttemptTrace?
    private let lane: Lane
    /// When the status was in, if the rest of the answer took its time.
    private(set) var answeredAt: NIODeadline?
    /// Where the receiver would have it go.
    private(set) var location: String?
    /// What is wrong with the answer's body, if something is.
    private(set) var bodyFault: AnswerMeaning.BodyFault?
    /// Of the last answer that was no success, or of any if ``wantsHeaders``.
    private(set) var headers: AnswerHeaders?
    /// Whether the thing's next delivery went out before the answer had come to its end.
    var hasPassedOn = false

    /// What few attempts have, apart, so that the others do not pay for it.
    final class Special {
        let first: MessageID
        /// What goes along in the same request.
        let others: [Delivery]
        /// nil if it is the plain one, but for the authorization.
        let request: RenderedRequest?
        let hasVaryingTarget: Bool
        /// Where it is not always the same.
        var authorization: String?
        /// Whether a token that was refused has been replaced already.
        var hasRefreshed = false

        init(
            _ first: Delivery, with others: [Delivery] = [], request: RenderedRequest?, hasVaryingTarget: Bool,
            authorization: String?
        ) {
            self.first = first.message.id
            self.others = others
            self.request = request
            self.hasVaryingTarget = hasVaryingTarget
            self.authorization = authorization
        }

        /// The `webhook-id`. Of several messages it is made of all of them, so that a receiver that has seen it has seen
        /// them.
        func id(of delivery: Delivery) -> String {
            self.others.isEmpty
                ? delivery.sentID : delivery.sentID(with: [self.first] + self.others.map(\.message.id))
        }
    }

    init(
        _ delivery: Delivery, special: Special?, requests: WebhookRequests, lane: Lane, now: NIODeadline,
        wallNow: Instant
    ) {
        self.delivery = delivery
        self.special = special
        self.requests = requests
        self.lane = lane
        self.level = lane.inFlight
        self.startedAt = now
        self.sentAt = now
        self.startedAtWall = wallNow
        self.trace = lane.dispatcher.traces.flatMap {
            AttemptTrace($0, of: delivery.message, with: special?.others ?? [])
        }
    }

    /// The webhook as it is now.
    var target: WebhookTarget { self.requests.target }
    /// What goes along in the same request.
    var others: [Delivery] { self.special?.others ?? [] }

    func encode(into buffer: inout ByteBuffer) {
        // Of a request before, such as one with a token that had ended.
        self.bodyFault = nil
        if let special, let request = special.request {
            buffer.writeRequest(
                request, about: self.delivery.message, id: special.id(of: self.delivery), by: self.requests,
                at: self.startedAtWall, resent: self.delivery.resent, authorization: special.authorization,
                traceparent: self.trace?.traceparent)
        } else {
            buffer.writeRequest(
                of: self.delivery, by: self.requests, at: self.startedAtWall,
                authorization: self.special?.authorization, traceparent: self.trace?.traceparent)
        }
    }

    /// The thing is told what was answered, or it is the body that says whether it was taken.
    var needsBody: Bool { self.target.responds || self.target.judgedBody != nil }

    /// If it failed before, or may fail by what the body says. Of what succeeds at once, as nearly all does, they are not kept.
    var wantsHeaders: Bool { self.delivery.attempts > 0 || self.target.judgedBody != nil }

    func answered(status: Int, at time: NIODeadline) {
        self.answeredAt = time
        self.lane.answered(self, status: status)
    }

    func progressed(_ step: ConnectionStep) {
        self.trace?.note(step)
        switch step {
        case .connected, .secured: self.sentAt = .now()
        case .redirected(let location): self.location = location
        case .headed(let headers): self.headers = headers
        case .faulty(let fault): self.bodyFault = fault
        case .resolved, .permitted: break
        }
    }

    func ended(_ outcome: Outcome) {
        self.lane.ended(self, outcome)
    }
}
