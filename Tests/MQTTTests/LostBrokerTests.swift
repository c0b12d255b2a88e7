import LocalServices
import MQTT
import TestSupport
import Testing

@Suite("A broker that is lost")
struct LostBrokerTests {
    private func configuration(_ ports: Int...) -> Session.Configuration {
        var configuration = Session.Configuration(
            brokers: ports.map { BrokerAddress(host: "127.0.0.1", port: $0) }, clientID: "test",
            topicFilters: ["things/+/messages/#"])
        // Longer than any test waits: what ends here does not end by its deadline.
        configuration.connectTimeout = .seconds(3_600)
        return configuration
    }

    private func failure(of session: Session) async -> MQTTError? {
        do throws(MQTTError) { try await session.connect() } catch { return error }
        return nil
    }

    private func failureOfReceiving(_ session: Session) async -> MQTTError? {
        do throws(MQTTError) {
            _ = try await session.acknowledgeAndReceive(upTo: 1, bytes: 1, within: .seconds(3_600))
        } catch {
            return error
        }
        return nil
    }

    @Test("holds nobody up who is told to stop while connecting, whether it drops or says nothing")
    func interruptedConnecting() async throws {
        try await LocalMosquitto.with { mosquitto, _ in
            let hole = try BlackHole()
            let silent = try await Wire.start(to: mosquitto.port)
            silent.goSilent()
            for port in [hole.port, silent.port] {
                let session = try Session(self.configuration(port), logger: silentLogger)
                async let failure = self.failure(of: session)
                session.interrupt()
                let error = await failure
                #expect(error?.kind == .interrupted)
                // It stays so.
                await #expect(throws: MQTTError.self) { try await session.connect() }
            }
            await silent.stop()
        }
    }

    @Test("says that the port may be one for something else, if nobody lets it in")
    func otherPort() async throws {
        let broker = try await ScriptedBroker.start(greeting: .formerVersion) { _ in .silence }
        let session = try Session(self.configuration(broker.port), logger: silentLogger)
        let error = try #require(await self.failure(of: session))
        #expect(error.kind == .connectionLost && error.mayLackVersion)
        #expect(error.message.contains("did not let us in") && error.message.contains("MQTT 3.1.1, TLS or WebSocket"))
        await broker.stop()
    }

    @Test("is there again once files for TLS that are being replaced can be read: till then it says which cannot")
    func unreadableFile() async throws {
        let folder = try Files.makeTemporaryFolder()
        var configuration = self.configuration(1)
        configuration.tlsCAFile = "\(folder)/ca.pem"
        let session = try Session(configuration, logger: silentLogger)
        let error = try #require(await self.failure(of: session))
        #expect(error.kind == .connect && error.message.contains("\(folder)/ca.pem"), "\(error)")
        #expect(error.message.contains("No such file"), "\(error)")
        try Files.write("", to: "\(folder)/ca.pem")
        configuration.certificate = .init(file: "\(folder)/own.pem", keyFile: "\(folder)/own.key")
        let own = try Session(configuration, logger: silentLogger)
        #expect(await self.failure(of: own)?.message.contains("\(folder)/own.pem") == true)
        // Nobody is there.
        #expect(await self.failure(of: session)?.message.contains("\(folder)") == false)
    }

    /// A server reference, and a reason string (MQTT 5, sections 3.2.2.3.16 and 3.2.2.3.9).
    private static let moved: [UInt8] = [0x1C, 0, 5] + Array("other".utf8) + [0x1F, 0, 4] + Array("soon".utf8)

