import Domain
import Gzip
import LocalServices
import NIOCore
import Testing
import Values

@testable import Delivery

@Suite("Bodies that are compressed")
struct CompressionTests {
    private static func requests(_ compression: WebhookOptions.Compression) throws -> WebhookRequests {
        var options = WebhookOptions()
        options.compression = compression
        return WebhookRequests(
            WebhookTarget(
                key: WebhookKey(rawValue: 1), id: .random(), group: .random(), version: 1,
                url: try WebhookURL("http://example.com"), headers: [], options: options,
                signingKeys: SigningKeys(current: try SigningKey("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"))))
    }

    private static func sent(
        _ payload: String, by requests: WebhookRequests, rendered: Bool
    ) throws -> (head: String, body: [UInt8]) {
        let message = Message(
            id: .first(at: Instant(clampingSeconds: 1_800_000_000)), thing: .random(), group: requests.target.group,
            subtopic: "", contentType: "a/b", payload: Array(payload.utf8), traceparent: nil, isKept: false,
            receivedNanoseconds: nil)
        var buffer = ByteBuffer()
        let time = Instant(clampingSeconds: 1_800_000_001)
        let delivery = Delivery(message: message, webhook: requests.target, attempts: 0)
        if rendered {
            let request = try requests.plan.render(message, org: nil, facts: .unknown)
            buffer.writeRequest(request, about: message, id: delivery.sentID, by: requests, at: time)
        } else {
            buffer.writeRequest(of: delivery, by: requests, at: time)
        }
        let bytes = Array(buffer.readableBytesView)
        let end = try #require(bytes.firstRange(of: Array("\r\n\r\n".utf8)))
        let body = Array(bytes[end.upperBound...])
        let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
        // What was sent is what is signed.
        let signature = requests.signer?.header(id: delivery.sentID, timestamp: time.seconds, body: body) ?? "none"
        #expect(head.contains("\r\nwebhook-signature: \(signature)\r\n"))
        #expect(head.contains("\r\ncontent-length: \(body.count)"))
        return (head, body)
    }

    @Test("are signed as they are sent, unpack to what they were, and say so", arguments: [false, true])
    func compressed(rendered: Bool) async throws {
        let payload = #"{"readings":[\#(Array(repeating: #"{"t":21.70}"#, count: 200).joined(separator: ","))]}"#
        let (head, body) = try Self.sent(payload, by: try Self.requests(.gzip), rendered: rendered)
        #expect(head.contains("\r\ncontent-encoding: gzip\r\n") && body.count < payload.utf8.count / 4)
        #expect(try await Self.unpacked(body) == payload)
        let plain = try Self.sent(payload, by: try Self.requests(.none), rendered: rendered)
        #expect(!plain.head.contains("content-encoding") && plain.body == Array(payload.utf8))
    }

    @Test("are sent as they are where that would make them larger", arguments: ["", "{}", #"{"t":21.70}"#])
    func small(payload: String) throws {
        let (head, body) = try Self.sent(payload, by: try Self.requests(.gzip), rendered: false)
        #expect(!head.contains("content-encoding") && body == Array(payload.utf8))
    }

    @Test("unpack to what they were, whatever their size")
    func sizes() async throws {
        for count in [100, 255, 256, 257, 511, 512, 513, 4_096, 32_768, 70_000, 300_000] {
            let text = String((0..<count / 10).map { "\($0 % 97),abc,xy\n" }.joined().prefix(count))
            let packed = try #require(Gzip.compress(Array(text.utf8)), "\(count)")
            #expect(try await Self.unpacked(packed) == text, "\(count)")
        }
        #expect(Gzip.compress((0..<400).map { _ in .random(in: 0...255) }) == nil)
    }

    /// By `gzip`, which is not ours.
    private static func unpacked(_ bytes: [UInt8]) async throws -> String {
        let folder = try Files.makeTemporaryFolder()
        try Files.write(Base64.encode(bytes), to: "\(folder)/body")
        return try await ChildProcess.complete("sh", ["-c", "base64 -d < \(folder)/body | gzip -dc"])
    }
}
