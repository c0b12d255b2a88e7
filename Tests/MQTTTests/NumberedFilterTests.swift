import LocalServices
import MQTT
import TestSupport
import Testing
import Values

@Suite("Filters that come and go while a session lasts")
struct NumberedFilterTests {
    private func configuration(_ mosquitto: LocalMosquitto) -> Session.Configuration {
        Session.Configuration(
            host: "127.0.0.1", port: mosquitto.port, clientID: "test", topicFilters: ["things/+/messages/#"])
    }

    private func publish(_ mosquitto: LocalMosquitto, _ topic: String, more: [String] = []) async throws {
        try await ChildProcess.complete(
            "mosquitto_pub",
            ["-h", "127.0.0.1", "-p", "\(mosquitto.port)", "-q", "1", "-t", topic, "-m", topic] + more)
    }

    /// Until something comes, which is what these topics have.
    private func receive(_ session: Session, _ mosquitto: LocalMosquitto, _ topic: String) async throws
        -> ReceivedMessage
    {
        var found: ReceivedMessage?
        try await waitUntil("a message on \(topic)") {
            try await self.publish(mosquitto, topic)
            let batch = try await session.acknowledgeAndReceive(upTo: 100, bytes: .max, within: .milliseconds(200))
            found = batch.messages.first { $0.topic == topic }
            return found != nil
        }
        return try #require(found)
    }

    @Test("are named in messages, and are left again, without a new connection")
    func changes() async throws {
        try await LocalMosquitto.with { mosquitto, _ in
            let session = try Session(self.configuration(mosquitto), logger: silentLogger)
            try await session.connect(following: [NumberedFilter(filter: "a/+", number: 7, retained: false)])
            #expect(await session.isSubscribed)
            #expect(try await self.receive(session, mosquitto, "a/x").subscriptions == [7])
            #expect(try await self.receive(session, mosquitto, "things/x/messages").subscriptions == [])
            await session.change(
                subscribing: [NumberedFilter(filter: "b/#", number: 300_000, retained: false)], leaving: ["a/+"])
            #expect(await !session.hasLeft)
            #expect(try await self.receive(session, mosquitto, "b/x").subscriptions == [300_000])
            #expect(await session.hasLeft)
            try await self.publish(mosquitto, "a/y")
            try await self.publish(mosquitto, "b/y")
            var topics: [String] = []
            try await waitUntil("the end") {
                topics += try await session.acknowledgeAndReceive(upTo: 100, bytes: .max, within: .milliseconds(200))
                    .messages.map(\.topic)
                return topics.contains("b/y")
            }
            #expect(!topics.contains("a/y"))
            await session.disconnect(acknowledging: true)
        }
    }

    /// Until the broker has answered all that was subscribed to.
    private func settle(_ session: Session) async throws {
        try await waitUntil("the broker's answer to what was subscribed to") {
            _ = try await session.acknowledgeAndReceive(upTo: 1, bytes: .max, within: .milliseconds(50))
            return await session.isSubscribed
        }
    }

    @Test("are known by name if the broker grants QoS 0 alone, as is the session's own", arguments: [0, 1])
    func unacknowledged(most: Int) async throws {
        try await LocalMosquitto.with(extra: ["max_qos \(most)"]) { mosquitto, _ in
            let session = try Session(self.configuration(mosquitto), logger: silentLogger)
            try await session.connect(following: [NumberedFilter(filter: "a/+", number: 7, retained: false)])
            try await self.settle(session)
            #expect(await session.refusedFilters.isEmpty)
            #expect(await session.unacknowledgedFilters == (most == 0 ? ["things/+/messages/#", "a/+"] : []))
            await session.change(
                subscribing: [NumberedFilter(filter: "b/#", number: 8, retained: false)], leaving: ["a/+"])
            try await self.settle(session)
            #expect(await session.unacknowledgedFilters == (most == 0 ? ["things/+/messages/#", "b/#"] : []))
            await session.disconnect(acknowledging: true)
        }
    }

    @Test("bring what the broker had kept once, if they ask for it, and say of it that it is from before")
    func retained() async throws {
        try await LocalMosquitto.with { mosquitto, _ in
            try await self.publish(mosquitto, "a/kept", more: ["-r"])
            try await self.publish(mosquitto, "b/kept", more: ["-r"])
            let filters = [
                NumberedFilter(filter: "a/#", number: 1, retained: true),
                NumberedFilter(filter: "b/#", number: 2, retained: false),
            ]
            let session = try Session(self.configuration(mosquitto), logger: silentLogger)
            try await session.connect(following: filters)
            let batch = try await session.acknowledgeAndReceive(upTo: 100, bytes: .max, within: .seconds(10))
            #expect(batch.messages.map(\.topic) == ["a/kept"])
            #expect(batch.messages.map(\.isRetained) == [true])
            #expect(try await !self.receive(session, mosquitto, "b/new").isRetained)
            await session.disconnect(acknowledging: true)
        }
    }
}
