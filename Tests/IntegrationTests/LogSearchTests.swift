import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Looking into the log")
    struct LogSearchTests {
        private static let keeping = #"{"content_type":"application/json","write":true,"webhook":true}"#

        @Test("finds entries by trigger id, url, error and the payload of what is kept, of a webhook and of its group")
        func search() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(profile: Self.keeping) { installation, _ in
                let api = installation.api
                let hook = try await installation.webhook("hook", receiver.url("/path-a"))
                _ = try await installation.webhook(
                    "away", "http://127.0.0.1:9/path-b", #""max_attempts":1,"failure_limit":0"#)
                try await installation.publish(1...30)
                let log = "/groups/\(installation.group)/log"
                try await waitUntil("all to be in the log") {
                    try await api.call("GET", "\(log)?limit=1").number(of: "total") == 60
                }
                try await waitUntil("what can succeed to have done so") {
                    try await api.call("GET", "\(log)?status=ok&limit=1").number(of: "total") == 30
                }
                func found(_ place: String, _ text: String) async throws -> [String] {
                    let query = [(" ", "%20"), ("\"", "%22"), ("{", "%7B"), ("}", "%7D")].reduce(text) {
                        $0.replacing($1.0, with: $1.1)
                    }
                    let answer = try await api.call("GET", "\(place)?limit=100&text=\(query)")
                    #expect(answer.status == 200, "\(answer.body)")
                    return answer.values(of: "trigger_id")
                }
                #expect(try await found(log, #"{"n":17}"#).count == 2)
                #expect(try await found("/webhooks/\(hook)/log", #"{"n":17}"#).count == 1)
                #expect(try await found(log, "path-b").count == 30)
                // Its breaker lets some of them wait.
                try await waitUntil("an error in the log") { try await found(log, "refused").count > 0 }
                #expect(try await found("/webhooks/\(hook)/log", "refused").isEmpty)
                #expect(try await found(log, "no text that there is").isEmpty)
                let one = try #require(try await found("/webhooks/\(hook)/log", #"{"n":3}"#).first)
                #expect(try await found(log, one) == [one])
                // A page says where the next goes on, however few it has. Of what stays as it is: what waits moves.
                var (next, all) = (String?.none, [String]())
                for _ in 0..<600 {
                    let cursor = next.map { "&cursor=\($0)" } ?? ""
                    let page = try await api.call("GET", "\(log)?status=ok&limit=3&text=%22n%22:2\(cursor)")
                    #expect(page.status == 200, "\(page.body)")
                    all += page.values(of: "trigger_id")
                    next = page.value(of: "next")
                    if next == nil { break }
                }
                #expect(next == nil && all.count == 11 && Set(all).count == 11, "\(all)")
                for query in ["text=a&order=status", "text=a&offset=5", "text=\(String(repeating: "a", count: 201))"] {
                    #expect(try await api.call("GET", "\(log)?\(query)").status == 400, "\(query)")
                }
            }
            await receiver.stop()
        }

        @Test("shows a request as it was sent: with the thing's name and profile, and all that went out together")
        func asSent() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with(profile: Self.keeping) { installation, _ in
                let api = installation.api
                let named = try await installation.webhook(
                    "named", receiver.url("/named"),
                    ##""body":"{\"name\":\"{thing_name}\",\"profile\":\"{profile_id}\"}""##)
                let together = try await installation.webhook(
                    "together", receiver.url("/together"), #""batch":{"max_items":3,"max_wait_ms":60000}"#)
                try await installation.publish(1...3)
                try await waitUntil("all requests") { receiver.requests.count == 4 }
                for (id, path) in [(named, "/named"), (together, "/together")] {
                    try await waitUntil("the log") {
                        try await api.call("GET", "/webhooks/\(id)/log").number(of: "total") ?? 0 > 0
                    }
                    let entry = try await api.call("GET", "/webhooks/\(id)/log")
                    let trigger = try #require(entry.value(of: "trigger_id"))
                    let delivery = try await api.call("GET", "/deliveries/\(trigger)")
                    let sent = receiver.requests(at: path).map(\.body)
                    let shown = delivery.body.replacing("\\\"", with: "\"")
                    #expect(sent.contains { shown.contains($0) }, "\(delivery.body)")
                    #expect(delivery.value(of: "thing_name") == "Thing")
                }
                #expect(receiver.requests(at: "/named")[0].body.contains(installation.profile))
            }
            await receiver.stop()
        }
    }
}
