import LocalServices
import TestSupport
import Testing

// What there is for callers to see and to do something with.
extension ManagementTests.AccessTests {
    /// A group of the owner's with something of everything in it, and secrets wherever one can be.
    func place(
        _ owner: APIClient, at receiver: Receiver, members: [String] = ["viewer", "editor", "admin"],
        secret: String = Self.secret, root: APIClient
    ) async throws -> Place {
        var place = Place()
        place.group = try await owner.create(
            "/groups", #"[{"name":"\#(Place.random())","org_id":"\#(place.org)"}]"#)
        let group = "/groups/\(place.group)"
        let roles = members.map { #"{"member_id":"\#($0)","role":"\#($0)"}"# }.joined(separator: ",")
        if !members.isEmpty {
            #expect(try await owner.call("PUT", "\(group)/members", "[\(roles)]").status == 200)
        }
        place.profile = try await owner.create(
            "\(group)/profiles", #"[{"name":"p","config":{"webhook":true,"write":true}}]"#)
        place.spare = try await owner.create("\(group)/profiles", #"[{"name":"spare"}]"#)
        place.thing = try await owner.create(
            "\(group)/things", #"[{"name":"t","profile_id":"\#(place.profile)"}]"#)
        place.webhook = try await owner.create(
            "\(group)/webhooks",
            #"""
            [{"name":"hook","url":"\#(receiver.url("/\(secret)-path/{subtopic}?api_key=\(secret)-query"))",
              "headers":{"X-Api-Key":"\#(secret)-header","ce-note":"\#(secret)-ce"},
              "auth":{"type":"bearer","token":"\#(secret)-token"},"query":[{"key":"k","value":"\#(secret)-row"}],
              "body":"{\"key\":\"\#(secret)-body\",\"was\":{payload}}"}]
            """#)
        place.manual = try await owner.create(
            "\(group)/webhooks",
            #"""
            [{"name":"manual","url":"http://127.0.0.1:9/services/\#(secret)","trigger":{"type":"MANUAL"},
              "auth":{"type":"oauth2","client_id":"me","client_secret":"\#(secret)",
                      "token_url":"http://127.0.0.1:9/\#(secret)?tenant=\#(secret)"}}]
            """#)
        let source = #"[{"name":"s","thing_id":"\#(place.thing)"},{"name":"door","thing_id":"\#(place.thing)"}]"#
        let sources = try await owner.call("POST", "\(group)/sources", source)
        try #require(sources.status == 201, "\(sources.body)")
        let ids = sources.values(of: "id")
        (place.source, place.door, place.key) = (ids[0], ids[1], sources.values(of: "key")[1])
        place.apiKey = try await owner.create("\(group)/keys", #"[{"name":"k","role":"viewer"}]"#)
        let sample = try await owner.call(
            "PUT", "/sources/\(place.source)/sample", #"{"sample":{"card":"\#(secret)-sample"}}"#)
        #expect(sample.status == 200)
        place.orgWebhook = try await self.orgWebhook(owner, root, beside: place.org, secret, members)
        return place
    }

    /// A webhook of an org with a group of the owner's. It and the other org have their members, if the place has.
    func orgWebhook(
        _ owner: APIClient, _ root: APIClient, beside other: String, _ secret: String, _ members: [String]
    ) async throws -> String {
        let org = Place.random()
        _ = try await owner.create("/groups", #"[{"name":"\#(Place.random())","org_id":"\#(org)"}]"#)
        if !members.isEmpty {
            let roles =
                #"[{"member_id":"org-viewer","role":"viewer"},{"member_id":"org-admin","role":"admin"}]"#
            for org in [org, other] {
                #expect(try await root.call("PUT", "/orgs/\(org)/members", roles).status == 200)
            }
        }
        return try await root.create(
            "/orgs/\(org)/webhooks",
            #"""
            [{"name":"org's","url":"http://127.0.0.1:9/\#(secret)?key=\#(secret)","status":"DISABLED",
              "headers":{"X-Api-Key":"\#(secret)-header"},"auth":{"type":"bearer","token":"\#(secret)-token"}}]
            """#)
    }

    /// A delivery of the webhook, with an answer that is not for viewers.
    func deliver(_ installation: Installation, _ place: inout Place, by owner: APIClient) async throws {
        try await installation.publish(#"{"t":1}"#, topic: "things/\(place.thing)/messages/room")
        var delivery: String?
        try await waitUntil("a delivery in the log") {
            let log = try await owner.call("GET", "/webhooks/\(place.webhook)/log?status=ok")
            delivery = log.value(of: "trigger_id")
            return delivery != nil
        }
        place.delivery = try #require(delivery)
        _ = try await installation.sql(
            """
            INSERT INTO alarms (webhook_key, thing_id, group_id, raised, changed, is_active, mark)
            SELECT key, '\(place.thing)', group_id, 1, 1, true, 0 FROM webhooks WHERE id = '\(place.webhook)'
            """)
        _ = try await installation.sql(
            """
            INSERT INTO commands (id, group_id, thing_id, subtopic, payload, deliver, is_retained, created_by,
                by_receiver, hops, expires_at)
            VALUES ('\(place.command)', '\(place.group)', '\(place.thing)', '', '', 'when_seen', false, 'owner', false, 0,
                now() + interval '1 day')
            """)
        place.alarm = "msg_1_\(place.delivery.split(separator: "_").last ?? "")"
        let resend = try await owner.call("POST", "/webhooks/\(place.webhook)/resends", #"{"from":0,"to":1}"#)
        place.resend = "\(try #require(resend.number(of: "id"), "\(resend.body)"))"
    }
}
