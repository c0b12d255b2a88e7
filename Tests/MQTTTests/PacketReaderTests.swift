import Testing
import Values

@testable import MQTT

@Suite("Packets that are read and written without libmosquitto")
struct PacketReaderTests {
    /// A PUBLISH (MQTT 5, section 3.3).
    private func publish(_ payload: [UInt8], flags: UInt8 = 2) -> [UInt8] {
        let body: [UInt8] = [0, 1, 0x61] + (flags & 6 == 0 ? [] : [0x12, 0x34]) + [0] + payload
        return [0x30 | flags] + self.length(body.count) + body
    }

    private func length(_ count: Int) -> [UInt8] {
        count < 128 ? [UInt8(count)] : [UInt8(count & 0x7F) | 0x80] + self.length(count >> 7)
    }

    @Test("are found in a stream however it is cut", arguments: [1, 2, 3, 7, 1_000, 100_000])
    func cut(size: Int) throws {
        let payloads: [[UInt8]] = [[], [1], Array(repeating: 2, count: 127), Array(repeating: 3, count: 20_000)]
        var stream: [UInt8] = []
        for payload in payloads { stream += self.publish(payload) }
        stream += [0xD0, 0]
        var (reader, found, kinds): (PacketReader, [[UInt8]], Int) = (PacketReader(), [], 0)
        for start in stride(from: 0, to: stream.count, by: size) {
            reader.append(Array(stream[start..<min(start + size, stream.count)]))
            while reader.hasNext, let packet = try reader.next() {
                kinds += 1
                guard packet.kind == .publish else { continue }
                let publish = try ReadPublish(packet)
                #expect(publish.id == 0x1234)
                found.append(try #require(publish.message).payload)
            }
        }
        #expect(found == payloads && kinds == 5)
        #expect(try reader.next() == nil)
    }

    @Test("are of QoS 0 without an id, and say that they were kept")
    func flags() throws {
        var reader = PacketReader()
        reader.append(self.publish([1], flags: 0) + self.publish([2], flags: 3))
        let first = try ReadPublish(#require(try reader.next()))
        let second = try ReadPublish(#require(try reader.next()))
        #expect(first.id == nil && first.message?.qos == 0 && first.message?.isRetained == false)
        #expect(second.id == 0x1234 && second.message?.qos == 1 && second.message?.isRetained == true)
    }

    private static let broken: [(String, [UInt8])] = [
        ("a length of five bytes", [0x32, 0xFF, 0xFF, 0xFF, 0xFF, 1]), ("QoS 2", [0x34, 6, 0, 1, 0x61, 0, 1, 0]),
        ("no room for its topic", [0x32, 2, 0, 9]), ("no id", [0x32, 3, 0, 1, 0x61]),
        ("properties beyond its end", [0x32, 6, 0, 1, 0x61, 0, 1, 9]), ("nothing", [0x32, 0]),
    ]

    @Test("are refused where they are none", arguments: broken)
    func malformed(_ what: String, _ bytes: [UInt8]) {
        var reader = PacketReader()
        reader.append(bytes)
        #expect(reader.hasNext, "\(what)")
        #expect(throws: MalformedPacket.self, "\(what)") { _ = try ReadPublish(#require(try reader.next())) }
    }

    @Test("have properties up to the first that is not known")
    func properties() {
        var found = PropertyReading()
        let bytes: [UInt8] = [
            0x01, 1, 0x02, 0, 0, 1, 0, 0x23, 0, 1, 0x08, 0, 1, 0x62, 0x09, 0, 2, 0xFF, 0, 0x26, 0, 1, 0x61, 0, 0,
            0x0B, 0xAC, 0x02, 0x7F, 0x03, 0, 1, 0x61,
        ]
        #expect(found.read(bytes[...]) == [300])
        #expect(found.expiry == 256 && found.responseTopic == "b" && found.correlationData == [0xFF, 0])
        #expect(found.user.map(\.name) == ["a"] && found.user.map(\.value) == [""])
        #expect(found.contentType == nil && found.leftOut == 0)
    }

    @Test("ask for the session, and leave it")
    func written() {
        var configuration = Session.Configuration(host: "h", port: 1, clientID: "ab", topicFilters: [])
        let head: [UInt8] = [0, 4, 0x4D, 0x51, 0x54, 0x54, 5]
        // A week, and 4,000 messages.
        let rest: [UInt8] = [0, 15, 8, 0x11, 0, 0x09, 0x3A, 0x80, 0x21, 0x0F, 0xA0, 0, 2, 0x61, 0x62]
        #expect(OwnPackets.connect(configuration) == [0x10, 23] + head + [0] + rest)
        configuration.username = "u"
        configuration.password = Secret("pw")
        #expect(
            OwnPackets.connect(configuration)
                == [0x10, 30] + head + [0xC0] + rest + [0, 1, 0x75, 0, 2, 0x70, 0x77])
        configuration.clientID = String(repeating: "c", count: 200)
        #expect(OwnPackets.connect(configuration).starts(with: [0x10, 0xE4, 0x01] + head))
        #expect(OwnPackets.acknowledgement(of: 0x1234) == [0x40, 2, 0x12, 0x34])
        #expect(OwnPackets.goodbye(forgetting: false) == [0xE0, 0])
        #expect(OwnPackets.goodbye(forgetting: true) == [0xE0, 7, 0, 5, 0x11, 0, 0, 0, 0])
    }
}
