import Domain
import NIOCore
import Testing
import Values

@testable import Delivery

@Suite("The traceparent of a request")
struct TraceparentTests {
    @Test(
        "is the attempt's if its trace is recorded, or else the publisher's, if there is one; once",
        arguments: [false, true],
        [
            (nil, nil, []), ("of the publisher", nil, ["of the publisher"]),
            (nil, "of the attempt", ["of the attempt"]),
            ("of the publisher", "of the attempt", ["of the attempt"]),
        ] as [(String?, String?, [String])])
    func header(rendered: Bool, row: (published: String?, own: String?, sent: [String])) throws {
        let requests = WebhookRequests(
            WebhookTarget(
                key: WebhookKey(rawValue: 1), id: .random(), group: .random(), version: 1,
                url: try WebhookURL("http://example.com"), headers: [], options: WebhookOptions(), signingKeys: nil))
        let message = Message(
            id: .first(at: Instant(clampingSeconds: 1_800_000_000)), thing: .random(), group: requests.target.group,
            subtopic: "", contentType: "a/b", payload: [1], traceparent: row.published, isKept: false,
            receivedNanoseconds: nil)
        let delivery = Delivery(message: message, webhook: requests.target, attempts: 0)
        let time = Instant(clampingSeconds: 1_800_000_001)
        var buffer = ByteBuffer()
        if rendered {
            let request = try requests.plan.render(message, org: nil, facts: .unknown)
            buffer.writeRequest(
                request, about: message, id: delivery.sentID, by: requests, at: time, traceparent: row.own)
        } else {
            buffer.writeRequest(of: delivery, by: requests, at: time, traceparent: row.own)
        }
        let lines = String(decoding: buffer.readableBytesView, as: UTF8.self).split(separator: "\r\n")
        let sent = lines.filter { $0.hasPrefix("traceparent: ") }.map { String($0.dropFirst("traceparent: ".count)) }
        #expect(sent == row.sent)
    }
}
