import Domain
import Gzip
import Synchronization
import Testing

@testable import WebhookClient

@Suite("A body that comes packed")
struct BodyCodingTests {
    private static let text = #"{"ok":true,"n":[1,2,3]}"#

    /// By Python's `zlib` and `gzip`.
    private static let packed: [(coding: String, base64: String)] = [
        ("deflate", "eJyrVsrPVrIqKSpN1VHKU7KKNtQx0jGOrQUAVfMGzw=="),
        // Without zlib's head and end.
        ("deflate", "q1bKz1ayKikqTdVRylOyijbUMdIxjq0FAA=="),
        ("gzip", "H4sIAAAAAAACA6tWys9WsiopKk3VUcpTsoo21DHSMY6tBQCBKM+4FwAAAA=="),
        // Two, one behind the other.
        (
            "x-gzip",
            "H4sIAAAAAAACA6tWys9WsiopKk0FAL+BE7wKAAAAH4sIAAAAAAACA9NRylOyijbUMdIxjq0FAH7fEGANAAAA"
        ),
        // With a name.
        ("gzip", "H4sICAAAAAAC/2Fuc3dlci5qc29uAKtWys9WsiopKk3VUcpTsoo21DHSMY6tBQCBKM+4FwAAAA=="),
    ]

    @Test("is read as what is in it, however that was done", arguments: Self.packed)
    func unpacked(coding: String, base64: String) throws {
        let bytes = try #require(Base64.decode(base64))
        #expect(BodyCoding.unpacked(bytes, from: coding, most: 4_096)?.bytes == Array(Self.text.utf8))
        #expect(BodyCoding.unpacked(bytes, from: coding, most: 5)?.bytes == Array(Self.text.utf8.prefix(5)))
        #expect(BodyCoding.unpacked(bytes, from: "br", most: 4_096) == nil)
    }

    @Test("is read as far as it has come, unless that is where keeping it ended")
    func cut() throws {
        let bytes = try #require(Base64.decode(Self.packed[2].base64))
        let half = BodyCoding.unpacked(Array(bytes.prefix(20)), from: "gzip", most: 4_096)
        #expect(half?.bytes.count ?? 99 < 23 && half?.isCutShort == true)
        // What does not get smaller, and has more around it than is kept for that.
        let noise = Self.stored((0..<9_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 / 251) })
        let kept = ResponseParser.kept(of: 4_096, coding: "deflate")
        #expect(noise.count > kept)
        #expect(BodyCoding.unpacked(Array(noise.prefix(kept)), from: "deflate", most: 4_096) == nil)
        let rest = BodyCoding.unpacked(Array(noise.prefix(kept - 1)), from: "deflate", most: 4_096)
        #expect(rest?.bytes.isEmpty == false)
    }

    /// As it is in blocks of four bytes, each with its head (RFC 1951, section 3.2.4).
    private static func stored(_ bytes: [UInt8]) -> [UInt8] {
        stride(from: 0, to: bytes.count, by: 4).flatMap { start -> [UInt8] in
            let block = bytes[start..<min(start + 4, bytes.count)]
            let count = UInt8(block.count)
            var packed: [UInt8] = [start + 4 < bytes.count ? 0 : 1, count, 0, ~count, 0xFF]
            packed += block
            return packed
        }
    }

    @Test(
        "says how in any case, and what is none is not told",
        arguments: [
            ("Content-Encoding: GZIP", "gzip"), ("content-encoding:  x-gzip ", "x-gzip"),
            ("content-encoding: br", "br"),
            ("content-encoding: identity", nil), ("content-encoding:", nil), ("x-content-coding: gzip", nil),
            ("content-encoding: gzip\r\ncontent-encoding: br", "gzip, br"),
        ] as [(String, String?)])
    func head(fields: String, coding: String?) throws {
        var parser = ResponseParser()
        let bytes = Array("HTTP/1.1 200 OK\r\n\(fields)\r\ncontent-length: 0\r\n\r\n".utf8)
        let progress = bytes.withUnsafeBytes { bytes in Result { try parser.read(bytes) } }
        #expect(try progress.get() == .complete(canReuse: true))
        #expect(parser.coding == coding)
        parser.reset()
        #expect(parser.coding == nil)
    }

    @Test("is handed on unpacked, and as it came, with what it is said to be, where that cannot be done")
    func handedOn() async throws {
        let plain = Array(Self.text.utf8)
        let gzip = try #require(Base64.decode(Self.packed[2].base64))
        let cases: [(coding: String, sent: [UInt8], body: [UInt8], packed: [String])] = [
            ("gzip", gzip, plain, []), ("identity", plain, plain, []),
            ("br", [0x0B, 0x02, 0x80], [0x0B, 0x02, 0x80], ["br"]),
            // Something on the way has unpacked it already.
            ("gzip", plain, plain, ["gzip"]), ("gzip, gzip", gzip, gzip, ["gzip, gzip"]), ("gzip", [], [], []),
        ]
        for (coding, sent, body, packed) in cases {
            let head = "HTTP/1.1 200 OK\r\ncontent-encoding: \(coding)\r\ncontent-length: \(sent.count)\r\n\r\n"
            let server = try await ScriptedServer.start([.sendBytes(head, sent)])
            let client = try await Client("http://127.0.0.1:\(server.port)/")
            let told = Told()
            // Twice, because what one answer was packed in says nothing of the next on its connection.
            for _ in 0..<2 {
                let outcome = try await client.send(onStep: { told.note($0) })
                guard case .response(200, let found, _) = outcome else {
                    Issue.record("\(coding): \(outcome)")
                    continue
                }
                #expect(found == body, "\(coding)")
            }
            #expect(told.packed == packed + packed, "\(coding)")
            #expect(server.connections == 1, "\(coding)")
            try await client.close()
            try await server.stop()
        }
    }

    private final class Told: Sendable {
        private let all = Mutex<[String]>([])
        var packed: [String] { self.all.withLock { $0 } }
        func note(_ step: ConnectionStep) {
            if case .faulty(.packed(let coding)) = step { self.all.withLock { $0.append(coding) } }
        }
    }
}
