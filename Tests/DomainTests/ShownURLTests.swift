import Domain
import Testing

@Suite("A url, as it is shown")
struct ShownURLTests {
    @Test(
        "to viewers says where it leads, and that there is more, but nothing of it",
        arguments: [
            ("https://hooks.slack.com/services/T0/B0/xyz", "https://hooks.slack.com/…"),
            ("https://example.com/hook?api_key=k", "https://example.com/…"),
            ("https://example.com?api_key=k", "https://example.com/…"), ("https://example.com", "https://example.com"),
            ("https://example.com/", "https://example.com"), ("https://example.com//", "https://example.com/…"),
            ("HTTP://Example.com:8080/a", "HTTP://Example.com:8080/…"), ("http://[::1]:80/a", "http://[::1]:80/…"),
            ("https://example.com/\u{301}secret", "https://example.com/…"),
            ("https://example.com/?\u{301}", "https://example.com/…"),
            ("https://example.com#k", "https://example.com/…"),
            ("https://example.com\\k", "https://example.com/…"),
            // None of these can be stored now; other hands may have.
            ("https://user:key@example.com/a", "…"), ("https:///a", "…"), ("ftp://example.com/key", "…"), ("key", "…"),
            ("", "…"), ("https:/", "…"),
        ])
    func viewers(url: String, shown: String) {
        #expect(ShownURL.text(url, to: .viewer) == shown)
        for role in [Role.editor, .admin, .owner] { #expect(ShownURL.text(url, to: role) == url) }
    }
}
