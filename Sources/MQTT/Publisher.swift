package import Logging
internal import Threads

/// Publishes, and waits until the broker has what was published. It can also ask a question that is answered on a topic
/// of its own, as mosquitto's plugins are asked.
///
/// A call whose task is cancelled ends at once, with an error of the kind `interrupted`.
package actor Publisher {
    private let executor: ThreadExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe self.executor.asUnownedSerialExecutor()
    }

    private let link: Link
    private let timeout: Duration

    /// - Parameter answers: the topic on which answers come; nil for one that only publishes.
    /// - Throws: ``MQTTError`` if it can have no thread.
    package init(
        _ configuration: Session.Configuration, answers: String? = nil, logger: Logger
    ) throws(MQTTError) {
        var configuration = configuration
        configuration.topicFilters = answers.map { [$0] } ?? []
        configuration.isTransient = true
        configuration.sessionExpiry = .zero
        do throws(ThreadError) { self.executor = try ThreadExecutor(name: "mqtt publisher") } catch {
            throw MQTTError(error)
        }
        self.link = Link(configuration, executor: self.executor)
        self.timeout = configuration.connectTimeout
    }

    deinit {
        self.executor.stop()
    }

    package nonisolated func connect() async throws(MQTTError) {
        try await self.interruptible { link throws(MQTTError) in try link.connect() }
    }

    /// Nothing is waited for: what was published is acknowledged, or was not told to be.
    package func disconnect() {
        self.link.sayGoodbye(isAwaited: false)
    }

    /// Publishes at QoS 1 and returns when the broker has it.
    ///
    /// - Throws: ``MQTTError`` if the connection is gone, or if the broker does not take it (`refused`).
    package nonisolated func publish(_ payload: [UInt8], to topic: String) async throws(MQTTError) {
        try await self.publish(Publication(payload, to: topic))
    }

    /// Publishes and returns when the broker has it; of one at QoS 0 when it is sent.
    ///
    /// - Throws: ``MQTTError`` if the connection is gone, or if the broker does not take it (`refused`).
    package nonisolated func publish(_ publication: Publication) async throws(MQTTError) {
        try await self.interruptible { [timeout] link throws(MQTTError) in
            try Self.publish(publication, on: link, within: timeout)
        }
    }

    /// Publishes each at QoS 1, whatever becomes of the others.
    ///
    /// - Parameters:
    ///   - publications: in the order in which they go out.
    ///   - window: how many may be unanswered at a time.
    package nonisolated func publish(_ publications: [Publication], window: Int) async -> PublishReport {
        do throws(MQTTError) {
            return try await self.interruptible { [timeout] link in
                Self.publish(publications, window, on: link, within: timeout)
            }
        } catch {
            return PublishReport(outcomes: publications.map { _ in .unsent }, failure: error)
        }
    }

    /// Publishes a question and waits for the next answer.
    package nonisolated func ask(_ payload: [UInt8], on topic: String) async throws(MQTTError) -> [UInt8] {
        try await self.interruptible { [timeout] link throws(MQTTError) in
            _ = link.inbox.take()
            try Self.publish(Publication(payload, to: topic), on: link, within: timeout)
            try Self.serve(link, within: timeout, "the broker did not answer in time") { !$0.batch.messages.isEmpty }
            return link.inbox.take().messages.first?.payload ?? []
        }
    }

    /// Keeps the connection alive while nothing is to be published. To be called at least every five seconds.
    package nonisolated func keepAlive() async throws(MQTTError) {
        try await self.interruptible { link throws(MQTTError) in
            try link.keepAlive()
            try link.flush()
            try link.readOnce(until: .now)
        }
    }

    // MARK: On the thread

    private nonisolated func interruptible<Value: Sendable>(
        _ body: @Sendable (Link) throws(MQTTError) -> Value
    ) async throws(MQTTError) -> Value {
        let interruption = Interruption()
        let result = await withTaskCancellationHandler {
            await self.perform(interruption, body)
        } onCancel: {
            interruption.set()
            self.executor.wake()
        }
        return try result.get()
    }

    private func perform<Value: Sendable>(
        _ interruption: Interruption, _ body: @Sendable (Link) throws(MQTTError) -> Value
    ) -> Result<Value, MQTTError> {
        self.link.interruption = interruption
        do throws(MQTTError) { return .success(try body(self.link)) } catch { return .failure(error) }
    }

    private static func publish(
        _ publication: Publication, on link: Link, within timeout: Duration
    ) throws(MQTTError) {
        let report = Self.publish([publication], 1, on: link, within: timeout)
        if let failure = report.failure { throw failure }
        if case .refused(let refusal) = report.outcomes[0] {
            throw MQTTError(
                kind: .refused, message: "a message on \(publication.topic) is not taken: \(refusal.reason)")
        }
    }

    private static func publish(
        _ publications: [Publication], _ window: Int, on link: Link, within timeout: Duration
    ) -> PublishReport {
        var report = PublishReport(outcomes: publications.map { _ in .unsent })
        var waiting: [Int32: Int] = [:]
        do throws(MQTTError) {
            link.inbox.published = [:]
            for (index, publication) in publications.enumerated() {
                // libmosquitto publishes it as one that is not to be kept.
                let isUnkept = publication.isRetained && !link.inbox.capabilities.keepsRetained
                if isUnkept { report.unkept.insert(index) }
                if isUnkept, publication.isClearing {
                    report.outcomes[index] = .taken
                } else {
                    switch try link.publish(publication) {
                    case .failure(let refusal): report.outcomes[index] = .refused(refusal)
                    case .success(let id):
                        waiting[id] = index
                        report.outcomes[index] = .unanswered
                    }
                }
                let most = index + 1 == publications.count ? 0 : window - 1
                while waiting.count > most {
                    try Self.takeAnswers(on: link, within: timeout, of: &waiting, to: &report)
                }
            }
        } catch {
            report.failure = error
            if error.kind == .interrupted { Self.takeLastAnswers(on: link, of: &waiting, to: &report) }
            // Which of several it was is not known.
            if error.isPacketTooLarge, waiting.count == 1, let index = waiting.values.first {
                report.outcomes[index] = .refused(.tooLarge(nil))
            }
        }
        return report
    }

    private static func takeAnswers(
        on link: Link, within timeout: Duration, of waiting: inout [Int32: Int], to report: inout PublishReport
    ) throws(MQTTError) {
        try Self.serve(link, within: timeout, "the broker did not acknowledge a publish in time") {
            !$0.published.isEmpty
        }
        for (id, code) in link.inbox.published {
            guard let answered = waiting.removeValue(forKey: id) else { continue }
            report.outcomes[answered] = code < 128 ? .taken : .refused(PublishRefusal(code: code))
            if code == 16 { report.unheard.insert(answered) }
        }
        link.inbox.published = [:]
    }

    /// What the broker has need not be published again after an orderly end, so its answers get a moment.
    private static func takeLastAnswers(
        on link: Link, of waiting: inout [Int32: Int], to report: inout PublishReport
    ) {
        link.interruption = Interruption()
        let deadline = ContinuousClock.now + .seconds(1)
        while !waiting.isEmpty, ContinuousClock.now < deadline {
            do throws(MQTTError) {
                let left = ContinuousClock.now.duration(to: deadline)
                try Self.takeAnswers(on: link, within: left, of: &waiting, to: &report)
            } catch { return }
        }
    }

    private static func serve(
        _ link: Link, within timeout: Duration, _ what: String, until isDone: (Inbox) -> Bool
    ) throws(MQTTError) {
        let deadline = ContinuousClock.now + timeout
        while !isDone(link.inbox) {
            guard ContinuousClock.now < deadline else {
                link.drop()
                throw MQTTError(kind: .connectionLost, message: what)
            }
            // Nothing that is received here has to be kept, so it may be acknowledged at once.
            try link.exchange(until: min(deadline, .now + .milliseconds(500)))
        }
    }
}
