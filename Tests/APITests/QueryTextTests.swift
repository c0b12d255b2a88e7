import Domain
import HTTPTypes
import Hummingbird
import NIOCore
import Testing

@testable import API

@Suite("The query of a request")
struct QueryTextTests {
    private static func request(_ path: String) -> Request {
        Request(
            head: HTTPRequest(method: .delete, scheme: "http", authority: "x", path: path),
            body: RequestBody(buffer: ByteBuffer()))
    }

    @Test(
        "is read if it is text, and otherwise the parameter is told that is none",
        arguments: [
            ("", nil), ("name=caf%C3%A9", nil), ("name=caf\u{e9}", nil), ("name=100%", nil), ("name=%zz&b=%4", nil),
            ("name=caf%E9", "name"), ("limit=1&name=%ff&host=%ff", "name"), ("a=%C3&b=%A9", "a"), ("%ff=1", "%ff"),
            ("name=%ED%A0%80", "name"),
        ] as [(String, String?)])
    func text(_ query: String, _ name: String?) {
        #expect(Request.nameOfNoText(in: query) == name)
    }

    @Test("is refused where it is none, and not of a source")
    func refused() throws {
        #expect(throws: InvalidField.self) { try Self.request("/webhooks?name=%ff").refuseWhatIsNoText() }
        try Self.request("/in/x?name=%ff").refuseWhatIsNoText()
        try Self.request("/webhooks?name=a").refuseWhatIsNoText()
    }

    @Test("of what cannot be taken back has no parameter that there is not, and none twice")
    func others() throws {
        for query in ["form=1", "from=1&From=2", "from=1&from=2", "from=1&to=2&x", "%66rom=1"] {
            #expect(throws: InvalidField.self, "\(query)") {
                try Self.request("/things/x/messages?\(query)").refuseParameters(otherThan: ["from", "to"])
            }
        }
        for path in ["/things/x/messages", "/things/x/messages?", "/things/x/messages?to=2&from=1&"] {
            try Self.request(path).refuseParameters(otherThan: ["from", "to"])
        }
    }
}
