import Glibc
import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("One group's wait is not another's")
    struct IsolationTests {
        /// Makes a group of an org that is told at this url, with a thing, and so many webhooks that fail at once.
        ///
        /// - Returns: the thing.
        private func failing(
            _ installation: Installation, _ root: APIClient, org: String, told url: String, webhooks: Int,
            receiver: Receiver, fields: String = ""
        ) async throws -> String {
            let group = try await installation.api.create("/groups", #"[{"name":"Of org","org_id":"\#(org)"}]"#)
            #expect(try await root.call("PUT", "/orgs/\(org)", #"{"notification_url":"\#(url)"}"#).status == 200)
            let profile = try await installation.api.create(
                "/groups/\(group)/profiles", #"[{"name":"p","config":{"webhook":true}}]"#)
            for number in 0..<webhooks {
                _ = try await installation.api.create(
                    "/groups/\(group)/webhooks",
                    #"[{"name":"w\#(number)","url":"\#(receiver.url())","failure_limit":1,"failure_window":0\#(fields)}]"#
                )
            }
            return try await installation.api.create(
                "/groups/\(group)/things", #"[{"name":"t","profile_id":"\#(profile)"}]"#)
        }

        private static func org(_ number: Int) -> String {
            "00000000-0000-4000-8000-0000000000\(number < 10 ? "0" : "")\(number)"
        }

        @Test("notification urls that hang delay neither users nor other orgs, and each is asked once at a time")
        func notices() async throws {
            let receiver = try await Receiver.start()
            var silent: [Receiver] = []
            for _ in 0..<6 {
                let one = try await Receiver.start()
                one.set(.hang, at: "/org")
                silent.append(one)
            }
            let hanging = silent
            // For as long as this test lasts.
            let settings = ["DELIVERY_FIRST_BYTE_TIMEOUT": "300s", "DELIVERY_TIMEOUT": "300s"]
            try await Installation.with(settings: settings) { installation, running in
                let root = await running.hookline.api(token: try await HooklineProcess.token(user: "root", root: true))
                receiver.set(.answer(500))
                for (number, one) in hanging.enumerated() {
                    let thing = try await self.failing(
                        installation, root, org: Self.org(number), told: one.url("/org"), webhooks: 3,
                        receiver: receiver)
                    try await installation.publish("1", topic: "things/\(thing)/messages")
                }
                try await waitUntil("all that hang to be asked") {
                    hanging.allSatisfy { !$0.requests(at: "/org").isEmpty }
                }
                let thing = try await self.failing(
                    installation, root, org: Self.org(50), told: receiver.url("/org"), webhooks: 3, receiver: receiver,
                    fields: #","notify":["anna"]"#)
                let (listener, heard) = try await installation.listen("users/anna/notifications")
                try await installation.publish("1", topic: "things/\(thing)/messages")
                try await waitUntil("both to be told") {
                    (Files.read(heard) ?? "").components(of: "WEBHOOK_DISABLED").count == 3
                        && receiver.requests(at: "/org").count == 3
                }
                #expect(hanging.allSatisfy { $0.requests(at: "/org").count == 1 })
                await listener.stop()
                // It ends in time, although they hang.
                await running.hookline.process.stop()
                #expect(await running.hookline.process.waitForExit() == "exited(0)")
                #expect(try await installation.sql("SELECT count(*) FROM notifications") == "18")
            }
            for one in hanging + [receiver] { await one.stop() }
        }

        @Test("users who are told are not told again because the url of their org refuses")
        func toldOnce() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.answer(500), at: "/org")
            try await Installation.with { installation, _ in
                let (listener, heard) = try await installation.listen("users/anna/notifications")
                // As a row of an earlier version.
                _ = try await installation.sql(
                    "INSERT INTO notifications (users, url, payload) VALUES ('{anna}', '\(receiver.url("/org"))', '{}')"
                )
                func hurry() async throws {
                    _ = try await installation.sql("UPDATE notifications SET due_at = now()")
                }
                try await waitUntil("the org to be asked again and again") {
                    try await hurry()
                    return receiver.requests(at: "/org").count >= 3
                }
                receiver.set(.answer(200), at: "/org")
                try await waitUntil("the org to be told") {
                    try await hurry()
                    return try await installation.sql("SELECT count(*) FROM notifications") == "0"
                }
                #expect((Files.read(heard) ?? "").components(of: "users/anna/notifications {}").count == 1)
                await listener.stop()
            }
            await receiver.stop()
        }

        @Test(
            "a name server that does not answer disables no webhook: it is said, and tried again",
            .enabled(if: getuid() == 0, "mounting needs root"))
        func nameServer() async throws {
            // A port that nobody listens on.
            let binary = try HooklineProcess.binary(
                seeing: ["/etc/resolv.conf": "nameserver 127.9.9.9\noptions timeout:1 attempts:1\n"])
            try await Installation.with(binary) { installation, running in
                let id = try await installation.webhook(
                    "hook", "http://receiver.example.org/", #""failure_limit":1,"failure_window":0"#)
                try await installation.publish("1")
                try await waitUntil("two attempts in the log") {
                    let log = try await installation.api.call("GET", "/webhooks/\(id)/log?status=failed")
                    return log.body.components(of: "nameserver: receiver.example.org").count >= 2
                }
                let webhook = try await installation.api.call("GET", "/webhooks/\(id)")
                #expect(webhook.value(of: "status") == "ENABLED")
                let list = try await installation.api.call("GET", "/groups/\(installation.group)/webhooks")
                #expect(list.number(of: "consecutive_failures") == 0)
                #expect(try await running.hookline.metric("hookline_breakers_open") == 0)
            }
        }

        @Test("a token that cannot be had fails one delivery, not all that came meanwhile")
        func tokens() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.hang, at: "/token")
            let settings = ["DELIVERY_FIRST_BYTE_TIMEOUT": "2s"]
            try await Installation.with(settings: settings) { installation, running in
                _ = try await installation.webhook(
                    "hook", receiver.url(),
                    """
                    "auth":{"type":"oauth2","client_id":"a","client_secret":"b","token_url":"\(receiver.url("/token"))"}
                    """)
                for number in 1...40 { try await installation.publish("\(number)") }
                func failed() async throws -> Int {
                    Int(try await installation.sql("SELECT count(*) FROM attempts WHERE error LIKE 'oauth2%'")) ?? -1
                }
                try await waitUntil("a failure") { try await failed() > 0 }
                receiver.set(.content(200, #"{"access_token":"abc","expires_in":3600}"#), at: "/token")
                try await waitUntil("all of them") {
                    Set(receiver.requests(at: "/hook").map(\.body)).count == 40
                }
                let failures = try await failed()
                // The last one was a success.
                #expect(failures < receiver.requests(at: "/token").count)
            }
            await receiver.stop()
        }
    }
}
