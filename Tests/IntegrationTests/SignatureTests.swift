import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Signatures, as a receiver checks them")
    struct SignatureTests {
        /// Checks with the PyPI package `standardwebhooks`, which receivers use. `make test` installs it.
        private static let program = """
            import sys
            from standardwebhooks import Webhook, WebhookVerificationError
            secret, expected, id, timestamp, signature = sys.argv[1:6]
            body = sys.stdin.buffer.read()
            headers = {"webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature}
            try:
                Webhook(secret).verify(body, headers, json_parse=False)
                valid = True
            except WebhookVerificationError:
                valid = False
            sys.exit(0 if valid == (expected == "valid") else 1)
            """

        private func check(_ request: ReceivedRequest, secret: String, isValid: Bool = true) async throws {
            let folder = try Files.makeTemporaryFolder()
            try Files.write(request.body, to: "\(folder)/body")
            try Files.write(Self.program, to: "\(folder)/check.py")
            try await ChildProcess.complete(
                "sh",
                [
                    "-c", #""$0" "$1" "$2" "$3" "$4" "$5" "$6" < "$7""#, HooklineProcess.python, "\(folder)/check.py",
                    secret, isValid ? "valid" : "invalid", request.headers["webhook-id"] ?? "",
                    request.headers["webhook-timestamp"] ?? "", request.headers["webhook-signature"] ?? "",
                    "\(folder)/body",
                ])
        }

        @Test("verify with the reference library, whatever the payload, through a change of the secret")
        func standardWebhooks() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(settings: ["SECRETS_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]) {
                installation, _ in
                let api = installation.api
                let id = try await api.create(
                    "/groups/\(installation.group)/webhooks", #"[{"name":"hook","url":"\#(receiver.url())"}]"#)
                let shown = try await api.call("GET", "/webhooks/\(id)/secret")
                let first = try #require(shown.value(of: "secret"))
                #expect(first.hasPrefix("whsec_"))

                let payloads = [
                    #"{"t":21.70}"#, "plain text", "ünïcödé °C ☃", "", String(repeating: "x", count: 100_000),
                ]
                for payload in payloads { try await installation.publish(payload) }
                try await waitUntil("all") { receiver.requests.count == payloads.count }
                for request in receiver.requests { try await self.check(request, secret: first) }
                let other = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
                try await self.check(try #require(receiver.requests.first), secret: other, isValid: false)

                // A new secret: both sign for a while.
                let rotated = try await api.call("POST", "/webhooks/\(id)/secret/rotate", #"{"overlap_seconds":600}"#)
                let second = try #require(rotated.value(of: "secret"))
                #expect(second != first)
                try await installation.publish("both")
                try await waitUntil("both") { receiver.has(body: "both") }
                let both = try #require(receiver.requests.last)
                #expect(both.headers["webhook-signature"]?.split(separator: " ").count == 2)
                try await self.check(both, secret: first)
                try await self.check(both, secret: second)

                // Another kind of key beside the old one: the library passes over what it does not know.
                let key =
                    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
                let given = try await api.call(
                    "POST", "/webhooks/\(id)/secret/rotate", #"{"overlap_seconds":600,"secret":"\#(key)"}"#)
                #expect(given.value(of: "public_key") == "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=")
                try await installation.publish("mixed")
                try await waitUntil("mixed") { receiver.has(body: "mixed") }
                let mixed = try #require(receiver.requests.last)
                #expect(mixed.headers["webhook-signature"]?.hasPrefix("v1a,") == true)
                try await self.check(mixed, secret: second)
                try await self.check(mixed, secret: first, isValid: false)

                // And with no overlap the old one is gone at once.
                _ = try await api.call("POST", "/webhooks/\(id)/secret/rotate", #"{"overlap_seconds":0}"#)
                try await installation.publish("alone")
                try await waitUntil("alone") { receiver.has(body: "alone") }
                #expect(receiver.requests.last?.headers["webhook-signature"]?.split(separator: " ").count == 1)
            }
            await receiver.stop()
        }

        @Test("of notices for an org verify as those of deliveries do, through a change of the org's secret")
        func notices() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(settings: ["SECRETS_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]) {
                installation, running in
                let root = await running.hookline.api(token: try await HooklineProcess.token(user: "root", root: true))
                let org = "00000000-0000-4000-8000-00000000000d"
                let group = try await installation.api.create("/groups", #"[{"name":"Of org","org_id":"\#(org)"}]"#)
                let profile = try await installation.api.create(
                    "/groups/\(group)/profiles", #"[{"name":"p","config":{"webhook":true}}]"#)
                let thing = try await installation.api.create(
                    "/groups/\(group)/things", #"[{"name":"t","profile_id":"\#(profile)"}]"#)
                let url = #"{"notification_url":"\#(receiver.url("/org"))"}"#
                #expect(try await root.call("PUT", "/orgs/\(org)", url).status == 200)
                let fields = #""url":"\#(receiver.url())","failure_limit":1,"failure_window":0"#
                let id = try await installation.api.create(
                    "/groups/\(group)/webhooks", #"[{"name":"hook",\#(fields)}]"#)
                receiver.set(.decide { $0.path == "/org" ? 200 : 500 })
                try await installation.publish("1", topic: "things/\(thing)/messages")
                try await waitUntil("a notice") { receiver.requests(at: "/org").count == 1 }
                let first = try #require(try await root.call("GET", "/orgs/\(org)/secret").value(of: "secret"))
                let notice = try #require(receiver.requests(at: "/org").first)
                #expect(notice.headers["webhook-id"]?.hasPrefix("ntc_") == true)
                try await self.check(notice, secret: first)
                try await self.check(
                    notice, secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", isValid: false)
                let stored = try await installation.sql(
                    "SELECT encode(secrets, 'escape') FROM orgs WHERE id = '\(org)'")
                #expect(!stored.isEmpty && !stored.contains(first.dropFirst(6)), "it is under seal")

                let rotated = try await root.call("POST", "/orgs/\(org)/secret/rotate", #"{"overlap_seconds":600}"#)
                let second = try #require(rotated.value(of: "secret"))
                #expect(second != first)
                receiver.set(.answer(200))
                _ = try await installation.api.call(
                    "PUT", "/webhooks/\(id)", #"{"name":"hook",\#(fields),"status":"ENABLED"}"#)
                try await waitUntil("that it works again") { receiver.requests(at: "/org").count == 2 }
                let recovery = try #require(receiver.requests(at: "/org").last)
                try await self.check(recovery, secret: first)
                try await self.check(recovery, secret: second)
                #expect(recovery.headers["webhook-id"] != notice.headers["webhook-id"])
            }
            await receiver.stop()
        }

        @Test("stay secret: viewers do not see the key, and no answer or log shows it")
        func secrecy() async throws {
            try await Installation.with { installation, running in
                let api = installation.api
                let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
                let created = try await api.call(
                    "POST", "/groups/\(installation.group)/webhooks",
                    #"[{"name":"hook","url":"https://example.com","secret":"\#(secret)"}]"#)
                #expect(created.status == 201 && !created.body.contains(secret))
                let id = try #require(created.value(of: "id"))
                #expect(try await api.call("GET", "/webhooks/\(id)/secret").value(of: "secret") == secret)
                for path in ["/webhooks/\(id)", "/webhooks", "/groups/\(installation.group)/webhooks"] {
                    #expect(try await !api.call("GET", path).body.contains(secret))
                }
                _ = try await api.call(
                    "PUT", "/groups/\(installation.group)/members", #"[{"member_id":"watcher","role":"viewer"}]"#)
                let hookline = await running.hookline
                let viewer = hookline.api(token: try await HooklineProcess.token(user: "watcher"))
                let stranger = hookline.api(token: try await HooklineProcess.token(user: "stranger"))
                #expect(try await viewer.call("GET", "/webhooks/\(id)/secret").status == 403)
                #expect(try await viewer.call("POST", "/webhooks/\(id)/secret/rotate", "{}").status == 403)
                #expect(try await viewer.call("POST", "/webhooks/\(id)/replay", #"{"since":0}"#).status == 403)
                #expect(try await viewer.call("GET", "/webhooks/\(id)/deliveries").status == 200)
                #expect(try await stranger.call("GET", "/webhooks/\(id)/secret").status == 404)
                #expect(try await stranger.call("GET", "/webhooks/\(id)/deliveries").status == 404)
                let log = Files.read(hookline.logFile) ?? ""
                #expect(!log.contains(secret.dropFirst(6)))
                #expect(log.contains("SECRETS_KEY is not set"), "it is said loudly")
            }
        }

        @Test("and everything else about delivery is checked when it is saved")
        func badInput() async throws {
            let cases = [
                (#""secret":"whsec_short""#, "secret"), (#""secret":7"#, "secret"), (#""signature":"v9""#, "signature"),
                (#""success_statuses":[99]"#, "success_statuses"), (#""success_statuses":"302""#, "success_statuses"),
                (#""success_statuses":["302"]"#, "success_statuses[0]"), (#""retry_schedule":[]"#, "retry_schedule"),
                (#""max_in_flight":0"#, "max_in_flight"),
                (#""rate_limit":{"per_second":1,"overflow":"drop"}"#, "rate_limit.overflow"),
                (#""rate_limit":{"per_second":1,"overflow":"drop_oldest"},"ordering":"thing""#, "rate_limit.overflow"),
                (#""retry_schedule":[1.5]"#, "retry_schedule[0]"), (#""max_attempts":0"#, "max_attempts"),
                (#""max_age":-1"#, "max_age"), (#""retry_client_errors":"no""#, "retry_client_errors"),
                (#""failure_limit":1001"#, "failure_limit"), (#""failure_window":-5"#, "failure_window"),
                (#""rate_limit":0"#, "rate_limit.per_second"), (#""rate_limit":{}"#, "rate_limit.per_second"),
                (#""rate_limit":{"per_second":5,"burst":0}"#, "rate_limit.burst"), (#""rate_limit":"5""#, "rate_limit"),
                (#""rate_limit":-1e300"#, "rate_limit.per_second"),
                (#""rate_limit":{"per_second":1e300}"#, "rate_limit.per_second"),
                (#""ordering":"group""#, "ordering"), (#""status":"PAUSED""#, "status"),
                (#""url":"http://10.0.0.1/""#, "url"), (#""url":"http://[::ffff:127.0.0.1]/""#, "url"),
                (#""url":"http://169.254.169.254/latest/meta-data""#, "url"),
            ]
            // One installation for all cases: none of them stores anything.
            try await Installation.with { installation, _ in
                let path = "/groups/\(installation.group)/webhooks"
                for (fields, culprit) in cases {
                    let url = fields.contains("\"url\"") ? "" : #""url":"http://example.com","#
                    let answer = try await installation.api.call("POST", path, #"[{"name":"hook",\#(url)\#(fields)}]"#)
                    #expect(answer.status == 400, "\(fields)")
                    #expect(answer.body.contains("[0].\(culprit) "), "\(answer.body)")
                }
                #expect(try await installation.api.call("GET", path).body.contains(#""total":0"#))
            }
        }

        @Test("a group's own networks are root's to open, and open literal addresses for its webhooks")
        func networks() async throws {
            try await Installation.with { installation, running in
                let root = await running.hookline.api(token: try await HooklineProcess.token(user: "root", root: true))
                let path = "/groups/\(installation.group)"
                let webhook = #"[{"name":"hook","url":"http://10.1.2.3/"}]"#
                #expect(try await installation.api.call("POST", "\(path)/webhooks", webhook).status == 400)
                let change = #"{"name":"Group","allowed_networks":["10.1.0.0/16"]}"#
                #expect(try await installation.api.call("PUT", path, change).status == 403)
                #expect(
                    try await root.call("PUT", path, #"{"name":"Group","allowed_networks":["10.1.0.0/99"]}"#).status
                        == 400)
                #expect(try await root.call("PUT", path, change).status == 200)
                #expect(try await installation.api.call("POST", "\(path)/webhooks", webhook).status == 201)
                // A rename by an admin leaves the networks alone.
                let renamed = try await installation.api.call("PUT", path, #"{"name":"Other"}"#)
                #expect(renamed.body.contains("10.1.0.0"))
            }
        }
    }
}