    @Test("says why it lets nobody in, in the broker's words too, and where else to go")
    func refusal() async throws {
        let broker = try await ScriptedBroker.start(greeting: .refusal(0x9D, Self.moved)) { _ in .silence }
        let error = try #require(
            await self.failure(of: try Session(self.configuration(broker.port), logger: silentLogger)))
        #expect(error.kind == .refused)
        #expect(error.message == "the broker has moved, and names other (it says: soon)")
        await broker.stop()
    }

    /// libmosquitto 2.0 has thrown away by then what a DISCONNECT says beside its code.
    @Test("says what the code means with which it ends a connection, and what is beside it where that can be read")
    func ended() async throws {
        let broker = try await ScriptedBroker.start { _ in .disconnectSaying(0x9C, Self.moved) }
        let publisher = try Publisher(self.configuration(broker.port), logger: silentLogger)
        try await publisher.connect()
        let error = await #expect(throws: MQTTError.self) { try await publisher.publish([], to: "x") }
        let message = "another broker is to be used for now"
        #expect([message, message + ", and names other (it says: soon)"].contains(error?.message))
        await broker.stop()
    }

    @Test("says what it could not subscribe to, and why")
    func refusedSubscription() async throws {
        // It takes packets of 20 bytes.
        let broker = try await ScriptedBroker.start(greeting: .properties([0x27, 0, 0, 0, 20])) { _ in .silence }
        let error = try #require(
            await self.failure(of: try Session(self.configuration(broker.port), logger: silentLogger)))
        #expect(error.kind == .refused && error.message.contains("things/+/messages/#: "))
        #expect(!error.message.contains("code"), "25 is libmosquitto's own")
        await broker.stop()
    }

    @Test("tells what the broker lacks for the session that it is to keep")
    func shortcomings() async throws {
        // Sessions are kept for 60 seconds; no wildcards, and no shared subscriptions.
        let broker = try await ScriptedBroker.start(greeting: .properties([0x11, 0, 0, 0, 60, 0x28, 0, 0x2A, 0])) { _ in
            .silence
        }
        for prefix in ["", "$share/group/"] {
            var configuration = self.configuration(broker.port)
            configuration.topicFilters = ["\(prefix)things/+/messages/#"]
            let session = try Session(configuration, logger: silentLogger)
            try await session.connect()
            let lacks = await session.shortcomings
            #expect(lacks.count == (prefix.isEmpty ? 2 : 3), "\(lacks)")
            #expect(lacks.contains { $0.contains("60 seconds") } && lacks.contains { $0.contains("wildcards") })
            await session.disconnect(acknowledging: true)
        }
        await broker.stop()
    }

    @Test("holds nobody up whose task is cancelled")
    func cancelled() async throws {
        let hole = try BlackHole()
        let broker = try await ScriptedBroker.start { _ in .silence }
        try await withThrowingTaskGroup(of: Void.self) { group in
            let session = try Session(self.configuration(hole.port), logger: silentLogger)
            group.addTask { try await session.connect() }
            let stuck = try Publisher(self.configuration(hole.port), logger: silentLogger)
            group.addTask { try await stuck.connect() }
            let unheard = try Publisher(self.configuration(broker.port), logger: silentLogger)
            try await unheard.connect()
            group.addTask { try await unheard.publish([], to: "x") }
            try await waitUntil("the message") { broker.received.count == 1 }
            group.cancelAll()
            for _ in 0..<3 {
                let error = await #expect(throws: MQTTError.self) { try await group.next() }
                #expect(error?.kind == .interrupted)
            }
        }
        await broker.stop()
    }

    @Test("is noticed by a ping that stays unanswered, and not while it answers")
    func silent() async throws {
        try await LocalMosquitto.with { mosquitto, _ in
            let wire = try await Wire.start(to: mosquitto.port)
            var configuration = self.configuration(wire.port)
            // The least that libmosquitto takes.
            configuration.keepalive = .seconds(5)
            configuration.answerPatience = .seconds(1)
            let session = try Session(configuration, logger: silentLogger)
            try await session.connect()
            let atFirst = wire.bytesFromServer
            // One call for all of it: between two, nobody sends pings, and the broker is right to hang up.
            async let failure = self.failureOfReceiving(session)
            // Nothing was published, so what comes are answers to pings, of two bytes.
            try await waitUntil("two pings and their answers") { wire.bytesFromServer >= atFirst + 4 }
            wire.goSilent()
            let error = await failure
            #expect(error?.kind == .connectionLost && error?.message.contains("ping") == true, "\(error as Any)")
            await wire.stop()
        }
    }

    // The broker may say how long it waits (MQTT 5, section 3.2.2.3.14), and libmosquitto pings by that: never, or much later.
    @Test("is noticed as soon where it names a keepalive of its own, or none", arguments: [UInt8(0), 200])
    func ownKeepalive(seconds: UInt8) async throws {
        let broker = try await ScriptedBroker.start(greeting: .properties([0x13, 0, seconds])) { _ in .silence }
        let wire = try await Wire.start(to: broker.port)
        var configuration = self.configuration(wire.port)
        configuration.keepalive = .seconds(5)
        configuration.answerPatience = .seconds(5)
        let session = try Session(configuration, logger: silentLogger)
        try await session.connect()
        let atFirst = wire.bytesFromServer
        async let failure = self.failureOfReceiving(session)
        // It leaves what it has not subscribed to, and is answered with six bytes.
        try await waitUntil("two questions and their answers") { wire.bytesFromServer >= atFirst + 12 }
        wire.goSilent()
        let error = await failure
        #expect(error?.kind == .connectionLost && error?.message.contains("ping") == true, "\(error as Any)")
        await wire.stop()
        await broker.stop()
    }

    @Test("of several the next is tried when one is dead, silent or refuses, and the one that worked is tried first")
    func several() async throws {
        try await LocalMosquitto.with { mosquitto, _ in
            let hole = try BlackHole()
            let silent = try await Wire.start(to: mosquitto.port)
            silent.goSilent()
            let working = try await Wire.start(to: mosquitto.port)
            var configuration = self.configuration(hole.port, silent.port, try freePort(), working.port)
            configuration.connectTimeout = .seconds(3)
            let session = try Session(configuration, logger: silentLogger)
            for count in 1...3 {
                try await session.connect()
                #expect(working.connections == count && silent.connections == 1)
            }
            await working.stop()
            await session.disconnect(acknowledging: true)
            let error = await #expect(throws: MQTTError.self) { try await session.connect() }
            for port in [hole.port, silent.port] {
                #expect(error?.message.contains("127.0.0.1:\(port): ") == true, "\(error as Any)")
            }
            await silent.stop()
        }
    }

    @Test("addresses are hosts with or without a port")
    func addresses() {
        let cases: [(String, String?)] = [
            ("broker", "broker:1883"), ("broker:1884", "broker:1884"), ("10.0.0.1:1", "10.0.0.1:1"),
            ("::1", "[::1]:1883"), ("[::1]", "[::1]:1883"), ("[::1]:1884", "[::1]:1884"), ("", nil), (":1884", nil),
            ("broker:", nil), ("broker:0", nil), ("broker:65536", nil), ("broker:x", nil), ("mqtt://broker", nil),
            ("a b", nil), ("[::1", nil), ("[::1]1884", nil),
        ]
        for (text, expected) in cases {
            #expect(BrokerAddress(text, defaultPort: 1_883).map { "\($0)" } == expected, "\(text)")
        }
    }

    @Test("messages are not held for longer than it waits to hear from us")
    func hold() async throws {
        let configuration = self.configuration(1)
        #expect(configuration.keepalive + configuration.longestHold < configuration.keepalive * 3 / 2)
        #expect(configuration.longestHold > .seconds(2))
        let wanted: [(UInt8, Duration?)] = [(0, nil), (2, .milliseconds(500)), (10, .milliseconds(3_500))]
        for (seconds, hold) in wanted {
            let broker = try await ScriptedBroker.start(greeting: .properties([0x13, 0, seconds])) { _ in .silence }
            let session = try Session(self.configuration(broker.port), logger: silentLogger)
            #expect(session.limits.longestHold == nil)
            try await session.connect()
            #expect(session.limits.longestHold == hold, "as the broker wants it")
            await session.disconnect(acknowledging: true)
            await broker.stop()
        }
        #expect(configuration.keepalive + configuration.answerPatience <= .seconds(20))
    }
}
