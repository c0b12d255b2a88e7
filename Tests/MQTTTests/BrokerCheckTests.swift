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
