import Testing

@testable import API

@Suite("Where a caller reached us")
struct ReachedAddressTests {
    @Test(
        "is what proxies say of it, or else the address that was called; what is no part of a url is passed over",
        arguments: [
            ([:], "http://127.0.0.1:9021"),
            (["x-forwarded-proto": "https"], "https://127.0.0.1:9021"),
            (["x-forwarded-proto": "HTTPS", "x-forwarded-host": "Hooks.Example"], "https://hooks.example"),
            (
                ["x-forwarded-proto": "https, http", "x-forwarded-host": "hooks.example:443 , inner"],
                "https://hooks.example"
            ),
            (["x-forwarded-host": "[2001:db8::1]:8080"], "http://[2001:db8::1]:8080"),
            (
                ["x-forwarded-host": "hooks.example", "x-forwarded-prefix": "/iot/hookline/"],
                "http://hooks.example/iot/hookline"
            ),
            (["forwarded": "for=192.0.2.60;proto=https;by=203.0.113.43;host=a.example"], "https://a.example"),
            (["forwarded": #"Host="a.example:8443";Proto=https, host=b.example"#], "https://a.example:8443"),
            (["forwarded": #"for="a,b;\"c";; proto=https ; host=a.example:81,proto=http"#], "https://a.example:81"),
            // It goes before the others, which say what it does not.
            (
                ["forwarded": "proto=https", "x-forwarded-proto": "http", "x-forwarded-host": "b.example"],
                "https://b.example"
            ),
            // What cannot be read says nothing.
            (["forwarded": #"proto=https;host="a.example"#], "http://127.0.0.1:9021"),
            (["forwarded": "proto=https;proto=http"], "http://127.0.0.1:9021"),
            (["forwarded": "proto=https;host"], "http://127.0.0.1:9021"),
            (["forwarded": "proto=https host=a.example"], "http://127.0.0.1:9021"),
            (["forwarded": ", proto=https"], "http://127.0.0.1:9021"),
            (["x-forwarded-proto": "javascript"], "http://127.0.0.1:9021"),
            (["x-forwarded-proto": "ws", "x-forwarded-host": ""], "http://127.0.0.1:9021"),
        ] as [([String: String], String)])
    func told(headers: [String: String], base: String) {
        #expect(ReachedAddress(authority: "127.0.0.1:9021") { headers[$0] }.base == base)
    }

    @Test(
        "is never what is more than an authority or a plain path",
        arguments: [
            "a.example/x", "a.example?x", "a.example#x", "me@a.example", "a b", "<b>", "a.example'", "a.example\"",
            "a\\b",
            "a.example:0", "a.example:65536", "a.example:x", "[::1", "0x7f.1", "ä.example", "a.example\r\nx",
            "a.example\0",
            "{host}", "https://a.example", String(repeating: "a", count: 254),
            String(repeating: "a.", count: 600) + "example",
        ])
    func refused(text: String) {
        let quoted = "host=\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        for headers in [["x-forwarded-host": text], ["forwarded": quoted]] {
            #expect(ReachedAddress(authority: "here.example") { headers[$0] }.base == "http://here.example")
        }
        #expect(ReachedAddress(authority: text) { _ in nil }.base == "http://127.0.0.1")
        let prefixed = ReachedAddress(authority: "here.example") { $0 == "x-forwarded-prefix" ? "/" + text : nil }
        // Some of these are segments of a path; none is one that means more.
        #expect(!prefixed.base.dropFirst("http://here.example".count).contains { "?#@<>'\"\\{} \r\n\0ä".contains($0) })
    }

    @Test("has no path that leads elsewhere", arguments: ["x", "//x", "/x//y", "/..", "/x/./y", "/%2e", "/x;y", "/"])
    func prefixes(text: String) {
        let address = ReachedAddress(authority: "a.example") { $0 == "x-forwarded-prefix" ? text : nil }
        #expect(address.base == "http://a.example")
    }
}
