import LocalServices
import MQTT
import TestSupport
import Testing

@Suite("A connection to the broker that is cut at any packet")
struct LostAnswerTests {
    private func configuration(_ port: Int, id: String) -> Session.Configuration {
        Session.Configuration(host: "127.0.0.1", port: port, clientID: id, topicFilters: ["things/+/messages/#"])
    }

    private func withBroker(_ body: (LocalMosquitto, Proxy) async throws -> Void) async throws {
        let mosquitto = try LocalMosquitto.prepare(
            in: Files.makeTemporaryFolder(), port: freePort(), persistent: false)
        let process = try await mosquitto.start()
        let proxy = try await Proxy.start(to: mosquitto.port, speaking: .mqtt)
        do { try await body(mosquitto, proxy) } catch {
            await process.stop()
            throw error
        }
        await proxy.stop()
        await process.stop()
    }

    /// Receives and acknowledges until all of these have come, connecting again as often as it takes.
    private func receive(_ session: Session, _ wanted: Set<String>) async throws {
        var (received, isConnected): (Set<String>, Bool) = ([], false)
        try await waitUntil("all messages") {
            do throws(MQTTError) {
                if !isConnected { try await session.connect() }
                isConnected = true
                received.formUnion(
                    try await session.acknowledgeAndReceive(upTo: 2, bytes: .max, within: .milliseconds(50)).messages
                        .map { String(decoding: $0.payload, as: UTF8.self) })
            } catch {
                isConnected = false
            }
            return received.isSuperset(of: wanted)
        }
        #expect(received == wanted)
    }

    /// What the last call returned is acknowledged by the next. The cut may come only now: the broker is free to answer a
    /// subscription behind the messages that it has kept.
    private func settle(_ session: Session, _ proxy: Proxy) async throws {
        var isConnected = true
        try await waitUntil("all to be acknowledged") {
            do throws(MQTTError) {
                if !isConnected { try await session.connect() }
                isConnected = true
                let more = try await session.acknowledgeAndReceive(
                    upTo: 9, bytes: .max, within: .milliseconds(200)
                ).messages
                return more.isEmpty && proxy.hasCut
            } catch {
                isConnected = false
                return false
            }
        }
    }

    @Test("loses no message, and what was acknowledged does not come again")
    func session() async throws {
        try await self.withBroker { mosquitto, proxy in
            // CONNACK, SUBACK, and the messages.
            for number in 1...7 {
                // A cut behind the last message may come when everything that is waited for is there.
                for last in Proxy.LastMessage.allCases where number < 7 || last != .delivered {
                    let session = try Session(
                        self.configuration(proxy.port, id: "\(number)\(last)"), logger: silentLogger)
                    try await session.connect()
                    await session.disconnect(acknowledging: true)
                    try await self.publish(mosquitto, 1...5)
                    proxy.cut(after: number, last: last)
                    try await self.receive(session, ["1", "2", "3", "4", "5"])
                    try await self.settle(session, proxy)
                    // A goodbye makes sure that it has come there.
                    await session.disconnect(acknowledging: true)
                    try await self.publish(mosquitto, 6...6)
                    try await self.receive(session, ["6"])
                    await session.end()
                }
            }
        }
    }

    @Test("never has a publisher believe that the broker has what it has not")
    func publisher() async throws {
        try await self.withBroker { mosquitto, proxy in
            let session = try Session(self.configuration(mosquitto.port, id: "listener"), logger: silentLogger)
            try await session.connect()
            for number in 1...4 {
                for last in Proxy.LastMessage.allCases {
                    let publisher = try Publisher(self.configuration(proxy.port, id: "publisher"), logger: silentLogger)
                    proxy.cut(after: number, last: last)
                    var (next, isConnected): (UInt8, Bool) = (1, false)
                    try await waitUntil("three messages to be published") {
                        do throws(MQTTError) {
                            if !isConnected { try await publisher.connect() }
                            isConnected = true
                            try await publisher.publish([next], to: "things/x/messages")
                            next += 1
                        } catch {
                            isConnected = false
                        }
                        return next > 3
                    }
                    await publisher.disconnect()
                    var heard: [UInt8] = []
                    try await waitUntil("all three") {
                        heard += try await session.acknowledgeAndReceive(
                            upTo: 9, bytes: .max, within: .milliseconds(50)
                        ).messages.map { $0.payload[0] }
                        return Set(heard) == [1, 2, 3]
                    }
                    #expect(heard == heard.sorted(), "in their order")
                }
            }
        }
    }

    private func publish(_ mosquitto: LocalMosquitto, _ payloads: ClosedRange<Int>) async throws {
        try await ChildProcess.complete(
            "sh",
            [
                "-c",
                "seq \(payloads.lowerBound) \(payloads.upperBound) | mosquitto_pub -h 127.0.0.1 -p \(mosquitto.port) -q 1 -l -t things/x/messages",
            ])
    }
}
