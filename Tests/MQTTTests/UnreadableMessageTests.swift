import LocalServices
import MQTT
import TestSupport
import Testing

@Suite("A message that libmosquitto cannot read, passed on by a broker that does not mind")
struct UnreadableMessageTests {
    private typealias Kept = ScriptedBroker.Kept

    private static let topic = "things/x/messages"

    private func session(at broker: ScriptedBroker, by front: TLSFront?) throws -> Session {
        var configuration = Session.Configuration(
            host: "127.0.0.1", port: front?.port ?? broker.port, clientID: "test",
            topicFilters: ["things/+/messages/#"])
        configuration.tlsCAFile = front?.authority
        return try Session(configuration, logger: silentLogger)
    }

    private typealias Received = (messages: [ReceivedMessage], unreadable: Int, topic: String?)

    /// Goes on until libmosquitto reads again and the broker keeps nothing.
    private func receiveAll(
        from broker: ScriptedBroker, by front: TLSFront? = nil, following filters: [NumberedFilter] = []
    ) async throws -> Received {
        let session = try self.session(at: broker, by: front)
        var (received, isConnected): (Received, Bool) = (([], 0, nil), false)
        try await waitUntil("libmosquitto to read again, with nothing left") {
            do throws(MQTTError) {
                if !isConnected { try await session.connect(following: filters) }
                isConnected = true
                let batch = try await session.acknowledgeAndReceive(upTo: 9, bytes: .max, within: .seconds(1))
                received.messages += batch.messages
                received.unreadable += batch.unreadable
                received.topic = batch.unreadableTopic ?? received.topic
            } catch {
                #expect(error.kind == .connectionLost && error.message.contains("no text to MQTT"), "\(error)")
                isConnected = false
            }
            // Nothing can be subscribed to while packets are read otherwise.
            let mayChange = await session.mayChange
            return isConnected && mayChange && broker.isRid && broker.spoken.count > 2
        }
        #expect(broker.spoken.allSatisfy { $0 == 5 })
        await session.disconnect(acknowledging: true)
        await broker.stop()
        return received
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
        "is taken without that property, with what stands before and behind it; then libmosquitto goes on",
        arguments: unreadable)
    func property(_ what: String, _ properties: [UInt8]) async throws {
        let good = Self.pair(Array("a".utf8), Array("b".utf8))
        let broker = try await ScriptedBroker.start(keeping: [
            Kept("1", on: Self.topic, properties: good), Kept("2", on: Self.topic, properties: properties + good),
            Kept("3", on: Self.topic),
        ]) { _ in .silence }
        let received = try await self.receiveAll(from: broker)
        #expect(received.messages.map { String(decoding: $0.payload, as: UTF8.self) } == ["1", "2", "3"], "\(what)")
        #expect(received.messages.allSatisfy { $0.topic == Self.topic && $0.qos == 1 && !$0.isRetained })
        let found = received.messages.map(\.properties)
        #expect(found.map { $0?.user.map(\.value) } == [["b"], ["b"], nil], "\(what)")
        #expect(found.map { $0?.leftOut } == [0, 1, nil], "\(what)")
        #expect(received.unreadable == 0)
    }

    private static let topics: [(String, [UInt8])] = [
        ("a control character", Array("things/x/messages/\u{1}".utf8)), ("a zero byte", Array("things/\0".utf8)),
        ("bytes that are no UTF-8", Array("things/x/messages/".utf8) + [0xFF]), ("nothing", []),
    ]

    @Test(
        "is passed over where it is its topic that is no text: it costs itself, and what stands beside it comes",
        arguments: topics)
    func topic(_ what: String, _ topic: [UInt8]) async throws {
        let broker = try await ScriptedBroker.start(keeping: [
            Kept("1", on: Self.topic), Kept("2", onBytes: topic), Kept("3", on: Self.topic),
        ]) { _ in .silence }
        let received = try await self.receiveAll(from: broker)
        #expect(received.messages.map { String(decoding: $0.payload, as: UTF8.self) } == ["1", "3"], "\(what)")
        #expect(received.unreadable == 1)
        #expect(received.topic == String(decoding: topic, as: UTF8.self), "\(what)")
    }

    @Test("is passed over with TLS as well")
    func tls() async throws {
        let kept = (1...20).map { Kept("\($0)", on: Self.topic + ($0 == 7 ? "/\u{1}" : "")) }
        let broker = try await ScriptedBroker.start(keeping: kept) { _ in .silence }
        let front = try await TLSFront.start(to: broker.port)
        let received = try await self.receiveAll(from: broker, by: front)
        let payloads = received.messages.map { String(decoding: $0.payload, as: UTF8.self) }
        #expect(payloads == (1...20).filter { $0 != 7 }.map { "\($0)" })
        #expect(received.unreadable == 1)
        await front.stop()
    }

    @Test("because it names several subscriptions, is taken with them; from then on they have no numbers")
    func subscriptions() async throws {
        let broker = try await ScriptedBroker.start(keeping: [
            Kept("1", on: "a/b", properties: [0x0B, 1, 0x0B, 0xAC, 0x02])
        ]) { _ in .silence }
        let filters = [
            NumberedFilter(filter: "a/#", number: 1, retained: false),
            NumberedFilter(filter: "+/b", number: 300, retained: false),
        ]
        let received = try await self.receiveAll(from: broker, following: filters)
        #expect(received.messages.map(\.subscriptions) == [[1, 300]])
        #expect(broker.subscribed.count > 3 && broker.subscribed.suffix(3).allSatisfy(\.isEmpty))
    }
}
