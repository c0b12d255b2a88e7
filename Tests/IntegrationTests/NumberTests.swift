import Foundation
import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Numbers and times that nobody can mean")
    struct NumberTests {
        private static let numbers = [
            "-9223372036854775808", "9223372036854775807", "-9007199254740992", "9007199254740992",
            "9223372036854776", "253402300800000", "1e308", "-1e308", "1234567890123456789012345678901234567890", "-1",
        ]
        private static let times = [
            "+292277026596-12-04T15:30:08Z", "9999-12-31T23:59:59.999Z", "0000-01-01T00:00:00Z",
        ]

        @Test("in any integer or time of openapi.json are answered, of what there is, and the process lives")
        func everywhere() async throws {
            let config = #"{"content_type":"application/json","write":true,"webhook":true}"#
            try await Installation.with(profile: config, settings: ["HTTP_CALLER_RATE": "0"]) { installation, running in
                let ids = try await Self.objects(of: installation)
                let api = await running.hookline.api(token: try await HooklineProcess.token(user: "owner", root: true))
                let text = try await api.call("GET", "/openapi.json").body
                let calls = try Description(text, ids: ids).calls(numbers: Self.numbers, times: Self.times)
                #expect(Set(calls.map(\.place)).count > 60, "openapi.json has so many integers and times")
                for call in calls {
                    let answer = try await api.call(call.method, call.path, call.body)
                    #expect((200..<500).contains(answer.status), "\(call) → \(answer.status) \(answer.body)")
                }
                // The largest id that can be written.
                #expect(try await api.call("GET", "/deliveries/msg_1y2p0ij32e8e7_zik0zj").status == 404)
                #expect(try await HTTP.get("\(api.base)/health").status == 200)
                // What is stored of it can be read by everybody.
                for path in ["webhooks", "sources", "things", "profiles", "log", "stats"] {
                    #expect(try await api.call("GET", "/groups/\(installation.group)/\(path)").status == 200, "\(path)")
                }
            }
        }

        @Test("in the cursor of any list are answered, and the process lives")
        func cursors() async throws {
            let config = #"{"content_type":"application/json","write":true,"webhook":true}"#
            try await Installation.with(profile: config, settings: ["HTTP_CALLER_RATE": "0"]) { installation, _ in
                let api = installation.api
                for list in try await Self.lists(of: installation) {
                    let query = "\(list)\(list.contains("?") ? "&" : "?")limit=1"
                    let first = try await api.call("GET", query)
                    let next = try #require(first.value(of: "next"), "\(query) → \(first.body)")
                    for cursor in try Self.forged(next) {
                        let answer = try await api.call("GET", "\(query)&cursor=\(cursor)")
                        #expect((200..<500).contains(answer.status), "\(query) \(cursor) → \(answer.body)")
                    }
                }
                #expect(try await HTTP.get("\(api.base)/health").status == 200)
            }
        }

        /// The cursor with the least and the greatest number in the place of each of its numbers.
        private static func forged(_ cursor: String) throws -> [String] {
            let padded = cursor + String(repeating: "=", count: (4 - cursor.utf8.count % 4) % 4)
            let bytes = Data(base64Encoded: padded.replacing("-", with: "+").replacing("_", with: "/"))
            let fields = try JSONDecoder().decode([String?].self, from: try #require(bytes))
            return try fields.indices.dropFirst().flatMap { index in
                try [Int64.min, Int64.min + 1, -1, Int64.max].map { number in
                    var forged = fields
                    forged[index] = String(number)
                    return try JSONEncoder().encode(forged).base64EncodedString()
                        .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
                }
            }
        }

        /// Every list that there is, with more than one of everything in it.
        private static func lists(of installation: Installation) async throws -> [String] {
            let (api, group) = (installation.api, "/groups/\(installation.group)")
            _ = try await api.create("\(group)/profiles", #"[{"name":"other","config":{}}]"#)
            _ = try await api.create(
                "\(group)/things", #"[{"name":"other","profile_id":"\#(installation.profile)"}]"#)
            _ = try await api.call("PUT", "\(group)/members", #"[{"member_id":"other","role":"viewer"}]"#)
            _ = try await api.create("/groups", #"[{"name":"other"}]"#)
            for path in ["\(group)/keys", "/me/keys"] {
                _ = try await api.create(path, #"[{"name":"k","role":"viewer"},{"name":"l","role":"viewer"}]"#)
            }
            let source = try await api.create(
                "\(group)/sources",
                #"[{"name":"s","thing_id":"\#(installation.thing)"},{"name":"t","thing_id":"\#(installation.thing)"}]"#)
            for _ in 1...2 {
                let answer = try await HTTP.post(
                    "\(api.base)/in/\(source)", "{}", headers: ["content-type": "application/json"])
                #expect(answer.status == 401)
            }
            let failing = try await installation.webhook(
                "failing", "http://127.0.0.1:9/", #""max_attempts":1,"failure_limit":0"#)
            let waiting = try await installation.webhook("waiting", "http://127.0.0.1:9/")
            try await installation.publish(1...3)
            try await waitUntil("the messages to fail, and to wait") {
                let failed = try await api.call("GET", "/webhooks/\(failing)/deliveries?status=failed")
                let log = try await api.call("GET", "/webhooks/\(waiting)/log?status=FAILED")
                return failed.number(of: "total") ?? 0 > 1 && log.number(of: "total") ?? 0 > 1
            }
            return [
                "/groups", "/webhooks", "/webhooks?order=attempts", "/webhooks?order=last_triggered_at",
                "\(group)/things?order=created_at", "\(group)/profiles?order=name", "\(group)/members?order=updated_at",
                "\(group)/keys?order=updated_at", "/me/keys", "\(group)/webhooks", "\(group)/sources", "\(group)/log",
                "/things/\(installation.thing)/messages",
                "/webhooks/\(failing)/log", "/webhooks/\(failing)/deliveries?status=failed",
                "/webhooks/\(waiting)/deliveries?status=waiting", "/sources/\(source)/log",
            ]
        }

        /// One of each kind, with something to tell.
        private static func objects(of installation: Installation) async throws -> [String: String] {
            let api = installation.api
            let webhook = try await installation.webhook("failing", "http://127.0.0.1:9/")
            let source = try await api.create(
                "/groups/\(installation.group)/sources", #"[{"name":"s","thing_id":"\#(installation.thing)"}]"#)
            try await installation.publish(#"{"n":1}"#)
            try await waitUntil("the first attempt") {
                try await api.call("GET", "/webhooks/\(webhook)/log?status=FAILED").number(of: "total") ?? 0 > 0
            }
            let delivery = try await api.call("GET", "/webhooks/\(webhook)/log").value(of: "trigger_id") ?? ""
            return [
                "groups": installation.group, "things": installation.thing, "profiles": installation.profile,
                "webhooks": webhook, "sources": source, "deliveries": delivery,
            ]
        }

        @Test("in a database that somebody edited harm nobody")
        func edited() async throws {
            try await Installation.with { installation, running in
                let webhook = try await installation.webhook("w", "http://127.0.0.1:9/")
                try await installation.publish(#"{"n":1}"#)
                try await waitUntil("the first attempt") {
                    try await installation.api.call("GET", "/webhooks/\(webhook)/stats").number(of: "failed") ?? 0 > 0
                }
                _ = try await installation.sql(
                    """
                    UPDATE webhooks SET created_at = 'infinity', updated_at = '-infinity';
                    UPDATE webhook_counters SET attempts = 9223372036854775000, skipped = 9223372036854775000,
                        last_attempt_at = 'infinity';
                    UPDATE webhook_stats SET failed = 9223372036854775807, succeeded = 9223372036854775807;
                    INSERT INTO webhook_stats SELECT webhook_key, period, start - interval '1 minute', succeeded, failed,
                        skipped, latencies FROM webhook_stats WHERE period = 'm' ON CONFLICT DO NOTHING;
                    """)
                let api = installation.api
                for path in [
                    "/webhooks/\(webhook)", "/webhooks?include=activity", "/webhooks/\(webhook)/stats?by=minute",
                ] {
                    let answer = try await api.call("GET", path)
                    #expect(answer.status == 200, "\(path) → \(answer.body)")
                }
                #expect(
                    try await api.call("GET", "/webhooks/\(webhook)").number(of: "created_at") == 253_402_300_799_999)
                #expect(try await api.call("GET", "/webhooks/\(webhook)").number(of: "updated_at") == 0)
                #expect(try await HTTP.get("\(api.base)/health").status == 200)
            }
        }
    }
}
