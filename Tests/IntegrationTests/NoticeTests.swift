import Foundation
import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Notices that people get")
    struct NoticeTests {
        private static func settings(_ mail: MailReceiver, _ scheme: String) -> [String: String] {
            [
                "SMTP_URL": "\(scheme)://hook%20line:pass%3Aw%40rd@localhost:\(mail.port)",
                "SMTP_FROM": "hookline@example.com", "SMTP_TLS_CA_FILE": mail.authority,
                "HTTP_PUBLIC_URL": "https://hookline.example",
            ]
        }

        private static func channels(_ fields: String...) -> String {
            #"{"channels":[\#(fields.map { "{\($0)}" }.joined(separator: ","))]}"#
        }

        @Test("arrive by mail, in chats, on the bus and signed, one for each change of a webhook, and without its url")
        func story() async throws {
            let (mail, receiver) = (try await MailReceiver.start(.tls), try await Receiver.start())
            try await Installation.with(settings: Self.settings(mail, "smtps")) { installation, _ in
                let (api, group) = (installation.api, installation.group)
                func chat(_ type: String) -> String {
                    #""name":"\#(type)","type":"\#(type)","gather_seconds":0,"url":"\#(receiver.url("/\(type)/s3cret"))""#
                }
                let put = try await api.call(
                    "PUT", "/groups/\(group)/notices",
                    Self.channels(
                        #""name":"Mail","type":"email","gather_seconds":0,"to":"ops@example.com""#, chat("slack"),
                        chat("teams"), chat("discord"), chat("post"), #""name":"Bus","type":"mqtt","gather_seconds":0"#)
                )
                #expect(put.status == 200 && !put.body.contains("s3cret"), "\(put.body)")
                #expect(put.body.contains(#""secret":"whsec_"#), "it is shown once")
                #expect(try await !api.call("GET", "/groups/\(group)/notices").body.contains("whsec_"))
                let (listener, heard) = try await installation.listen("groups/\(group)/notifications")

                receiver.set(.answer(500), at: "/hook")
                let url = receiver.url("/hook")
                let name = #"Ofen \"1\" <b>"#
                let id = try await installation.webhook(name, url, #""failure_limit":4,"failure_window":0"#)
                // Each try of one delivery is recorded by itself.
                try await installation.publish(#"{"n":1}"#)
                try await waitUntil("all to be told that it is disabled") {
                    let bus = Files.read(heard) ?? ""
                    let chats = ["slack", "teams", "discord", "post"].map { type in
                        receiver.requests(at: "/\(type)/s3cret").map(\.body).joined()
                    }
                    return try bus.contains("WEBHOOK_DISABLED") && chats[3].contains("WEBHOOK_DISABLED")
                        && chats.prefix(3).allSatisfy { $0.contains("was disabled") }
                        && mail.mails.contains { $0.text.contains("was disabled") }
                }
                let all =
                    try mail.mails.map { $0.subject + $0.text }.joined() + (Files.read(heard) ?? "")
                    + receiver.requests.filter { $0.path != "/hook" }.map(\.body).joined()
                #expect(!all.contains(":\(receiver.port)"), "viewers do not see whole urls either")
                #expect(
                    try mail.mails.allSatisfy { $0.user == MailReceiver.user && $0.recipients == ["ops@example.com"] })
                #expect(
                    try mail.mails.map(\.text).joined().contains("https://hookline.example/console/#/webhook/\(id)"))
                #expect(try mail.mails.map(\.text).joined().contains(#"Webhook “Ofen "1" <b>” fails"#))
                let post = try #require(receiver.requests(at: "/post/s3cret").first)
                #expect(post.headers["webhook-signature"]?.hasPrefix("v1,") == true)
                for n in 2...5 { try await installation.publish(#"{"n":\#(n)}"#) }
                receiver.set(.answer(200), at: "/hook")
                let enable = #"{"webhook_ids":["\#(id)"],"status":"ENABLED"}"#
                #expect(try await api.call("PUT", "/webhooks/status", enable).status < 300)
                try await waitUntil("the recovery to be told") {
                    try mail.mails.contains { $0.text.contains("works again") }
                }
                // However many messages, each change is told once.
                let told = receiver.requests(at: "/post/s3cret").map(\.body).joined()
                for type in ["WEBHOOK_FAILING", "WEBHOOK_HALF_LIMIT", "WEBHOOK_DISABLED"] {
                    #expect(told.components(separatedBy: "\"\(type)\"").count == 2, "\(type)")
                }
                await listener.stop()
            }
            await mail.stop()
            await receiver.stop()
        }

        @Test("that do not arrive cost themselves alone, and say where they are set why")
        func failing() async throws {
            let (mail, receiver) = (try await MailReceiver.start(.starttls), try await Receiver.start())
            try await Installation.with(settings: Self.settings(mail, "smtp")) { installation, running in
                let (api, group) = (installation.api, installation.group)
                receiver.set(.hang, at: "/hangs")
                receiver.set(.answer(404), at: "/gone")
                let put = try await api.call(
                    "PUT", "/groups/\(group)/notices",
                    Self.channels(
                        #""name":"Nobody","type":"email","gather_seconds":0,"to":"nobody@example.com""#,
                        #""name":"Gone","type":"slack","gather_seconds":0,"url":"\#(receiver.url("/gone"))""#,
                        #""name":"Closed","type":"slack","gather_seconds":0,"url":"http://localhost.:9/""#,
                        #""name":"Hangs","type":"slack","gather_seconds":0,"url":"\#(receiver.url("/hangs"))""#,
                        #""name":"Good","type":"email","gather_seconds":0,"to":"ops@example.com""#))
                let made = try JSONDecoder().decode(Listed.self, from: Data(put.body.utf8)).channels
                #expect(made.count == 5, "\(put.body)")
                for channel in made {
                    let test = #"{"channel_id":"\#(channel.id)"}"#
                    #expect(try await api.call("POST", "/groups/\(group)/notices/test", test).status == 202)
                }
                try await waitUntil("the good one, and the others' errors", within: .seconds(60)) {
                    let list = try await api.call("GET", "/groups/\(group)/notices").body
                    let channels = try JSONDecoder().decode(Listed.self, from: Data(list.utf8)).channels
                    return try mail.mails.count == 1 && channels[4].given == 1
                        && channels[0].last_error?.contains("No such user here") == true && channels[0].dropped == 1
                        && channels[1].last_error?.contains("404") == true && channels[1].dropped == 1
                        && channels[2].last_error != nil
                }
                #expect(try await running.hookline.metric(#"hookline_notices_total{outcome="given"}"#) == 1)
            }
            await mail.stop()
            await receiver.stop()
        }

        private struct Listed: Decodable {
            struct Channel: Decodable {
                let id: String
                let given: Int
                let dropped: Int
                let last_error: String?
            }
            let channels: [Channel]
        }

        @Test(
            "of a user's own go to the address that they have given, or else to that of their token, if it is verified")
        func users() async throws {
            let mail = try await MailReceiver.start(.tls)
            let issuer = Issuer("key")
            let file = try Files.makeTemporaryFolder() + "/jwks"
            try Files.write(#"{"keys":[\#(issuer.jwk)]}"#, to: file)
            let settings = Self.settings(mail, "smtps").merging(
                ["AUTH_JWKS_FILE": file, "AUTH_ISSUER": "https://id.example", "AUTH_AUDIENCE": "hookline"]
            ) { first, _ in first }
            try await Installation.with(settings: settings) { _, running in
                func user(_ name: String, verified: Bool) async throws -> APIClient {
                    let claims =
                        #"{"iss":"https://id.example","aud":"hookline","exp":4000000000,"sub":"\#(name)","#
                        + #""email":"\#(name)@id.example","email_verified":\#(verified)}"#
                    return await running.hookline.api(token: try issuer.token(claims))
                }
                func test(_ api: APIClient) async throws {
                    let put = try await api.call(
                        "PUT", "/me/notices", Self.channels(#""name":"Mail","type":"email","gather_seconds":0"#))
                    let id = try #require(put.value(of: "id"), "\(put.body)")
                    let answer = try await api.call("POST", "/me/notices/test", #"{"channel_id":"\#(id)"}"#)
                    #expect(answer.status == 202)
                }
                let anna = try await user("anna", verified: true)
                #expect(try await anna.call("GET", "/me").value(of: "token_email") == "anna@id.example")
                try await test(anna)
                try await waitUntil("it at the token's address") {
                    try mail.mails.map(\.recipients) == [["anna@id.example"]]
                }
                let saved = try await anna.call(
                    "PUT", "/me", #"{"email":"anna@home.example","metadata":{"n":1.50}}"#)
                #expect(saved.status == 200 && saved.body.contains(#""metadata":{"n":1.50}"#), "\(saved.body)")
                try await test(anna)
                try await waitUntil("it at the address that was given") {
                    try mail.mails.last?.recipients == ["anna@home.example"]
                }
                let ben = try await user("ben", verified: false)
                #expect(try await ben.call("GET", "/me").value(of: "token_email") == nil)
                try await test(ben)
                try await waitUntil("it to be said that there is none") {
                    try await ben.call("GET", "/me/notices").body.contains("you have given no address")
                }
                for email in ["a b@c", "x@y\\r\\nBcc: z@y", "x"] {
                    let answer = try await anna.call("PUT", "/me", #"{"email":"\#(email)"}"#)
                    #expect(answer.status == 400 && answer.value(of: "field") == "email")
                }
            }
            await mail.stop()
        }
    }
}
