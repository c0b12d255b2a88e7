import Domain
import Testing

@testable import API

@Suite("A message to try a webhook with")
struct TestMessageTests {
    @Test(
        "has a payload of JSON, of text, or of any bytes",
        arguments: [
            (#"{}"#, []), (#"{"payload":null,"payload_base64":null}"#, []), (#"{"payload":"a"}"#, [0x61]),
            (#"{"payload":[1]}"#, [0x5B, 0x31, 0x5D]), (#"{"payload_base64":"/wAB"}"#, [0xFF, 0, 1]),
            (#"{"payload":null,"payload_base64":"/w=="}"#, [0xFF]), (#"{"payload":"a","payload_base64":"/wAB"}"#, nil),
            (#"{"payload_base64":"?"}"#, nil), (#"{"payload_base64":[1]}"#, nil),
        ] as [(String, [UInt8]?)])
    func payload(json: String, bytes: [UInt8]?) throws {
        let fields = try JSONObject(try JSON.decode(json), at: "message")
        var field: String?
        var payload: [UInt8]?
        do throws(InvalidField) { payload = try TryRoutes.payload(fields) } catch { field = error.field }
        #expect(payload == bytes)
        #expect(field == (bytes == nil ? "message.payload_base64" : nil))
    }
}
