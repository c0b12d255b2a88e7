internal import Crypto

@testable import Domain

private let secret = "known to both sides"

/// The headers of what was signed as its vendor signs it.
private func signed(_ body: [UInt8], by vendor: SignatureScheme.Vendor, at time: Int64) -> [String: String] {
    func code(_ text: String, _ key: String = secret) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8) + body, using: SymmetricKey(data: Array(key.utf8))))
    }
    switch vendor {
    case .standard:
        return [
            "webhook-id": "1", "webhook-timestamp": "\(time)",
            "webhook-signature": "v1,AAAA v1,\(Base64.encode(code("1.\(time).")))",
        ]
    case .github: return ["x-hub-signature-256": "sha256=\(Hex.encode(code("")))"]
    case .stripe: return ["stripe-signature": "t=\(time), v1=00,v1=\(Hex.encode(code("\(time).")))"]
    case .slack:
        return [
            "x-slack-request-timestamp": "\(time)", "x-slack-signature": "v0=\(Hex.encode(code("v0:\(time):")))",
        ]
    case .shopify: return ["x-shopify-hmac-sha256": Base64.encode(code(""))]
    case .custom: return ["x-own": Hex.encode(code("\(time).")), "x-time": "\(time)"]
    }
}

extension Reader {
    /// A vendor, headers in lines of their own, an empty line, and a body.
    static let signature = Reader("signature") { bytes in
        var input = Input(bytes)
        let now: Int64 = 1_700_000_000
        var scheme = SignatureScheme(vendor: input.choice(of: SignatureScheme.Vendor.allCases))
        if scheme.vendor == .custom { (scheme.header, scheme.timestampHeader) = ("X-Own", "X-Time") }
        var headers: [String: String] = [:]
        while case let line = input.line(), !line.isEmpty {
            let field = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            headers[field[0].lowercased()] = field.count > 1 ? String(field[1]) : ""
        }
        let body = input.bytes
        let foreign = SignedRequest(headers: headers, body: body)
        expect(!scheme.verifies(foreign, secret: secret, now: now), "nobody signs without the secret")
        for text in headers.values { _ = scheme.takes(text) && scheme.verifies(foreign, secret: text, now: now) }
        _ = (scheme.eventID(of: foreign), scheme.challenge(in: foreign))
        let own = signed(body, by: scheme.vendor, at: now)
        expect(
            scheme.verifies(SignedRequest(headers: own, body: body), secret: secret, now: now + 300),
            "what is signed is taken")
        let other = SignedRequest(headers: own, body: body + [0])
        expect(!scheme.verifies(other, secret: secret, now: now), "what was changed is not")
        let isTimed = scheme.vendor != .github && scheme.vendor != .shopify
        expect(
            scheme.verifies(SignedRequest(headers: own, body: body), secret: secret, now: .max) != isTimed,
            "what is old is not")
    }

    /// A subtopic, a schema, the path of an id, and an event.
    static let source = Reader("source") { bytes in
        var input = Input(bytes)
        var settings = SourceSettings()
        settings.subtopic = input.line()
        let (schema, path) = (input.line(), input.line())
        if !schema.isEmpty { settings.schema = schema }
        if !path.isEmpty {
            settings.eventIDPath = path
            settings.thing = SourceThing(path: path, otherwise: .own)
        }
        guard (try? settings.check()) != nil else { return }
        let thing = EntityID(high: 1, low: 2)
        let message = Message(
            id: MessageID(rawValue: 1), thing: thing, group: thing, subtopic: "", contentType: "", payload: input.bytes,
            traceparent: nil, isKept: false, receivedNanoseconds: nil)
        let request = SignedRequest(headers: ["idempotency-key": path], body: input.bytes)
        guard case .accepted(let subtopic, let id, let name) = SourceGate(settings).judge(request, as: message) else {
            return
        }
        let topic = try? ThingTopic("things/\(thing)/messages/\(subtopic)")
        expect(topic?.subtopic == subtopic, "what is accepted can be published")
        expect(!subtopic.utf8.contains { $0 == 0x2B || $0 == 0x23 || $0 == 0 }, "a subtopic is no filter")
        expect(
            name.map { (1...254).contains($0.unicodeScalars.count) } ?? true, "a thing is called something, and no more"
        )
        expect(id.map { (1...255).contains($0.utf8.count) } ?? true, "an id has a bound")
    }
}
