package import Logging
internal import Threads

/// Publishes, and waits until the broker has what was published. It can also ask a question that is answered on a topic
/// of its own, as mosquitto's plugins are asked.
package actor Publisher {
    private let executor: ThreadExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe self.executor.asUnownedSerialExecutor()
    }

    private let link: Link
    private let timeout: Duration

    /// - Parameter answers: the topic on which answers come; nil for one that only publishes.
    package init(_ configuration: Session.Configuration, answers: String? = nil, logger: Logger) {
        var configuration = configuration
        configuration.topicFilters = answers.map { [$0] } ?? []
        configuration.isTransient = true
        configuration.sessionExpiry = .zero
        self.executor = ThreadExecutor(name: "mqtt publisher")
        self.link = Link(configuration, executor: self.executor, inbox: Inbox(logger: logger))
        self.timeout = configuration.connectTimeout
    }

    deinit {
        self.executor.stop()
    }

    package func connect() throws(MQTTError) {
        try self.link.connect()
    }

    package func disconnect() {
        self.link.sayGoodbye()
        self.link.drop()
    }

    /// Publishes at QoS 1 and returns when the broker has it.
    ///
    /// - Throws: ``MQTTError`` if the connection is gone, or if the broker does not take it (`refused`).
    package func publish(_ payload: [UInt8], to topic: String) throws(MQTTError) {
        let id = try self.link.publish(payload, to: topic)
        try self.serve("the broker did not acknowledge a publish in time") { $0.published[id] != nil }
        if let code = self.link.inbox.published.removeValue(forKey: id), code >= 128 {
            throw MQTTError(kind: .refused, message: "the broker refused a publish on \(topic) with code \(code)")
        }
    }

    /// Publishes a question and waits for the next answer.
    package func ask(_ payload: [UInt8], on topic: String) throws(MQTTError) -> [UInt8] {
        _ = self.link.inbox.take()
        try self.publish(payload, to: topic)
        try self.serve("the broker did not answer in time") { !$0.batch.messages.isEmpty }
        return self.link.inbox.take().messages.first?.payload ?? []
    }

    /// Keeps the connection alive while nothing is to be published. To be called more often than the keepalive.
    package func keepAlive() throws(MQTTError) {
        try self.link.keepAlive()
        try self.link.readOnce(until: .now)
    }

    private func serve(_ what: String, until isDone: (Inbox) -> Bool) throws(MQTTError) {
        let deadline = ContinuousClock.now + self.timeout
        while !isDone(self.link.inbox) {
            // Nothing that is received here has to be kept, so it may be acknowledged at once.
            try self.link.keepAlive()
            guard !isDone(self.link.inbox) else { return }
            guard ContinuousClock.now < deadline else {
                self.link.drop()
                throw MQTTError(kind: .connectionLost, message: what)
            }
            try self.link.readOnce(until: min(deadline, .now + .milliseconds(500)))
        }
    }
}
