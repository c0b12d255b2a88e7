import Domain
import Testing

@Suite("Headers of an answer, as the log keeps them")
struct AnswerHeaderTests {
    private static let long = String(repeating: "a", count: 513)
    /// Of which the @ is behind what is kept.
    private static let longURL = "https://me:\(Self.long)@a.example/b"
    private static let cut = "\(Self.long.dropLast())…"

    private func kept(_ fields: [(String, String)]) -> AnswerHeaders {
        var headers = AnswerHeaders()
        for (name, value) in fields { headers.note(name: Array(name.utf8), value: Array(value.utf8)) }
        return headers
    }

    @Test(
        "hide what may let somebody in, end where a secret may begin, and leave out what is nothing to who looks",
        arguments: [
            ("X-Request-Id", "a1", "a1"), ("Content-Type", "text/html; charset=utf-8", "text/html; charset=utf-8"),
            ("Retry-After", "120", "120"),
            ("WWW-Authenticate", #"Bearer error="invalid_token""#, #"Bearer error="invalid_token""#),
            ("Set-Cookie", "sid=s3cret", "***"), ("Authorization", "s3cret", "***"), ("X-Api-Key", "s3cret", "***"),
            ("X-Amz-Security-Token", "s3cret", "***"), ("X-CSRF-Token", "s3cret", "***"),
            ("Authentication-Info", "s3cret", "***"), ("X-Session", "s3cret", "***"), ("Idempotency-Key", "k", "***"),
            ("Location", "https://a.example/b?key=s3cret", "https://a.example/b"),
            ("Location", "https://me:s3cret@a.example:1/b@c", "https://a.example:1/b@c"),
            ("Location", "http://me:s3@cret@a.example", "http://a.example"), ("Location", "/b//c@d", "/b//c@d"),
            ("Location", "//me:s3cret@a/b", "//a/b"), ("Location", Self.longURL, "https://a.example/b"),
            ("Refresh", "5; url=//s3cret@a/b", "5; url=//a/b"),
            ("Link", "<https://s3cret@a>; rel=x, <http://s3cret@b/c>", "<https://a>; rel=x, <http://b/c>"),
            ("Link", "</b#s3cret>", "</b"), ("Server", "a?b", "a?b"),
            ("Connection", "close", nil), ("Strict-Transport-Security", "max-age=1", nil),
            ("Access-Control-Allow-Origin", "*", nil), ("", "x", nil), ("no name", "x", nil), ("Ü", "x", nil),
            ("X-Folded", "a\r\n b\u{0}c", "a   b c"), ("X-Long", Self.long, Self.cut),
        ] as [(String, String, String?)])
    func shown(name: String, value: String, shown: String?) {
        let headers = self.kept([(name, value)])
        #expect(headers.fields.map(\.value) == (shown.map { [$0] } ?? []))
        #expect(headers.fields.allSatisfy { $0.name == name.lowercased() })
        #expect(AnswerHeaders(text: headers.text) == headers, "as they are stored")
    }

    @Test("are few, and have little in all; what finds no room makes none for nothing smaller")
    func bounded() {
        let many = self.kept((1...40).map { ("x-\($0)", "v") })
        #expect(many.fields.map(\.name) == (1...16).map { "x-\($0)" })
        let large = self.kept((1...10).map { ("x-\($0)", String(repeating: "v", count: 500)) } + [("y", "small")])
        #expect(large.fields.map(\.name) == ["x-1", "x-2", "x-3", "x-4", "y"])
        let several = self.kept([("via", "a"), ("Via", "b: c")])
        let joining = self.kept([("x", "\u{301}y"), ("empty", "")])
        #expect(AnswerHeaders(text: joining.text) == joining && joining.fields.count == 2)
        #expect(AnswerHeaders(text: several.text) == several && several.fields.map(\.value) == ["a", "b: c"])
    }
}
