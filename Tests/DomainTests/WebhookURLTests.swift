import Domain
import Testing

@Suite("A webhook's url")
struct WebhookURLTests {
    @Test(
        "is taken apart once",
        arguments: [
            ("http://example.com", false, "example.com", 80, "/"),
            ("https://example.com/", true, "example.com", 443, "/"),
            ("HTTPS://Example.COM:8443/a?b=c", true, "example.com", 8443, "/a?b=c"),
            ("http://example.com?x=1", false, "example.com", 80, "/?x=1"),
            ("http://example.com.:81/x", false, "example.com", 81, "/x"),
            ("http://127.0.0.1:9022/hook", false, "127.0.0.1", 9022, "/hook"),
            ("http://[::1]:8080/x", false, "::1", 8080, "/x"),
            ("https://[2001:DB8::1]/x", true, "2001:db8::1", 443, "/x"),
            ("http://under_score.example/x", false, "under_score.example", 80, "/x"),
            ("http://xn--bcher-kva.example/%20x", false, "xn--bcher-kva.example", 80, "/%20x"),
        ])
    func accepted(text: String, isTLS: Bool, host: String, port: Int, target: String) throws {
        let url = try WebhookURL(text)
        #expect(url.isTLS == isTLS)
        #expect(url.host == host)
        #expect(url.port == port)
        #expect(url.target == target)
        #expect(url.text == text)
    }

    @Test(
        "is refused when it could mean something else to somebody else",
        arguments: [
            "", "example.com", "//example.com", "ftp://example.com", "file:///etc/passwd", "javascript:alert(1)",
            "http:example.com", "http:///path", "http://", "http://:80/", "http://user@example.com/",
            "http://user:pass@example.com/", "http://example.com/#fragment", "http://exa mple.com/",
            "http://example.com/a b", "http://example.com\\@evil.com/", "http://example.com/\r\nx: y",
            "http://example.com:0/", "http://example.com:65536/", "http://example.com:x/", "http://example.com:/",
            "http://exam%70le.com/", "http://münchen.example/", "http://-a.example/", "http://a..b/",
            "http://0177.0.0.1/", "http://0x7f.0.0.1/", "http://0x7f000001/", "http://2130706433/", "http://127.1/",
            "http://127.0.0.1.1/", "http://0/", "http://256.1.1.1/", "http://1.2.3.04/", "http://[::1/",
            "http://[::1]x/",
            "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/", "http://[127.0.0.1]/", "http://[]/", "http://::1/",
            "http://example.com/" + String(repeating: "a", count: 2_048),
        ])
    func refused(text: String) {
        #expect(throws: WebhookURL.Refusal.self) { try WebhookURL(text) }
    }
}
