import Domain
import Testing

/// The vectors of the Standard Webhooks reference libraries.
@Suite("Standard Webhooks signatures")
struct SigningKeyTests {
    private static let id = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    private static let timestamp: Int64 = 1_614_265_330
    private static let body = Array(#"{"test": 2432232314}"#.utf8)
    private static let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    private static let v1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    private static let privateKey =
        "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
    private static let v1a =
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="

    @Test(
        "are those of the published vectors",
        arguments: [
            (secret, v1), (String(secret.dropFirst(6)), v1), (privateKey, v1a),
        ])
    func vectors(_ key: String, _ expected: String) throws {
        let key = try SigningKey(key)
        #expect(key.signature(id: Self.id, timestamp: Self.timestamp, body: Self.body) == expected)
        // A key's state is not used up by signing.
        #expect(key.signature(id: Self.id, timestamp: Self.timestamp, body: Self.body) == expected)
    }

    @Test("depend on every part of what is signed")
    func parts() throws {
        let key = try SigningKey(Self.secret)
        #expect(key.signature(id: Self.id + "x", timestamp: Self.timestamp, body: Self.body) != Self.v1)
        #expect(key.signature(id: Self.id, timestamp: Self.timestamp + 1, body: Self.body) != Self.v1)
        #expect(key.signature(id: Self.id, timestamp: Self.timestamp, body: []) != Self.v1)
    }

    @Test("come from keys that can be read back as they are written")
    func text() throws {
        #expect(try SigningKey(Self.secret).text == Self.secret)
        #expect(try SigningKey(Self.privateKey).text == Self.privateKey)
        #expect(try SigningKey(Self.privateKey).publicText == "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=")
        #expect(try SigningKey(Self.secret).publicText == nil)
        var generator = SystemRandomNumberGenerator()
        for kind in [SigningKey.Kind.hmac, .ed25519] {
            let key = SigningKey.random(kind, using: &generator)
            #expect(try SigningKey(key.text).text == key.text)
            #expect(key.text != SigningKey.random(kind, using: &generator).text)
        }
    }

    @Test(
        "are not made with keys that are none",
        arguments: [
            "", "whsec_", "whsec_==", "whsec_c2hvcnQ=", secret + "=x", secret + "=", secret + "=\(secret)",
            "whsec_!!!!", "whsk_c2hvcnQ=", "whsk_",
            // 65 bytes.
            "whsec_" + Base64.encode([UInt8](repeating: 7, count: 65)),
            // An Ed25519 key with somebody else's public key.
            "whsk_" + Base64.encode([UInt8](repeating: 7, count: 64)),
        ])
    func refused(_ text: String) {
        let error = #expect(throws: InvalidField.self) { try SigningKey(text) }
        #expect(error?.field == "secret")
    }

    @Test("of two keys are parted by exactly one space")
    func rotation() throws {
        let keys = SigningKeys(
            current: try SigningKey(Self.privateKey), former: try SigningKey(Self.secret),
            formerUntil: Self.timestamp + 1)
        #expect(
            keys.header(id: Self.id, timestamp: Self.timestamp, body: Self.body) == "\(Self.v1a) \(Self.v1)")
        #expect(keys.header(id: Self.id, timestamp: Self.timestamp + 1, body: Self.body).hasPrefix("v1a,"))
    }
}
