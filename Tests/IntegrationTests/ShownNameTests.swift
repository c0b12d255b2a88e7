import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Names that do not show what they are")
    struct ShownNameTests {
        @Test("are given to nothing by now, and what has one keeps it while all else of it changes")
        func kept() async throws {
            try await Installation.with { installation, _ in
                let api = installation.api
                let group = "/groups/\(installation.group)"
                let hook = try await installation.webhook("Hook", "http://127.0.0.1:9/")
                let source = try await api.create(
                    "\(group)/sources", #"[{"name":"Source","thing_id":"\#(installation.thing)"}]"#)
                for (table, path, more) in [
                    ("groups", group, ""), ("profiles", "/profiles/\(installation.profile)", ""),
                    ("things", "/things/\(installation.thing)", #","profile_id":"\#(installation.profile)""#),
                    ("webhooks", "/webhooks/\(hook)", #","url":"http://127.0.0.1:9/""#),
                    ("sources", "/sources/\(source)", ""),
                ] {
                    for name in [" ", "exe\u{202E}gnp", "ad\u{200B}min"] {
                        let answer = try await api.call("PUT", path, #"{"name":"\#(name)"\#(more)}"#)
                        #expect(
                            answer.status == 400 && answer.value(of: "field") == "name", "\(path): \(answer.body)")
                    }
                    let id = path.split(separator: "/").last ?? ""
                    _ = try await installation.sql("UPDATE \(table) SET name = 'a\u{202E}b' WHERE id = '\(id)'")
                    let body = #"{"name":"a\#u{202E}b"\#(more)}"#
                    #expect(try await api.call("PUT", path, body).status == 200, "\(path)")
                }
                for (path, more) in [
                    ("/groups", ""), ("\(group)/profiles", ""), ("\(group)/keys", #","role":"viewer""#),
                    ("\(group)/things", #","profile_id":"\#(installation.profile)""#),
                    ("\(group)/webhooks", #","url":"http://127.0.0.1:9/""#),
                    ("\(group)/sources", #","thing_id":"\#(installation.thing)""#),
                ] {
                    let answer = try await api.call("POST", path, #"[{"name":"a\#u{2066}b"\#(more)}]"#)
                    #expect(
                        answer.status == 400 && answer.value(of: "field") == "[0].name", "\(path): \(answer.body)")
                }
            }
        }
    }
}
