import Foundation
import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("What is taken along, and what is erased")
    struct ExportTests {
        private func lines(_ answer: HTTPAnswer) -> [Substring] {
            answer.body.split(separator: "\n", omittingEmptySubsequences: true)
        }

        @Test("all kept messages and the whole log come as lines, those of the pages, and then they are erased")
        func all() async throws {
            let receiver = try await Receiver.start(keepsRequests: false)
            try await Installation.with(profile: #"{"webhook":true,"write":true,"content_type":"text/plain"}"#) {
                installation, _ in
                let api = installation.api
                let webhook = try await installation.webhook("hook", receiver.url())
                try await installation.publish(1...450)
                // As text that a table must put in quotes.
                try await installation.publish("a \"b\", c\r\n=d")
                try await waitUntil("all delivered") { receiver.bodies.unique == 451 }
                let path = "/things/\(installation.thing)/messages"
                let first = try await api.call("GET", "\(path)?limit=1")
                #expect(first.number(of: "total") == 451)

                let all = try await api.call("GET", "\(path)?format=ndjson")
                #expect(all.status == 200 && all.headers["content-type"] == "application/x-ndjson")
                #expect(self.lines(all).count == 451)
                let one = try await api.call("GET", "\(path)?limit=1")
                #expect(one.body.contains(self.lines(all)[0]), "a line is what a page has")
                #expect(Set(all.values(of: "id")).count == 451)
                let some = try await HTTP.get(
                    "\(api.base)\(path)?from=2100-01-01T00:00:00Z",
                    headers: ["authorization": "Bearer \(api.token)", "accept": "application/x-ndjson;q=1, */*"])
                #expect(some.status == 200 && some.body.isEmpty)

                let table = try await api.call("GET", "\(path)?format=csv")
                #expect(table.headers["content-type"] == "text/csv")
                let columns = "id,thing_id,subtopic,content_type,received_at,payload,payload_base64\r\n"
                #expect(table.body.hasPrefix(columns) && table.body.contains("\"a \"\"b\"\", c\r\n=d\",\r\n"))

                for log in ["/webhooks/\(webhook)/log", "/groups/\(installation.group)/log"] {
                    try await waitUntil("all in the log") {
                        let entries = try await api.call("GET", "\(log)?format=ndjson")
                        return Set(entries.values(of: "trigger_id")).count == 451 && self.lines(entries).count == 451
                    }
                    let entries = try await api.call("GET", "\(log)?format=csv&status=failed")
                    #expect(entries.status == 200 && self.lines(entries).count == 1, "the columns alone")
                    #expect(entries.body.hasSuffix(",items,due_at,thing_name\r\n"), "what came later stands behind")
                    let told = try await api.call("GET", "\(log)?format=ndjson").values(of: "thing_name")
                    #expect(told == Array(repeating: "Thing", count: 451))
                }
                for query in ["format=xml", "format=csv&limit=5", "format=csv&offset=1", "format=ndjson&cursor=x"] {
                    #expect(try await api.call("GET", "\(path)?\(query)").status == 400, "\(query)")
                }
                #expect(try await api.call("GET", "/webhooks/\(webhook)/log?format=csv&order=status").status == 400)

                let asked = try await api.call("DELETE", path)
                #expect(asked.status == 202 && asked.value(of: "status") == "RUNNING", "\(asked.body)")
                try await waitUntil("all to be erased") {
                    try await api.call("GET", path).number(of: "total") == 0
                }
                try await waitUntil("what stands about them") {
                    try await api.call("GET", "/webhooks/\(webhook)/log").number(of: "total") == 0
                }
                let told = try await api.call("GET", "/groups/\(installation.group)/erasures")
                #expect(told.number(of: "messages") == 451 && told.value(of: "thing_id") == installation.thing)
                #expect(try await api.call("DELETE", "\(path)?from=2&to=1").status == 400)
            }
            await receiver.stop()
        }
    }
}
