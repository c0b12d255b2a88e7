import Domain
import Values

@testable import Queue

/// Deliveries of one webhook, as its lane's queue has them.
struct LaneDeliveries {
    let things = (0..<12).map { _ in EntityID.random() }
    private let target: WebhookTarget

    init() throws {
        self.target = WebhookTarget(
            key: WebhookKey(rawValue: 1), id: .random(), group: .random(), version: 1,
            url: try WebhookURL("http://example.com"), headers: [])
    }

    /// - Parameter thing: its place among ``things``.
    func delivery(_ number: Int, _ thing: Int, attempts: Int32 = 0, replayedAt: Instant? = nil) -> Delivery {
        let message = Message(
            id: MessageID(rawValue: Int64(number)), thing: self.things[thing], group: self.target.group, subtopic: "",
            contentType: "a/b", payload: [], traceparent: nil, isKept: false, receivedNanoseconds: nil)
        return Delivery(message: message, webhook: self.target, attempts: attempts, replayedAt: replayedAt)
    }
}
