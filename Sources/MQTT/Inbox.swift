internal import Values

/// What libmosquitto's callbacks write to: owned by the session, touched on its thread alone, because callbacks run
/// inside `mosquitto_loop_read`.
final class Inbox {
    var batch = Batch()
    /// The answer to CONNECT, once it came.
    var connectCode: Int32?
    /// Whether the broker had the session still, with what is queued in it (MQTT 5, section 3.2.2.1.1).
    var isResumed = false
    /// What to subscribe to once connected, and what to leave then, because the broker may have it from before.
    var topicFilters: [String] = []
    var numberedFilters: [NumberedFilter] = []
    var formerFilters: [String] = []
    /// What the broker has not answered yet, by the packet's id.
    var subscribing: [Int32: AskedFilter] = [:]
    var leaving: Set<Int32> = []
    var subscribeRefusal: String?
    /// Numbered filters that the broker does not allow, with its reason code.
    var refusedFilters: [ExactText: Int32] = [:]
    /// What the broker sends with QoS 0 alone, though 1 was asked for.
    var unacknowledgedFilters: Set<ExactText> = []
    /// Whether the broker names subscriptions in what it sends.
    var hasNumbers = true
    /// False once a message named several subscriptions, which libmosquitto takes for a fault: such a broker sends one copy for all
    /// of them, so that nothing is told apart by numbers. It stays so over connections.
    var mayNumber = true
    /// nil unless packets are read past libmosquitto: see ``Link/connectToReadBytes(for:)``.
    var bytes: ByteReading?
    /// What it says of itself.
    var capabilities = BrokerCapabilities()
    /// At which the broker takes messages of the connection.
    var largestQoS: Int32 = 2
    /// Publishes that the broker has answered, with its reason code; under 128 it has them.
    var published: [Int32: Int32] = [:]
    /// What the broker said when it ended the connection.
    var disconnectCode: Int32?
    /// Beside the code by which it has let nobody in, or ended the connection.
    var remark = BrokerRemark.none
    let limits = BrokerLimits()

    var isSubscribed: Bool { self.connectCode == 0 && self.subscribing.isEmpty }
    var hasLeft: Bool { self.connectCode == 0 && self.leaving.isEmpty }

    func reset() {
        self.batch = Batch()
        self.connectCode = nil
        self.isResumed = false
        self.subscribing = [:]
        self.leaving = []
        self.subscribeRefusal = nil
        self.refusedFilters = [:]
        self.unacknowledgedFilters = []
        self.hasNumbers = true
        self.largestQoS = 2
        self.published = [:]
        self.disconnectCode = nil
        self.remark = .none
    }

    func take() -> Batch {
        defer { self.batch = Batch() }
        return self.batch
    }
}
