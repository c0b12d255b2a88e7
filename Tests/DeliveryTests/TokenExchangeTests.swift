import Domain
import NIOCore
import Testing
import WebhookClient

@testable import Delivery

@Suite("A token that was asked for")
struct TokenExchangeTests {
    private func exchange() throws -> TokenExchange {
        var auth = WebhookAuth()
        (auth.kind, auth.clientID, auth.clientSecret) = (.oauth2, "id", "secret")
        auth.tokenURL = "https://provider.example.com/token"
        return try #require(TokenExchange(auth, wallClock: WallClock { 0 }))
    }

    @Test(
        "is used for as long as its provider says, but for its last moments",
        arguments: [
            (nil, 3_570), ("3600", 3_570), ("86400", 86_370), ("1e308", 86_370), ("120", 90), ("100", 75), ("20", 15),
            ("4", 3), ("1", 1), ("0", 1), ("-5", 1), ("3599.9", 3_569), (#""120""#, 90), (#"" 20 ""#, 15),
            (#""-5""#, 1), (#""nan""#, 3_570), (#""soon""#, 3_570), ("[20]", 3_570), ("null", 3_570),
        ] as [(String?, Int64)])
    func lifetime(_ expires: String?, _ seconds: Int64) throws {
        let member = expires.map { #","expires_in":\#($0)"# } ?? ""
        let answer = Array(#"{"access_token":"abc","token_type":"Bearer"\#(member)}"#.utf8)
        guard
            case .success("Bearer abc", let lifetime) = try self.exchange().read(
                .response(status: 200, body: answer, retryAfter: nil))
        else {
            Issue.record("no token")
            return
        }
        #expect(lifetime == seconds)
    }

    @Test(
        "is one behind a byte order mark too, and where the provider says that it was created", arguments: [200, 201])
    func oddities(_ status: Int) throws {
        let answer = [0xEF, 0xBB, 0xBF] + Array(#"{"access_token":"abc"}"#.utf8)
        guard
            case .success("Bearer abc", _) = try self.exchange().read(
                .response(status: status, body: answer, retryAfter: nil))
        else {
            Issue.record("no token")
            return
        }
    }

    @Test("that could not be asked for says at whom that was")
    func away() throws {
        guard case .failure(let failure) = try self.exchange().read(.failure(.timeout(.firstByte))) else {
            Issue.record("a token")
            return
        }
        #expect(failure.description.hasPrefix("oauth2: at the token url: timeout: "), "\(failure)")
    }

    @Test(
        "is not asked for again before its provider wants that, by the two statuses that say so",
        arguments: [
            (429, "120", 120), (503, "120", 120), (503, "Thu, 01 Jan 1970 00:01:00 GMT", 60), (429, "0.5", 1),
            (429, "7201", 3_600), (429, "0", 0), (429, "soon", nil), (429, nil, nil), (500, "120", nil),
            (400, "120", nil),
            (200, "120", nil),
        ] as [(Int, String?, Int64?)])
    func leftAlone(_ status: Int, _ retryAfter: String?, _ seconds: Int64?) throws {
        guard
            case .failure(let failure) = try self.exchange().read(
                .response(status: status, body: [], retryAfter: retryAfter))
        else {
            Issue.record("a token")
            return
        }
        #expect(failure.wait.map { ($0.milliseconds + 999) / 1_000 } == seconds)
        #expect(failure.description.contains("left alone for") == ((seconds ?? 0) > 0))
        if let seconds, seconds > 0 {
            #expect(failure.description.hasSuffix("left alone for \(seconds) s (Retry-After)"))
        }
    }

    @Test("that is refused tells the code of the error on one line, however much there is of it")
    func code() throws {
        let accents = String(repeating: "\u{301}", count: 5_000)
        let code = #"invalid\r\nx: y\u0000\u001b[2J\u2028e"# + accents
        guard
            case .failure(let failure) = try self.exchange().read(
                .response(status: 400, body: Array(#"{"error":"\#(code)"}"#.utf8), retryAfter: nil))
        else {
            Issue.record("a token")
            return
        }
        let text = failure.description
        let beginning = "oauth2: the token url answered 400: invalid  x: y  [2J e\u{301}"
        #expect(text.unicodeScalars.starts(with: beginning.unicodeScalars), "\(text)")
        #expect(text.unicodeScalars.count < 200)
        #expect(text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
    }

    @Test("is asked for by a client whose name and secret may have any sign")
    func credentials() throws {
        var auth = WebhookAuth()
        (auth.kind, auth.clientID, auth.clientSecret) = (.oauth2, "a:b%", "c d")
        auth.tokenURL = "https://provider.example.com/token"
        let exchange = try #require(TokenExchange(auth, wallClock: WallClock { 0 }))
        var buffer = ByteBuffer()
        exchange.write(to: &buffer)
        let request = String(decoding: buffer.readableBytesView, as: UTF8.self)
        let shown = Base64.encode(Array("a%3Ab%25:c%20d".utf8))
        #expect(request.contains("\r\nauthorization: Basic \(shown)\r\n"), "\(request)")
    }
}
