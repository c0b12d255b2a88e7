import LocalServices
import MQTT
import TestSupport
import Testing

@Suite("A check of a broker")
struct BrokerCheckTests {
    private func findings(
        of mosquitto: LocalMosquitto, _ change: (inout Session.Configuration) -> Void = { _ in }
    ) async throws -> [String: BrokerCheck.Finding] {
        var broker = Session.Configuration(host: "127.0.0.1", port: mosquitto.port, clientID: "", topicFilters: [])
        change(&broker)
        let check = BrokerCheck(broker, below: "check", count: 1_500, token: "t", logger: silentLogger)
        return Dictionary(try await check.run().map { ($0.subject, $0) }) { first, _ in first }
    }

    @Test("finds all that is needed at mosquitto, and leaves nothing there")
    func good() async throws {
        try await LocalMosquitto.with { mosquitto, _ in
            let found = try await self.findings(of: mosquitto)
            #expect(found.values.allSatisfy { $0.weight == .good }, "\(found.values.map(\.text))")
            #expect(
                Set(found.keys) == ["protocol", "limits", "queue", "properties", "shared", "retained"], "\(found.keys)")
            #expect(found["queue"]?.text.contains("1500 messages") == true)
            // Once more finds no message of the first time.
            #expect(try await self.findings(of: mosquitto) == found)
        }
    }

    @Test("only asks what a broker says of itself, without a right to anything there")
    func greeting() async throws {
        func greeting(of mosquitto: LocalMosquitto) async throws -> [BrokerCheck.Finding] {
            let broker = Session.Configuration(
                host: "127.0.0.1", port: mosquitto.port, clientID: "", topicFilters: [])
            return try await BrokerCheck(broker, below: "check", count: 0, token: "t", logger: silentLogger).greeting()
        }
        let folder = try Files.makeTemporaryFolder()
        try Files.write("topic readwrite other/#\n", to: "\(folder)/acl")
        try await LocalMosquitto.with(extra: ["acl_file \(folder)/acl", "retain_available false"]) { mosquitto, _ in
            let found = try await greeting(of: mosquitto)
            #expect(found.contains { $0.subject == "protocol" && $0.weight == .good }, "\(found)")
            #expect(found.contains { $0.subject == "retained" && $0.weight == .weak }, "\(found)")
        }
        try await LocalMosquitto.with(anonymous: false) { mosquitto, _ in
            let error = await #expect(throws: MQTTError.self) { try await greeting(of: mosquitto) }
            #expect(error?.kind == .refused)
        }
    }

    @Test("says how many messages were thrown away, and what else is not there")
    func bad() async throws {
        let limits = ["max_queued_messages 100", "retain_available false"]
        try await LocalMosquitto.with(extra: limits) { mosquitto, _ in
            let found = try await self.findings(of: mosquitto)
            let queue = try #require(found["queue"])
            #expect(queue.weight == .bad && queue.text.contains("of 1500 messages"), "\(queue.text)")
            #expect(queue.text.contains("MQTT_RECEIVE_MAXIMUM (4000)"))
            #expect(found["retained"]?.weight == .weak)
        }
    }

    private func check(_ port: Int) -> BrokerCheck {
        let broker = Session.Configuration(host: "127.0.0.1", port: port, clientID: "", topicFilters: [])
        return BrokerCheck(broker, below: "check", count: 10, token: "t", logger: silentLogger)
    }

    @Test("names a broker that speaks MQTT 3.1.1 alone")
    func formerVersion() async throws {
        let broker = try await ScriptedBroker.start(greeting: .formerVersion) { _ in .silence }
        for found in [try await self.check(broker.port).greeting(), try await self.check(broker.port).run()] {
            #expect(found.map(\.subject) == ["protocol"] && found.first?.weight == .bad, "\(found)")
            #expect(found.first?.text.contains("MQTT 3.1.1 and not to MQTT 5") == true)
        }
        await broker.stop()
    }

    @Test("calls a session's time short only if it is shorter than was asked for", arguments: [60, 604_799, 604_800])
    func expiry(seconds: UInt32) async throws {
        let named = (0..<4).map { UInt8(truncatingIfNeeded: seconds >> (24 - 8 * $0)) }
        let broker = try await ScriptedBroker.start(greeting: .properties([0x11] + named)) { _ in .silence }
        let found = try await self.check(broker.port).greeting().first { $0.subject == "expiry" }
        #expect((found == nil) == (seconds == 604_800))
        #expect(found?.text.contains("\(seconds) seconds") != false && found?.text.contains("604800") != false)
        await broker.stop()
    }

    @Test("tries nothing more where nothing can be acknowledged, or is taken by a wildcard", arguments: [0x24, 0x28])
    func unfit(property: UInt8) async throws {
        let broker = try await ScriptedBroker.start(greeting: .properties([property, 0])) { _ in .silence }
        let found = try await self.check(broker.port).run()
        #expect(found.filter { $0.weight == .bad }.map(\.subject) == [property == 0x24 ? "qos" : "wildcards"])
        #expect(!found.contains { $0.subject == "queue" || $0.subject == "rights" } && broker.received.isEmpty)
        await broker.stop()
    }

    @Test("says that it is not let in, or may not read")
    func refused() async throws {
        try await LocalMosquitto.with(anonymous: false) { mosquitto, _ in
            let error = await #expect(throws: MQTTError.self) {
                try await self.findings(of: mosquitto) { $0.username = "nobody" }
            }
            #expect(error?.kind == .refused)
        }
        let folder = try Files.makeTemporaryFolder()
        try Files.write("topic readwrite other/#\n", to: "\(folder)/acl")
        try await LocalMosquitto.with(extra: ["acl_file \(folder)/acl"]) { mosquitto, _ in
            let found = try await self.findings(of: mosquitto)
            #expect(found["rights"]?.weight == .bad, "\(found)")
        }
    }
}
