import JWTKit
import Testing

@testable import API

@Suite("A user's token")
struct TokenTests {
    /// As somebody else's issuer may write it: with any number.
    private struct Claims: JWTPayload {
        var sub = "me"
        var exp: Double?
        var nbf: Double?
        var iat: Double?

        func verify(using algorithm: some JWTAlgorithm) {}
    }

    @Test(
        "is good from its beginning to its end, whatever numbers these are",
        arguments: [
            (nil, nil, true), (1e308, nil, true), (9.3e18, nil, true), (-1e308, nil, false),
            (0, nil, false), (nil, -1e308, true), (nil, 1e308, false), (1e308, 0, true), (1e18, 1e17, false),
        ] as [(Double?, Double?, Bool)])
    func times(exp: Double?, nbf: Double?, isGood: Bool) async throws {
        let keys = JWTKeyCollection()
        await keys.add(hmac: "a secret of more than thirty-two bytes", digestAlgorithm: .sha256)
        let text = try await keys.sign(Claims(exp: exp, nbf: nbf, iat: 1e308))
        if isGood {
            #expect(try await keys.verify(text, as: UserToken.self).sub.value == "me")
        } else {
            await #expect(throws: JWTError.self) { try await keys.verify(text, as: UserToken.self) }
        }
    }
}
