/// What libmosquitto's callbacks write to: owned by the session, touched on its thread alone, because callbacks run
/// inside `mosquitto_loop_read`.
final class Inbox {
    var batch = Batch()
    /// The answer to CONNECT, once it came.
    var connectCode: Int32?
    /// What to subscribe to once connected, and what to leave then, because the broker may have it from before.
    var topicFilters: [String] = []
    var formerFilters: [String] = []
    var subscriptionsConfirmed = 0
    var subscribeRefusal: String?
    var unsubscriptionsConfirmed = 0
    /// Publishes that the broker has answered, with its reason code; under 128 it has them.
    var published: [Int32: Int32] = [:]
    /// What the broker said when it ended the connection.
    var disconnectCode: Int32?
    let limits = BrokerLimits()

    var isSubscribed: Bool { self.subscriptionsConfirmed >= self.topicFilters.count }
    var hasLeft: Bool { self.unsubscriptionsConfirmed >= self.formerFilters.count }

    func reset() {
        self.batch = Batch()
        self.connectCode = nil
        self.subscriptionsConfirmed = 0
        self.subscribeRefusal = nil
        self.unsubscriptionsConfirmed = 0
        self.published = [:]
        self.disconnectCode = nil
    }

    func take() -> Batch {
        defer { self.batch = Batch() }
        return self.batch
    }
}
