package import Logging
internal import Values

/// Tries what Hookline needs of a broker, with sessions and topics of its own, and leaves nothing behind.
package struct BrokerCheck: Sendable {
    package struct Finding: Sendable, Equatable {
        package enum Weight: String, Sendable { case good, weak, bad }

        package let weight: Weight
        /// Under which it stands in docs/brokers.md.
        package let subject: String
        package let text: String
    }

    private let broker: Session.Configuration
    private let topic: String
    private let count: Int
    /// For how long `serve` asks the broker to keep its session.
    private let expiry: Duration
    private let logger: Logger

    /// - Parameters:
    ///   - broker: how Hookline reaches it. Its client id is the beginning of those that are used here.
    ///   - topic: below which is published; the account has to be allowed to read and to write there.
    ///   - count: messages for a session that nobody is connected to.
    ///   - token: what tells this check from others.
    package init(_ broker: Session.Configuration, below topic: String, count: Int, token: String, logger: Logger) {
        var broker = broker
        broker.clientID = "\(broker.clientID.isEmpty ? "hookline" : broker.clientID)-check-\(token)"
        self.expiry = broker.sessionExpiry
        broker.sessionExpiry = .seconds(300)
        self.broker = broker
        self.topic = "\(topic)/\(token)"
        self.count = count
        self.logger = logger
    }

    /// - Throws: ``MQTTError`` if the broker cannot be tried at all.
    package func run() async throws(MQTTError) -> [Finding] {
        var findings = try await self.greeting()
        // Nothing more can be tried there.
        guard !findings.contains(where: { $0.weight == .bad }) else { return findings }
        let publisher = try self.publisher()
        try await publisher.connect()
        let filter = NumberedFilter(filter: "\(self.topic)/queue", number: 7, retained: false)
        let session = try Session(self.broker(with: []), logger: self.logger)
        try await session.connect(following: [filter])
        let capabilities = await session.capabilities
        if let code = try await Self.refusal(of: filter, by: session) {
            let text =
                "it does not let us subscribe to \(filter.filter): \(subscribeReason(code)); --topic names another"
            await session.end()
            await publisher.disconnect()
            return findings + [Finding(weight: .bad, subject: "rights", text: text)]
        }
        let queue = try await self.queue(session, filter, publisher)
        findings.append(queue)
        guard queue.subject != "rights" else {
            await session.end()
            await publisher.disconnect()
            return findings
        }
        // Nobody has written there while the queue came in, and the broker may have waited for that no longer.
        try await publisher.connect()
        findings.append(try await self.properties(session, publisher))
        await session.end()
        if capabilities.takesShared { findings.append(try await self.shared(publisher)) }
        if capabilities.keepsRetained { findings.append(try await self.retained(publisher)) }
        await publisher.disconnect()
        return findings
    }

    /// What the broker says of itself when it lets us in. Nothing is subscribed to or published, and nothing is left there.
    ///
    /// - Throws: ``MQTTError`` if it does not let us in.
    package func greeting() async throws(MQTTError) -> [Finding] {
        var broker = self.broker(with: [])
        broker.clientID += "-g"
        broker.isTransient = true
        broker.sessionExpiry = self.expiry
        let session = try Session(broker, logger: self.logger)
        do throws(MQTTError) { try await session.connect() } catch {
            guard error.mayLackVersion, await self.speaksFormerVersion() else { throw error }
            let text =
                "it answers to MQTT 3.1.1 and not to MQTT 5, which Hookline needs: a newer build of it, or another broker"
            return [Finding(weight: .bad, subject: "protocol", text: text)]
        }
        let capabilities = await session.capabilities
        await session.end()
        return Self.findings(of: capabilities, asked: self.expiry)
    }

    /// Whether it answers to MQTT 3.1.1, and be it that it refuses the account.
    private func speaksFormerVersion() async -> Bool {
        var broker = self.broker(with: [])
        broker.clientID += "-f"
        broker.isTransient = true
        broker.isFormerVersion = true
        do throws(MQTTError) {
            let session = try Session(broker, logger: self.logger)
            try await session.connect()
            await session.disconnect(acknowledging: true)
            return true
        } catch {
            return error.kind == .refused && !error.mayLackVersion
        }
    }

    private func broker(with filters: [String]) -> Session.Configuration {
        var broker = self.broker
        broker.topicFilters = filters
        return broker
    }

    private func publisher() throws(MQTTError) -> Publisher {
        var broker = self.broker
        broker.clientID += "-p"
        return try Publisher(broker, logger: self.logger)
    }

    /// What of it is too little for who keeps such a session there.
    static func shortcomings(of capabilities: BrokerCapabilities, for broker: Session.Configuration) -> [String] {
        let isShared = broker.topicFilters.contains { $0.hasPrefix("$share/") }
        return Self.findings(of: capabilities, asked: broker.sessionExpiry).filter { finding in
            finding.weight == .bad || finding.subject == "expiry" || (isShared && finding.subject == "shared")
        }.map(\.text)
    }

    private static func findings(of capabilities: BrokerCapabilities, asked: Duration) -> [Finding] {
        var findings = [Finding(weight: .good, subject: "protocol", text: "it speaks MQTT 5")]
        func add(_ isThere: Bool, _ weight: Finding.Weight, _ subject: String, _ text: String) {
            if !isThere { findings.append(Finding(weight: weight, subject: subject, text: text)) }
        }
        add(capabilities.largestQoS > 0, .bad, "qos", "it takes QoS 0 alone: nothing can be acknowledged")
        add(capabilities.takesWildcards, .bad, "wildcards", "it takes no wildcards, and things/+/messages/# is one")
        add(
            capabilities.takesShared, .weak, "shared", "it says that it has no shared subscriptions: one instance alone"
        )
        add(
            capabilities.namesSubscriptions, .weak, "identifiers",
            "it names no subscriptions: where filters of topic rules overlap, a message may come twice")
        add(
            capabilities.keepsRetained, .weak, "retained",
            "it keeps no retained messages: answers and rules with `retained` come to nothing")
        let packet =
            capabilities.largestPacket.map { "\($0) bytes" }
            ?? "no limit named, and one takes three times its size here"
        findings.append(
            Finding(
                weight: .good, subject: "limits",
                text: "largest packet: \(packet); unacknowledged messages it takes: \(capabilities.receiveMaximum)"))
        // Some brokers name it where it is what was asked.
        let seconds = asked.components.seconds
        if let expiry = capabilities.sessionExpiry, expiry < seconds {
            findings.append(
                Finding(
                    weight: .weak, subject: "expiry",
                    text: "it keeps sessions for \(expiry) seconds, and was asked for \(seconds)"))
        }
        return findings
    }

    private static func refusal(of filter: NumberedFilter, by session: Session) async throws(MQTTError) -> Int32? {
        while await !session.isSubscribed {
            _ = try await session.acknowledgeAndReceive(upTo: 1, bytes: 1, within: .milliseconds(50))
        }
        return await session.refusedFilters[ExactText(filter.filter)]
    }

    // MARK: What it keeps

    private func queue(
        _ session: Session, _ filter: NumberedFilter, _ publisher: Publisher
    ) async throws(MQTTError) -> Finding {
        await session.disconnect(acknowledging: true)
        let messages = (0..<self.count).map { Publication(Array("\($0)".utf8), to: filter.filter) }
        let report = await publisher.publish(messages, window: 500)
        let taken = report.outcomes.count { $0 == .taken }
        if taken == 0, let refusal = Self.refusal(of: report) {
            // So that it can be forgotten.
            try await session.connect()
            let text = "on \(filter.filter) \(refusal); name another topic by --topic"
            return Finding(weight: .bad, subject: "rights", text: text)
        }
        if let failure = report.failure { throw failure }
        try await session.connect(following: [filter])
        let kept = try await Self.receive(from: session).compactMap { Int(String(decoding: $0.payload, as: UTF8.self)) }
        let isOrdered = zip(kept, kept.dropFirst()).allSatisfy { $0 < $1 }
        let refused = taken < self.count ? " (it refused \(self.count - taken))" : ""
        guard Set(kept).count == taken else {
            return Finding(
                weight: .bad, subject: "queue",
                text:
                    "of \(taken) messages for a session that was away it kept \(Set(kept).count)\(refused), and said nothing: "
                    + "raise its queue, and see MQTT_RECEIVE_MAXIMUM (\(self.broker.receiveMaximum))")
        }
        return Finding(
            weight: isOrdered && taken == self.count ? .good : .weak, subject: "queue",
            text:
                "it kept \(taken) messages for a session that was away\(refused)\(isOrdered ? ", in their order" : ", not in their order")"
        )
    }

    private static func refusal(of report: PublishReport) -> String? {
        if case .refused(let refusal)? = report.outcomes.first { return refusal.reason }
        // As mosquitto does if its queues have no limit, after it has refused.
        guard let failure = report.failure, failure.kind == .connectionLost else { return nil }
        return "the connection is lost (\(failure.message)): this account may not publish there perhaps"
    }

    private func properties(_ session: Session, _ publisher: Publisher) async throws(MQTTError) -> Finding {
        let correlation: [UInt8] = [1, 2, 3]
        try await publisher.publish(
            Publication([], to: "\(self.topic)/queue", properties: .init(correlationData: correlation)))
        let came = try await Self.receive(from: session, atLeast: 1).first
        let isWhole = came?.properties?.correlationData == correlation
        let isNamed = came?.subscriptions == [7]
        return Finding(
            weight: isWhole && isNamed ? .good : .weak, subject: "properties",
            text: isWhole && isNamed
                ? "it passes properties on, and names the subscription"
                : "it \(isWhole ? "passes" : "does not pass") properties on, and \(isNamed ? "names" : "does not name") the subscription"
        )
    }

    private func shared(_ publisher: Publisher) async throws(MQTTError) -> Finding {
        var broker = self.broker(with: [])
        broker.clientID += "-s"
        broker.isTransient = true
        let filter = NumberedFilter(filter: "$share/hookline-check/\(self.topic)/shared", number: 8, retained: false)
        let session = try Session(broker, logger: self.logger)
        try await session.connect(following: [filter])
        if let code = try await Self.refusal(of: filter, by: session) {
            await session.end()
            return Finding(
                weight: .weak, subject: "shared",
                text: "it refuses a shared subscription: \(subscribeReason(code)): one instance alone")
        }
        try await publisher.publish([], to: "\(self.topic)/shared")
        let came = try await Self.receive(from: session, atLeast: 1)
        await session.end()
        return came.count == 1
            ? Finding(weight: .good, subject: "shared", text: "it has shared subscriptions")
            : Finding(weight: .weak, subject: "shared", text: "a shared subscription was granted and brought nothing")
    }

    private func retained(_ publisher: Publisher) async throws(MQTTError) -> Finding {
        let topic = "\(self.topic)/retained"
        try await publisher.publish(Publication([1], to: topic, isRetained: true))
        var broker = self.broker(with: [])
        broker.clientID += "-r"
        broker.isTransient = true
        let session = try Session(broker, logger: self.logger)
        try await session.connect(following: [NumberedFilter(filter: topic, number: 9, retained: true)])
        let came = try await Self.receive(from: session, atLeast: 1)
        await session.end()
        try await publisher.publish(Publication([], to: topic, isRetained: true))
        return came.first?.isRetained == true
            ? Finding(weight: .good, subject: "retained", text: "it keeps retained messages")
            : Finding(
                weight: .weak, subject: "retained",
                text: "it keeps no retained messages: answers and rules with `retained` come to nothing")
    }

    /// What comes until nothing has come for two seconds, or until there are so many.
    private static func receive(from session: Session, atLeast count: Int = .max) async throws(MQTTError)
        -> [ReceivedMessage]
    {
        var all: [ReceivedMessage] = []
        while all.count < count {
            let batch = try await session.acknowledgeAndReceive(upTo: 1_000, bytes: 1 << 20, within: .seconds(2))
            guard !batch.messages.isEmpty else { break }
            all += batch.messages
        }
        return all
    }
}
