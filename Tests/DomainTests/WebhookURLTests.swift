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

@Suite("The address guard")
struct AddressGuardTests {
    @Test(
        "keeps Hookline off everything that is not the public internet",
        arguments: [
            "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1",
            "127.255.255.254", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1",
            "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255",
            "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
            "168.63.129.16", "100.100.100.200",
            "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8",
            "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254",
            "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::1", "2002:808:808::1", "3fff::1",
            "5f00::1", "fc00::1", "fd00::1", "fd00:ec2::254", "fe80::1", "febf::1", "fec0::1", "ff02::1",
            "2a00:1450::5efe:7f00:1", "2a00:1450:0:0:200:5efe:10.0.0.1",
        ])
    func forbidden(text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(!AddressGuard().permits(address))
    }

    @Test(
        "lets the public internet through",
        arguments: [
            "1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1", "192.167.1.1",
            "198.17.255.255", "198.20.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::1",
            "2001:4860:4860::8888", "64:ff9b::8.8.8.8",
        ])
    func permitted(text: String) throws {
        let address = try #require(IPAddress(text))
        #expect(AddressGuard().permits(address))
    }

    @Test("opens what is allowed and nothing else, and never a metadata service")
    func allowed() throws {
        let networks = try ["10.1.0.0/16", "fd12::/16", "169.254.0.0/16", "::/0"].map { try #require(Network($0)) }
        let guarded = AddressGuard(allowed: networks)
        for text in ["10.1.2.3", "fd12::1", "169.254.1.1", "::1"] {
            #expect(guarded.permits(try #require(IPAddress(text))), "\(text)")
        }
        for text in [
            "10.2.0.1", "127.0.0.1", "169.254.169.254", "168.63.129.16", "fd00:ec2::254", "::ffff:169.254.169.254",
        ] {
            #expect(!guarded.permits(try #require(IPAddress(text))), "\(text)")
        }
    }

    @Test(
        "reads only the canonical spellings of an address",
        arguments: [
            "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", "1.2.3.x", ":::", "1::2::3", "12345::", "1:2:3", "::1%lo",
            "1:2:3:4:5:6:7:8:9", "::1.2.3", "",
        ])
    func malformed(text: String) {
        #expect(IPAddress(text) == nil)
    }
}
