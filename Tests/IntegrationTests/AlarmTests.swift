import Foundation
import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Conditions with an edge")
    struct AlarmTests {
        private struct List: Decodable {
            struct Alarm: Decodable {
                struct Name: Decodable { let name: String }
                let id: String
                let webhook: Name
                let thing: Name
                let state: String
                let since: Int64
                let due_at: Int64?
                let value: String?
                let acknowledged_by: String?
            }
            let total: Int
            let alarms: [Alarm]
        }

        private static func alarms(_ installation: Installation, _ query: String = "") async throws -> [List.Alarm] {
            let answer = try await installation.api.call("GET", "/groups/\(installation.group)/alarms\(query)")
            #expect(answer.status == 200, "\(answer.body)")
            return try JSONDecoder().decode(List.self, from: Data(answer.body.utf8)).alarms
        }

        private static func edge(_ edge: String, _ more: String = "") -> String {
            #""conditions":{"rules":[{"path":"t","operator":"gt","value":30}],"edge":"\#(edge)"\#(more)}"#
        }

        @Test("send one request for each crossing, which outlives a restart, and say what was crossed")
        func crossings() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let body =
                    #","body":"{\"t\":{payload.t},\"state\":\"{state}\",\"was\":\"{previous}\",\"since\":{since}}""#
                for edge in ["becomes", "is_no_longer", "both", "silent"] {
                    _ = try await installation.webhook(edge, receiver.url("/\(edge)"), Self.edge(edge) + body)
                }
                _ = try await installation.webhook("all", receiver.url("/all"))
                func publish(_ values: [String]) async throws {
                    for value in values { try await installation.publish(#"{"t":\#(value)}"#) }
                }
                try await publish(["20", "31", "31.5"])
                try await waitUntil("the first messages") { receiver.requests(at: "/all").count == 3 }
                await running.hookline.process.stop()
                await running.replace(
                    hookline: try await HooklineProcess.serve(
                        postgres: installation.postgresURL, mqttPort: installation.mosquitto.port,
                        logFile: "\(installation.folder)/hookline.log"))
                try await publish(["32", "29", "33"])
                try await waitUntil("all of them") {
                    receiver.requests(at: "/all").count >= 6 && receiver.requests(at: "/both").count >= 3
                        && receiver.requests(at: "/becomes").count >= 2
                        && !receiver.requests(at: "/is_no_longer").isEmpty
                }
                func told(_ edge: String) -> [String] {
                    receiver.requests(at: "/\(edge)").map { $0.body.components(separatedBy: #","since""#)[0] }
                }
                let (first, second) = (
                    #"{"t":31,"state":"active","was":"normal""#, #"{"t":33,"state":"active","was":"normal""#
                )
                let end = #"{"t":29,"state":"normal","was":"active""#
                #expect(told("becomes") == [first, second])
                #expect(told("is_no_longer") == [end])
                #expect(told("both") == [first, end, second])
                #expect(told("silent") == [])
                #expect(!receiver.requests(at: "/both")[0].body.hasSuffix("null}"), "since when is a time")
                let kept = try await installation.sql("SELECT count(*) FROM alarms WHERE is_active")
                #expect(kept.contains("4"), "each webhook's own, the silent one's too")
            }
            await receiver.stop()
        }

        @Test("have to be met for as long as is asked, and then need no message to say so")
        func durations() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                _ = try await installation.webhook("late", receiver.url("/late"), Self.edge("both", #","for":2"#))
                _ = try await installation.webhook("never", receiver.url("/never"), Self.edge("both", #","for":9999"#))
                try await installation.publish(#"{"t":31}"#, subtopic: "room")
                try await waitUntil("it to be pending") { try await Self.alarms(installation).count == 2 }
                let pending = try await Self.alarms(installation, "?state=pending")
                #expect(pending.allSatisfy { $0.due_at != nil && $0.value == "31" })
                try await waitUntil("what lasted") { receiver.requests(at: "/late").count == 1 }
                let request = try #require(receiver.requests(at: "/late").first)
                #expect(request.body == #"{"t":31}"# && request.headers["x-hookline-subtopic"] == "room")
                #expect(try await Self.alarms(installation, "?state=active").map(\.webhook.name) == ["late"])
                try await installation.publish(#"{"t":1}"#)
                try await waitUntil("both to be over") { try await Self.alarms(installation).isEmpty }
                try await waitUntil("the end") { receiver.requests(at: "/late").count == 2 }
                #expect(receiver.requests(at: "/never").isEmpty)
            }
            await receiver.stop()
        }

        @Test("are explained, listed, acknowledged and cleared, after which the next message raises another")
        func looked() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let api = installation.api
                let webhook = try await installation.webhook("hot", receiver.url("/hot"), Self.edge("becomes"))
                func verdict(_ payload: String) async throws -> String {
                    try await api.call(
                        "POST", "/things/\(installation.thing)/explain", #"{"payload":\#(payload)}"#
                    ).body
                }
                #expect(try await verdict(#"{"t":31}"#).contains("they become met"))
                try await installation.publish(#"{"t":31}"#)
                try await waitUntil("the crossing") { receiver.requests(at: "/hot").count == 1 }
                #expect(try await verdict(#"{"t":31}"#).contains("condition already true since"))
                let test = try await api.call(
                    "POST", "/webhooks/\(webhook)/test",
                    #"{"dry_run":true,"message":{"thing_id":"\#(installation.thing)","payload":{"t":40}}}"#)
                #expect(test.body.contains("this message would be skipped: condition already true since"))
                let alarm = try #require(try await Self.alarms(installation).first)
                #expect(alarm.thing.name == "Thing" && alarm.state == "active" && alarm.acknowledged_by == nil)
                for _ in 1...2 {
                    #expect(try await api.call("POST", "/alarms/\(alarm.id)/acknowledge").status == 200)
                }
                #expect(try await Self.alarms(installation, "?acknowledged=true").map(\.acknowledged_by) == ["owner"])
                #expect(try await Self.alarms(installation, "?acknowledged=false").isEmpty)
                #expect(try await api.call("GET", "/groups/\(installation.group)/alarms?state=odd").status == 400)
                for _ in 1...2 { #expect(try await api.call("POST", "/alarms/\(alarm.id)/clear").status == 204) }
                #expect(try await api.call("POST", "/alarms/\(alarm.id)/acknowledge").status == 404)
                try await installation.publish(#"{"t":32}"#)
                try await waitUntil("the next") { receiver.requests(at: "/hot").count == 2 }
                #expect(try await Self.alarms(installation).first?.id != alarm.id)
                #expect(try await api.call("DELETE", "/webhooks/\(webhook)").status == 204)
                #expect(try await Self.alarms(installation).isEmpty)
            }
            await receiver.stop()
        }
    }
}
