import LocalServices
import MQTT
import TestSupport
import Testing

@Suite("A message that libmosquitto cannot read, passed on by a broker that does not mind")
struct UnreadableMessageTests {
    private typealias Kept = ScriptedBroker.Kept

    private static let topic = "things/x/messages"

    private func session(at broker: ScriptedBroker) throws -> Session {
        try Session(
            Session.Configuration(
                host: "127.0.0.1", port: broker.port, clientID: "test", topicFilters: ["things/+/messages/#"]),
            logger: silentLogger)
    }

    /// MQTT 5, section 3.3.2.3.7.
    private static func pair(_ name: [UInt8], _ value: [UInt8]) -> [UInt8] {
        [0x26, 0, UInt8(name.count)] + name + [0, UInt8(value.count)] + value
    }

    private static let unreadable: [(String, [UInt8])] = [
        ("a line break in a user property", pair(Array("a".utf8), Array("one\ntwo".utf8))),
        ("a control character in its name", pair([1], Array("b".utf8))),
        ("what is no character", pair(Array("a".utf8), Array("\u{FFFF}".utf8))),
        ("bytes that are no UTF-8", pair(Array("a".utf8), [0xFF])),
        ("a control character in the content type", [0x03, 0, 2, 0x61, 0x01]),
        ("two content types", [0x03, 0, 1, 0x61, 0x03, 0, 1, 0x62]),
    ]

    @Test(
        "is taken without its properties, with what stands before and behind it; then it goes on with MQTT 5",
        arguments: unreadable)
    func property(_ what: String, _ properties: [UInt8]) async throws {
        let broker = try await ScriptedBroker.start(keeping: [
            Kept("1", on: Self.topic, properties: Self.pair(Array("a".utf8), Array("b".utf8))),
            Kept("2", on: Self.topic, properties: properties), Kept("3", on: Self.topic),
        ]) { _ in .silence }
        let session = try self.session(at: broker)
        var (received, isConnected): ([ReceivedMessage], Bool) = ([], false)
        try await waitUntil("MQTT 5 again, with nothing left") {
            do throws(MQTTError) {
                if !isConnected { try await session.connect() }
                isConnected = true
                received += try await session.acknowledgeAndReceive(
                    upTo: 9, bytes: .max, within: .seconds(1)
                ).messages
            } catch {
                #expect(error.kind == .connectionLost && error.message.contains("no text to MQTT"), "\(error)")
                isConnected = false
            }
            return isConnected && broker.isRid && broker.spoken.last == 5
        }
        #expect(broker.spoken.prefix(2) == [5, 4])
        #expect(received.map { String(decoding: $0.payload, as: UTF8.self) } == ["1", "2", "3"], "\(what)")
        #expect(received.allSatisfy { $0.topic == Self.topic && $0.properties == nil })
        await session.disconnect(acknowledging: true)
        await broker.stop()
    }

    @Test("is named where it is its topic that is no text, and is acknowledged by nobody")
    func topic() async throws {
        let broker = try await ScriptedBroker.start(keeping: [Kept("1", on: "\(Self.topic)/\u{1}")]) { _ in .silence }
        let session = try self.session(at: broker)
        let error = await #expect(throws: MQTTError.self) {
            try await session.connect()
            while true {
                let batch = try await session.acknowledgeAndReceive(upTo: 9, bytes: .max, within: .seconds(1))
                #expect(batch.messages.isEmpty)
            }
        }
        #expect(error?.kind == .connectionLost, "\(error as Any)")
        #expect(error?.message.hasPrefix("a topic of a message is no text to MQTT") == true, "\(error as Any)")
        #expect(error?.isUnreadable == true, "\(error as Any)")
        #expect(error?.message.hasSuffix("comes when the broker has forgotten that message") == true)
        #expect(!broker.isRid)
        await broker.stop()
    }
}
