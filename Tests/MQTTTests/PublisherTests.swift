import LocalServices
import MQTT
import TestSupport
import Testing

@Suite("A publisher")
struct PublisherTests {
    private func connected(_ port: Int) async throws -> Publisher {
        let publisher = try Publisher(
            Session.Configuration(host: "127.0.0.1", port: port, clientID: "publisher", topicFilters: []),
            logger: silentLogger)
        try await publisher.connect()
        return publisher
    }

    private func publications(_ payloads: String...) -> [Publication] {
        payloads.map { Publication(Array($0.utf8), to: "things/x/messages") }
    }

    @Test("publishes up to the very byte that the broker takes, and tells what is larger from a lost connection")
    func largest() async throws {
        try await LocalMosquitto.with(extra: ["max_packet_size 300"]) { mosquitto, _ in
            let session = try Session(
                Session.Configuration(host: "127.0.0.1", port: mosquitto.port, clientID: "s", topicFilters: []),
                logger: silentLogger)
            #expect(session.limits.largestPayload(on: "x") == nil)
            try await session.connect()
            let publisher = try await self.connected(mosquitto.port)
            for topic in ["t", "things/x/messages/some/subtopic", String(repeating: "t", count: 170)] {
                let most = try #require(session.limits.largestPayload(on: topic))
                let sizes = [most, most + 1, most + 3, 1]
                let report = await publisher.publish(
                    sizes.map { Publication([UInt8](repeating: 120, count: $0), to: topic) }, window: 20)
                #expect(report.failure == nil)
                #expect(report.outcomes.map { $0 == .taken } == [true, false, false, true])
                guard case .refused(let refusal) = report.outcomes[1] else {
                    Issue.record("\(report.outcomes)")
                    continue
                }
                #expect(refusal.isFinal && refusal.reason.contains("\(most) bytes"))
            }
        }
    }

    @Test("tells of each message what became of it, and goes on behind one that is refused")
    func refused() async throws {
        let broker = try await ScriptedBroker.start { payload in .acknowledge(UInt8(payload) ?? 0) }
        let publisher = try await self.connected(broker.port)
        let report = await publisher.publish(self.publications("0", "144", "16", "135", "0"), window: 2)
        #expect(report.failure == nil && broker.received == ["0", "144", "16", "135", "0"])
        #expect([0, 2, 4].allSatisfy { report.outcomes[$0] == .taken })
        #expect(report.outcomes[1] == .refused(PublishRefusal(code: 144)) && PublishRefusal(code: 144).isFinal)
        #expect(report.outcomes[3] == .refused(PublishRefusal(code: 135)) && !PublishRefusal(code: 135).isFinal)
        let error = await #expect(throws: MQTTError.self) { try await publisher.publish(Array("153".utf8), to: "x") }
        #expect(error?.kind == .refused)
        await broker.stop()
    }

    @Test("tells what was to be kept by a broker that keeps nothing, and takes nothing away there")
    func unkept() async throws {
        try await LocalMosquitto.with(extra: ["retain_available false"]) { mosquitto, _ in
            let listener = try Session(
                Session.Configuration(host: "127.0.0.1", port: mosquitto.port, clientID: "s", topicFilters: ["heard"]),
                logger: silentLogger)
            try await listener.connect()
            let publisher = try await self.connected(mosquitto.port)
            let report = await publisher.publish(
                [
                    Publication([1], to: "nobody", isRetained: true), .clearing("heard"),
                    Publication([2], to: "heard", isRetained: true), Publication([3], to: "nobody"),
                    Publication([], to: "heard", isRetained: true),
                ], window: 2)
            #expect(report.failure == nil && report.outcomes == Array(repeating: .taken, count: 5))
            #expect(report.unkept == [0, 1, 2, 4] && report.unheard == [0, 3])
            var payloads: [[UInt8]] = []
            try await waitUntil("what is none that clears") {
                payloads += try await listener.acknowledgeAndReceive(upTo: 10, bytes: .max, within: .seconds(1))
                    .messages.map(\.payload)
                return payloads.count >= 2
            }
            #expect(payloads == [[2], []])
            await listener.disconnect(acknowledging: true)
        }
    }

    @Test("gives a broker that takes QoS 1 at most what was to go at QoS 2, and loses no connection for it")
    func lowerQoS() async throws {
        try await LocalMosquitto.with(extra: ["max_qos 1"]) { mosquitto, _ in
            let publisher = try await self.connected(mosquitto.port)
            let report = await publisher.publish(
                [2, 1, 0].map { Publication([1], to: "x", qos: $0) }, window: 20)
            #expect(report.failure == nil && report.outcomes == [.taken, .taken, .taken])
        }
        let broker = try await ScriptedBroker.start(greeting: .properties([0x24, 0])) { _ in .silence }
        let publisher = try await self.connected(broker.port)
        let report = await publisher.publish(self.publications("1", "2"), window: 1)
        #expect(report.failure == nil && broker.received.isEmpty)
        for outcome in report.outcomes {
            guard case .refused(let refusal) = outcome else {
                Issue.record("\(outcome)")
                continue
            }
            #expect(!refusal.isFinal && refusal.reason.contains("QoS 0 alone"))
        }
        await broker.stop()
    }

    @Test("leaves out what is empty of what a message says of itself, and refuses pairs without a name or a value")
    func empty() async throws {
        try await LocalMosquitto.with { mosquitto, _ in
            let publisher = try await self.connected(mosquitto.port)
            var nothing = Publication.Properties()
            nothing.contentType = ""
            nothing.responseTopic = ""
            var nameless = Publication.Properties()
            nameless.user = [("a", "b"), ("", "b")]
            var valueless = Publication.Properties()
            valueless.user = [("a", "")]
            let report = await publisher.publish(
                [nothing, nameless, valueless, nothing].map { Publication([1], to: "x", properties: $0) }, window: 20)
            #expect(report.failure == nil && report.outcomes.map { $0 == .taken } == [true, false, false, true])
        }
    }

    @Test("keeps no more unanswered than it was told to")
    func window() async throws {
        let broker = try await ScriptedBroker.start { $0 == "last" ? .hangUp : .silence }
        let publisher = try await self.connected(broker.port)
        let report = await publisher.publish(self.publications("1", "2", "last", "3", "4"), window: 3)
        #expect(report.failure?.kind == .connectionLost)
        #expect(report.outcomes == [.unanswered, .unanswered, .unanswered, .unsent, .unsent])
        await broker.stop()
    }

    @Test("knows the message at which the broker ends the connection for its size, if it was alone")
    func packetTooLarge() async throws {
        let broker = try await ScriptedBroker.start { $0 == "large" ? .disconnect(149) : .acknowledge(0) }
        let publisher = try await self.connected(broker.port)
        let alone = await publisher.publish(self.publications("small", "large", "later"), window: 1)
        #expect(alone.failure?.isPacketTooLarge == true)
        #expect(alone.outcomes[0] == .taken && alone.outcomes[2] == .unsent)
        guard case .refused(let refusal) = alone.outcomes[1] else {
            Issue.record("\(alone.outcomes)")
            return
        }
        #expect(refusal.isFinal)
        await broker.stop()
    }
}
