import Domain
import HTTPTypes
import Hummingbird
import NIOCore
import Testing

@testable import API

@Suite("The query of a request")
struct QueryParameterTests {
    private static func request(_ path: String) -> Request {
        Request(
            head: HTTPRequest(method: .delete, scheme: "http", authority: "x", path: path),
            body: RequestBody(buffer: ByteBuffer()))
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
