import Foundation
import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Lists page by page")
    struct PageTests {
        @Test("every list says where the next page begins, and takes that back from its own pages alone")
        func cursors() async throws {
            try await Installation.with { installation, _ in
                let api = installation.api
                let group = "/groups/\(installation.group)"
                for name in ["a", "b", "c"] { _ = try await installation.webhook(name, "http://127.0.0.1:9/") }
                try await installation.publish(1...3)
                let webhook = try #require(try await api.call("GET", "\(group)/webhooks").value(of: "id"))
                try await waitUntil("the messages to wait, and the log to have their attempts") {
                    try await api.call("GET", "/webhooks/\(webhook)/log?status=failed,waiting").number(of: "total") ?? 0
                        >= 3
                }
                for list in [
                    "\(group)/webhooks?order=name&dir=asc", "/webhooks?order=last_triggered_at",
                    "/webhooks/\(webhook)/deliveries?status=waiting", "/webhooks/\(webhook)/log", "\(group)/log",
                ] {
                    let first = try await api.call("GET", "\(list)\(list.contains("?") ? "&" : "?")limit=1")
                    #expect(first.status == 200 && first.number(of: "offset") == 0, "\(first.body)")
                    let next = try #require(first.value(of: "next"), "\(list)")
                    let path = "\(list)\(list.contains("?") ? "&" : "?")cursor=\(next)"
                    let second = try await api.call("GET", "\(path)&limit=200")
                    #expect(second.status == 200 && second.number(of: "offset") == 1, "\(second.body)")
                    #expect(second.value(of: "next") == nil, "all the rest is in it")
                    for wrong in [
                        "\(path)x%00", "\(path)&offset=1", "\(list)\(list.contains("?") ? "&" : "?")cursor=x",
                    ] {
                        let answer = try await api.call("GET", wrong)
                        #expect(answer.status == 400, "\(wrong)")
                    }
                    let stranger = try await api.call("GET", "\(group)/things?cursor=\(next)")
                    #expect(stranger.status == 400 && stranger.value(of: "field") == "cursor", "\(stranger.body)")
                }
                // Of the same order, which alone says nothing of where in another list it is.
                let other = try await api.create("/groups", #"[{"name":"Other"}]"#)
                for name in ["a", "b"] { _ = try await api.create("/groups", #"[{"name":"Group \#(name)"}]"#) }
                let next = try #require(try await api.call("GET", "\(group)/webhooks?limit=1").value(of: "next"))
                for list in [
                    "/groups/\(other)/webhooks", "/webhooks", "\(group)/things", "\(group)/profiles", "/groups",
                ] {
                    let answer = try await api.call("GET", "\(list)?cursor=\(next)")
                    #expect(answer.status == 400 && answer.value(of: "field") == "cursor", "\(list) \(answer.body)")
                }
                // The same list by its other name, and with a cursor of before they said which list they are of.
                #expect(try await api.call("GET", "/webhooks\(group)/webhooks/?cursor=\(next)").status == 200)
                let first = try await api.call("GET", "\(group)/webhooks?limit=1&order=name&dir=asc")
                let id = try #require(first.value(of: "id"))
                let former = Data(#"["name asc","1","a","\#(id)"]"#.utf8).base64EncodedString()
                    .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
                let second = try await api.call("GET", "\(group)/webhooks?order=name&dir=asc&cursor=\(former)")
                #expect(second.status == 200 && second.value(of: "name") == "b", "\(second.body)")
            }
        }
    }
}
