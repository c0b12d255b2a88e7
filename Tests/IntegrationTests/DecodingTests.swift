import Foundation
import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Payloads as devices send them")
    struct DecodingTests {
        private static let cbor = #"{"content_type":"application/cbor","write":true,"webhook":true,"decode":"cbor"}"#

        /// By a file, because an argument is text.
        private static func publish(_ bytes: [UInt8], _ installation: Installation) async throws {
            let file = installation.folder + "/payload"
            try Data(bytes).write(to: URL(fileURLWithPath: file))
            try await ChildProcess.complete(
                "mosquitto_pub",
                [
                    "-h", "127.0.0.1", "-p", "\(installation.mosquitto.port)", "-q", "1", "-t",
                    "things/\(installation.thing)/messages", "-f", file,
                ])
        }

        @Test(
            "a thing that sends CBOR fires conditions and fills templates in, also from the database, and its bytes go on"
        )
        func cbor() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(profile: Self.cbor) { installation, running in
                let (api, thing) = (installation.api, installation.thing)
                _ = try await installation.webhook("raw", receiver.url("/raw"))
                _ = try await installation.webhook(
                    "hot", receiver.url("/hot"),
                    #""conditions":[{"path":"t","operator":"gt","value":20}],"body":"{\"t\":{payload.t},\"all\":{payload},\"hex\":\"{payload_hex}\"}""#
                )
                _ = try await installation.webhook(
                    "cold", receiver.url("/cold"), #""conditions":[{"path":"t","operator":"lt","value":20}]"#)
                // {"t": 21.5, "n": 18446744073709551615}
                let bytes: [UInt8] =
                    [0xA2, 0x61, 0x74, 0xF9, 0x4D, 0x60, 0x61, 0x6E, 0x1B] + Array(repeating: 0xFF, count: 8)
                try await Self.publish(bytes, installation)
                try await waitUntil("both deliveries") { receiver.requests.count == 2 }
                let raw = try #require(receiver.requests.first { $0.path == "/raw" })
                #expect(raw.bytes == bytes && raw.headers["content-type"] == "application/cbor")
                let view = #"{"t":21.5,"n":18446744073709551615}"#
                let hot = try #require(receiver.requests.first { $0.path == "/hot" })
                let hex = bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
                #expect(hot.body == #"{"t":21.5,"all":\#(view),"hex":"\#(hex)"}"#)
                #expect(try await installation.sql("SELECT DISTINCT decode FROM messages").contains("cbor"))
                // What is kept is read as it came in, whatever the profile says now.
                let path = "/profiles/\(installation.profile)"
                let refusing =
                    #"{"name":"Profile","config":{"write":true,"webhook":true,"decode":"msgpack","decode_failure":"refuse"}}"#
                #expect(try await api.call("PUT", path, refusing).status == 200)
                let kept = try await api.call("GET", "/things/\(thing)/messages")
                #expect(kept.body.contains(#""decoded":\#(view)"#), "\(kept.body)")
                let again = try await api.call("POST", "/things/\(thing)/explain", "{}")
                #expect(again.body.contains("it is refused (decode_failure: refuse)"), "\(again.body)")
                try await Self.publish(bytes, installation)
                let port = await running.hookline.port
                try await waitUntil("the refusal") {
                    try await HTTP.get("http://127.0.0.1:\(port)/metrics").body.contains(
                        #"hookline_messages_refused_total{reason="undecoded"} 1"#)
                }
                let wrong = try await api.call("PUT", path, refusing.replacingOccurrences(of: "msgpack", with: "xml"))
                #expect(wrong.status == 400 && wrong.body.contains("config.decode"), "\(wrong.body)")
                // Once more of what is kept: the template is filled in from what was read back.
                let webhooks = try await api.call("GET", "/groups/\(installation.group)/webhooks?name=hot")
                let hotID = try #require(webhooks.values(of: "id").first)
                let resend = try await api.call("POST", "/webhooks/\(hotID)/resends", #"{"from":0}"#)
                #expect(resend.status == 202, "\(resend.body)")
                try await waitUntil("what is sent again") {
                    receiver.requests.filter { $0.path == "/hot" }.count == 2
                }
                #expect(receiver.requests.filter { $0.path == "/hot" }.allSatisfy { $0.body == hot.body })
            }
        }

        /// message T { string s = 1; int32 n = 2; repeated T t = 3; }
        private static let descriptors = "CjIiKAoBVBIJCgFzGAEgASgJEgkKAW4YAiABKAUSDQoBdBgDIAMoCzICLlRiBnByb3RvMw=="
        private static let protobuf = """
            {"content_type":"application/protobuf","write":true,"webhook":true,\
            "decode":{"format":"protobuf","type":"T","descriptors":"\(descriptors)"}}
            """

        @Test(
            "a thing that sends Protocol Buffers is read by its profile's descriptor set, also once the profile has another"
        )
        func protobuf() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(profile: Self.protobuf) { installation, _ in
                let (api, path) = (installation.api, "/profiles/\(installation.profile)")
                _ = try await installation.webhook("raw", receiver.url("/raw"))
                _ = try await installation.webhook(
                    "made", receiver.url("/made"),
                    #""conditions":[{"path":"n","operator":"lt","value":9}],"body":"{\"n\":{payload.n},\"all\":{payload}}""#
                )
                let bytes: [UInt8] = [0x0A, 0x01, 0x61, 0x10, 0x05]
                try await Self.publish(bytes, installation)
                try await waitUntil("both deliveries") { receiver.requests.count == 2 }
                let raw = try #require(receiver.requests.first { $0.path == "/raw" })
                #expect(raw.bytes == bytes && raw.headers["content-type"] == "application/protobuf")
                let view = #"{"s":"a","n":5,"t":[]}"#
                #expect(receiver.requests.first { $0.path == "/made" }?.body == #"{"n":5,"all":\#(view)}"#)
                // What is answered names the set, and may be saved as it is; the set itself is asked for.
                let shown = try await api.call("GET", path)
                #expect(shown.body.contains("\"sha256\"") && !shown.body.contains(Self.descriptors), "\(shown.body)")
                let digest = try #require(shown.body.firstMatch(of: /"sha256":"([0-9a-f]{64})"/)?.output.1)
                func draft(_ type: String, _ digest: Substring) -> String {
                    """
                    {"name":"Profile","config":{"write":true,"webhook":true,"decode":{"format":"protobuf",\
                    "type":"\(type)","descriptors":{"sha256":"\(digest)","size":52}}}}
                    """
                }
                #expect(try await api.call("PUT", path, draft("T", digest)).status == 200)
                let set = try await api.call("GET", path + "/descriptors")
                #expect(set.body.contains(#""types":["T"]"#) && set.body.contains(Self.descriptors), "\(set.body)")
                let wrong = try await api.call("PUT", path, draft("U", digest))
                #expect(wrong.status == 400 && wrong.body.contains("config.decode.type is no message"), "\(wrong.body)")
                let strange = try await api.call("PUT", path, draft("T", Substring(String(repeating: "0", count: 64))))
                #expect(strange.status == 400 && strange.body.contains("config.decode.descriptors"), "\(strange.body)")
                // What is kept is read by what it came in with, from the database once nobody else has it.
                #expect(
                    try await api.call(
                        "PUT", path, #"{"name":"Profile","config":{"write":true,"webhook":true,"decode":"cbor"}}"#
                    ).status == 200)
                #expect(try await api.call("GET", path + "/descriptors").status == 404)
                let kept = try await api.call("GET", "/things/\(installation.thing)/messages")
                #expect(kept.body.contains(#""decoded":\#(view)"#), "\(kept.body)")
            }
        }
    }
}
