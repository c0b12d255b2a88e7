import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Answers that come compressed")
    struct PackedAnswerTests {
        @Test("an answer that comes packed is read as what is in it, and what cannot be unpacked is said to be so")
        func packed() async throws {
            // By Python's `gzip`: {"ok":true,"n":[1,2,3]}
            let gzip: [UInt8] = [
                0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xAB, 0x56, 0xCA, 0xCF, 0x56, 0xB2,
                0x2A, 0x29, 0x2A, 0x4D, 0xD5, 0x51, 0xCA, 0x53, 0xB2, 0x8A, 0x36, 0xD4, 0x31, 0xD2, 0x31, 0x8E,
                0xAD, 0x05, 0x00, 0x81, 0x28, 0xCF, 0xB8, 0x17, 0x00, 0x00, 0x00,
            ]
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let id = try await installation.webhook(
                    "hook", receiver.url(),
                    #""success":{"path":"ok","equals":true},"retry_schedule":[1],"max_attempts":100"#)
                receiver.set(.packed("br", [0x0B, 0x02, 0x80]))
                let words = "the body cannot be read: it is sent with content-encoding br, which was not asked for"
                let tried = try await installation.api.call("POST", "/webhooks/\(id)/test", "{}")
                #expect(tried.body.contains(words) && tried.body.contains(#""success":false"#), "\(tried.body)")
                try await installation.publish("1")
                try await waitUntil("an answer that cannot be read") {
                    try await installation.api.call("GET", "/webhooks/\(id)/log?status=failed").body.contains(words)
                }
                receiver.set(.packed("gzip", gzip))
                let hookline = await running.hookline
                try await waitUntil("a success") {
                    try await hookline.metric("hookline_deliveries_succeeded_total") == 1
                }
                let shown = try await installation.api.call("POST", "/webhooks/\(id)/test", "{}")
                #expect(shown.body.contains(#"{\"ok\":true,\"n\":[1,2,3]}"#), "\(shown.body)")
            }
            await receiver.stop()
        }
    }
}
