import Foundation
import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Sources for many things")
    struct SourceThingTests {
        /// What each system posts, in the shape that its documentation gives, with values of ours.
        private static let events: [String: (body: String, thing: String, subtopic: String?)] = [
            "the-things-stack": (
                #"""
                {"end_device_ids":{"device_id":"probe-1","application_ids":{"application_id":"meadow"},
                "dev_eui":"0004A30B001C0530"},"received_at":"2026-11-26T12:00:00Z",
                "uplink_message":{"f_port":1,"frm_payload":"AQI=","decoded_payload":{"t":21.70}}}
                """#, "probe-1", nil
            ),
            "chirpstack": (
                #"""
                {"deduplicationId":"3ac7e3c4-4401-4b8d-9386-a5c902f9202d","deviceInfo":{"applicationName":"meadow",
                "devEui":"0004a30b001c0531"},"fCnt":7,"fPort":1,"data":"AQI=","object":{"t":21.70}}
                """#, "0004a30b001c0531", "up"
            ),
            "particle": (
                #"""
                {"event":"temperature","data":"21.70","coreid":"e00fce68515bf5b5f64a3d3e",
                "published_at":"2026-11-26T12:00:00.000Z"}
                """#, "e00fce68515bf5b5f64a3d3e", "temperature"
            ),
            "blues": (
                #"""
                {"event":"b1c2d3e4-0000-4000-8000-000000000001","device":"dev:864475046450000","file":"sensors.qo",
                "body":{"t":21.70}}
                """#, "dev:864475046450000", "sensors.qo"
            ),
        ]

        private func make(_ installation: Installation, _ fields: [String: Any]) async throws -> HTTPAnswer {
            let source = fields.merging(["thing_id": installation.thing]) { $1 }
            let body = String(decoding: try JSONSerialization.data(withJSONObject: [source]), as: UTF8.self)
            return try await installation.api.call("POST", "/groups/\(installation.group)/sources", body)
        }

        private func url(_ made: HTTPAnswer) throws -> String {
            #expect(made.status == 201, "\(made.body)")
            return try #require(made.value(of: "url"))
        }

        private static let json = ["content-type": "application/json"]

        @Test("take the thing from the event, as the presets of well-known systems do, and make it if that is wished")
        func presets() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let (api, group) = (installation.api, installation.group)
                try await installation.addWebhook("all", receiver.url())
                let profile = try await api.create(
                    "/groups/\(group)/profiles", #"[{"name":"New","config":\#(Installation.forwarding)}]"#)
                let answer = try await api.call("GET", "/source-presets")
                let root = try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: [[String: Any]]]
                let presets = try #require(root?["presets"])
                #expect(Set(presets.compactMap { $0["id"] as? String }) == Set(Self.events.keys))
                for (index, preset) in presets.enumerated() {
                    let id = try #require(preset["id"] as? String)
                    let event = try #require(Self.events[id])
                    let source = try #require(preset["source"] as? [String: Any])
                    let url = try self.url(try await self.make(installation, source))
                    if index == 0 {
                        let refused = try await HTTP.post(url, event.body, headers: Self.json)
                        #expect(
                            refused.status == 400 && refused.body.contains("new_thing_profile_id"), "\(refused.body)")
                        let grown = try await api.call(
                            "PUT", "/groups/\(group)", #"{"name":"Group","new_thing_profile_id":"\#(profile)"}"#)
                        #expect(grown.status == 200, "\(grown.body)")
                    }
                    // ChirpStack adds to the url what kind of event it is; others add nothing, and do not mind.
                    let taken = try await HTTP.post("\(url)&event=up", event.body, headers: Self.json)
                    #expect(taken.status == 202, "\(taken.body)")
                    try await waitUntil("\(event.thing)'s message") { receiver.has(body: event.body) }
                    let request = try #require(receiver.requests.last { $0.body == event.body })
                    #expect(request.headers["x-hookline-subtopic"] == event.subtopic)
                    let found = try await api.call("GET", "/groups/\(group)/things?external_id=\(event.thing)")
                    #expect(found.values(of: "id").contains(request.headers["x-hookline-thing-id"] ?? "none"))
                    let nobody = try await HTTP.post("\(url)&event=up", "{}", headers: Self.json)
                    #expect(nobody.status == 400 && nobody.body.contains("no thing is named at"), "\(nobody.body)")
                }
            }
            await receiver.stop()
        }

        @Test("read what is behind their url as forms write it")
        func query() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                try await installation.addWebhook("all", receiver.url())
                let url = try self.url(try await self.make(installation, ["subtopic": "{query.event}"]))
                let cases: [(written: String, meant: String?)] = [
                    ("link+up", "link up"), ("a%2Bb", nil), ("x%20y", "x y"),
                ]
                for (written, meant) in cases {
                    let body = #""\#(written)""#
                    let answer = try await HTTP.post("\(url)&event=\(written)", body, headers: Self.json)
                    #expect(answer.status == (meant == nil ? 400 : 202), "\(written): \(answer.body)")
                    guard let meant else { continue }
                    try await waitUntil("it to arrive") { receiver.has(body: body) }
                    let request = try #require(receiver.requests.last { $0.body == body })
                    #expect(request.headers["x-hookline-subtopic"] == meant)
                }
            }
            await receiver.stop()
        }

        @Test("find a thing by its label or its id, and say what they do not find")
        func found() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                let (api, group, own) = (installation.api, installation.group, installation.thing)
                try await installation.addWebhook("all", receiver.url())
                let things = try await api.call("GET", "/things/\(own)")
                let profile = try #require(things.value(of: "profile_id"))
                let other = try await api.create(
                    "/groups/\(group)/things",
                    #"[{"name":"Other","profile_id":"\#(profile)","labels":["pump","east"]}]"#)
                _ = try await api.create(
                    "/groups/\(group)/things", #"[{"name":"Third","profile_id":"\#(profile)","labels":["pump"]}]"#)
                let byLabel = try self.url(
                    try await self.make(installation, ["name": "L", "thing": ["path": "at", "by": "label"]]))
                let byID = try self.url(
                    try await self.make(installation, ["name": "I", "thing": ["path": "at", "otherwise": "own"]]))
                for (url, at, thing) in [(byLabel, "east", other), (byID, other, other), (byID, "nobody", own)] {
                    let body = #"{"at":"\#(at)","to":"\#(url.suffix(8))"}"#
                    let taken = try await HTTP.post(url, body, headers: Self.json)
                    #expect(taken.status == 202, "\(taken.body)")
                    try await waitUntil(body) { receiver.has(body: body) }
                    let request = try #require(receiver.requests.last { $0.body == body })
                    #expect(request.headers["x-hookline-thing-id"] == thing, "\(body)")
                }
                for (at, reason) in [("pump", "several things"), ("west", "no thing of the group is called west")] {
                    let refused = try await HTTP.post(byLabel, #"{"at":"\#(at)"}"#, headers: Self.json)
                    #expect(refused.status == 400 && refused.body.contains(reason), "\(refused.body)")
                }
                for (thing, field) in [
                    (["path": ""], "thing.path"), (["by": "label"], "thing.path"),
                    (["path": "a", "by": "label", "otherwise": "create"], "thing.otherwise"),
                    (["path": "a", "by": "name"], "thing.by"),
                ] {
                    let refused = try await self.make(installation, ["name": "X", "thing": thing])
                    #expect(refused.status == 400 && refused.body.contains(field), "\(refused.body)")
                }
            }
            await receiver.stop()
        }

        @Test("shake hands with those who ask first, and with nobody else")
        func handshakes() async throws {
            try await Installation.with { installation, _ in
                let text = try self.url(try await self.make(installation, ["name": "T", "handshake": "text"]))
                let json = try self.url(try await self.make(installation, ["name": "J", "handshake": "json"]))
                let none = try self.url(try await self.make(installation, ["name": "N"]))
                let page = "%3Cscript%3E"
                let told = try await HTTP.call("GET", "\(text)&challenge=\(page)")
                #expect(told.status == 200 && told.body == "<script>", "\(told.body)")
                #expect(told.headers["content-type"] == "text/plain; charset=utf-8")
                #expect(told.headers["x-content-type-options"] == "nosniff")
                let (path, key) = (text.prefix { $0 != "?" }, text.split(separator: "=").last ?? "")
                let hub = "hub.mode=subscribe&hub.challenge=7&hub.verify_token="
                for (url, status, body) in [
                    ("\(json)&hub.challenge=7", 200, #"{"hub.challenge":"7"}"#), ("\(path)?\(hub)\(key)", 200, "7"),
                    ("\(path)?\(hub)wrong", 401, "not valid"), ("\(path)?challenge=7", 401, "not valid"),
                    (text, 400, "challenge"), ("\(text)&challenge=\(String(repeating: "7", count: 513))", 400, "512"),
                    ("\(none)&challenge=7", 405, "POST"),
                ] {
                    let answer = try await HTTP.call("GET", url)
                    #expect(answer.status == status && answer.body.contains(body), "\(url): \(answer.body)")
                }
                let origin = ["webhook-request-origin": "eventgrid.azure.net"]
                let allowed = try await HTTP.call("OPTIONS", none, headers: origin)
                #expect(allowed.status == 200, "\(allowed.body)")
                #expect(allowed.headers["webhook-allowed-origin"] == "eventgrid.azure.net")
                #expect(allowed.headers["webhook-allowed-rate"] == "6000")
                #expect(try await HTTP.call("OPTIONS", "\(none)x", headers: origin).status == 401)
                #expect(try await HTTP.call("OPTIONS", none).status == 400)
                let validated = try await HTTP.post(
                    none, #"[{"id":"1","data":{"validationCode":"512d38b6"},"eventType":"x"}]"#,
                    headers: Self.json.merging(["aeg-event-type": "SubscriptionValidation"]) { $1 })
                #expect(validated.status == 200 && validated.body == #"{"validationResponse":"512d38b6"}"#)
            }
        }

        @Test("take the key as a password, and make the secret that their callers sign with")
        func secrets() async throws {
            try await Installation.with { installation, _ in
                let keyed = try await self.make(installation, ["name": "B"])
                let (url, key) = (try self.url(keyed), try #require(keyed.value(of: "key")))
                let bare = String(url.prefix { $0 != "?" })
                for (credentials, status) in [("anybody:\(key)", 202), ("\(key):", 401), (key, 401)] {
                    let basic = "Basic " + Data(credentials.utf8).base64EncodedString()
                    let answer = try await HTTP.post(
                        bare, "{}", headers: Self.json.merging(["authorization": basic]) { $1 })
                    #expect(answer.status == status, "\(credentials): \(answer.body)")
                }
                for (vendor, prefix) in [("standard", "whsec_"), ("github", "")] {
                    let made = try await self.make(
                        installation, ["name": vendor, "auth": ["type": "signature", "vendor": vendor]])
                    let id = try #require(made.value(of: "id"))
                    let secret = try #require(made.values(of: "secret").first { $0 != "***" }, "\(made.body)")
                    #expect(secret.hasPrefix(prefix) && secret.count > 40)
                    let shown = try await installation.api.call("GET", "/sources/\(id)")
                    #expect(!shown.body.contains(secret))
                }
                let theirs = try await self.make(
                    installation, ["name": "S", "auth": ["type": "signature", "vendor": "stripe"]])
                #expect(theirs.status == 400 && theirs.body.contains("auth.secret"), "\(theirs.body)")
            }
        }
    }
}
