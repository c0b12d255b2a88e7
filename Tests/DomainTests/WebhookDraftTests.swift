import Domain
import Testing

@Suite("What a caller says of a webhook")
struct WebhookDraftTests {
    @Test(
        "is refused with the field at fault",
        arguments: [
            (nil, "http://example.com", [], "name"),
            ("", "http://example.com", [], "name"),
            (String(repeating: "a", count: 255), "http://example.com", [], "name"),
            ("a\nb", "http://example.com", [], "name"),
            ("a", nil, [], "url"),
            ("a", "", [], "url"),
            ("a", "ftp://example.com", [], "url"),
            ("a", "http://example.com", [("Host", "x")], "headers.Host"),
            ("a", "http://example.com", [("content-length", "1")], "headers.content-length"),
            ("a", "http://example.com", [("Transfer-Encoding", "chunked")], "headers.Transfer-Encoding"),
            ("a", "http://example.com", [("Connection", "close")], "headers.Connection"),
            ("a", "http://example.com", [("Webhook-Id", "1")], "headers.Webhook-Id"),
            ("a", "http://example.com", [("X-Hookline-Thing-Id", "1")], "headers.X-Hookline-Thing-Id"),
            ("a", "http://example.com", [("X Y", "1")], "headers.X Y"),
            ("a", "http://example.com", [("", "1")], "headers."),
            ("a", "http://example.com", [("X-A", "1\r\nX-B: 2")], "headers.X-A"),
            ("a", "http://example.com", [("X-A", "1\0")], "headers.X-A"),
            ("a", "http://example.com", [("X-A", "1"), ("x-a", "2")], "headers.x-a"),
            ("a", "http://example.com", [("X-A", String(repeating: "a", count: 4_097))], "headers.X-A"),
        ] as [(String?, String?, [(String, String)], String)])
    func refused(name: String?, url: String?, headers: [(String, String)], field: String) throws {
        let error = #expect(throws: InvalidField.self) {
            try WebhookDraft(name: name, url: url, headers: headers.map { Header(name: $0.0, value: $0.1) })
        }
        #expect(error?.field == field)
    }

    @Test("is taken with names of any script and headers of any legal value")
    func accepted() throws {
        let draft = try WebhookDraft(
            name: String(repeating: "ü", count: 254), url: "https://example.com",
            headers: [Header(name: "X-Api-Key", value: "a b\tü"), Header(name: "Authorization", value: "")])
        #expect(draft.headers.count == 2)
    }

    @Test(
        "has a profile's content type only if it is a media type",
        arguments: [
            ("application/json", true), ("text/plain; charset=utf-8", true), ("application/senml+json", true),
            ("json", false), ("", false), ("/", false), ("a/b\r\nx: y", false), ("a//b", false),
        ])
    func contentType(text: String, isValid: Bool) {
        #expect((try? ProfileConfig.checkedContentType(text)) == (isValid ? text : nil))
    }
}

@Suite("The retry schedule")
struct RetryScheduleTests {
    @Test("waits as Standard Webhooks recommends, within the jitter, and then gives up")
    func standard() {
        var generator = SystemRandomNumberGenerator()
        let waits: [Double] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
        #expect(RetrySchedule.standard.mostAttempts == 10)
        for (index, expected) in waits.enumerated() {
            let drawn = (0..<400).map { _ in
                let wait = RetrySchedule.standard.wait(after: index + 1, using: &generator)
                return Double(wait?.milliseconds ?? -1) / 1_000
            }
            #expect(drawn.allSatisfy { $0 >= expected * 0.8 - 0.01 && $0 <= expected * 1.2 + 0.01 })
            #expect((100...300).contains(drawn.filter { $0 > expected }.count), "either way")
            #expect((drawn.max() ?? 0) - (drawn.min() ?? 0) > expected / 5)
        }
        #expect(RetrySchedule.standard.wait(after: 10, using: &generator) == nil)
        #expect(RetrySchedule.standard.wait(after: 0, using: &generator) == nil)
    }

    @Test(
        "is read from a list of times",
        arguments: [
            ("5s,5m, 2h", [5, 300, 7_200]), ("1d", [86_400]), ("250ms", [0]), ("", nil), ("5", nil), ("5x", nil),
            ("5s,,6s", nil), ("-5s", nil),
        ] as [(String, [Int64]?)])
    func text(text: String, seconds: [Int64]?) {
        #expect(RetrySchedule(text)?.waits.map(\.components.seconds) == seconds)
    }
}

@Suite("Roles")
struct RoleTests {
    @Test("each may do what the ones before it may")
    func order() {
        #expect(Role.allCases == Role.allCases.sorted())
        #expect(Role.viewer < Role.editor)
        #expect(Role.admin < Role.owner)
    }
}
