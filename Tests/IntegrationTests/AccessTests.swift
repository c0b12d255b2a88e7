import Foundation
import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Who may see and do what")
    struct AccessTests {
        /// Somebody who calls. Another way of showing who one is (a key, a token of another issuer) is one more of these.
        private struct Caller {
            let name: String
            let token: String
            /// In the group that is called about.
            let standing: Standing
            /// Whether it is an API key of the group, and so none of any other.
            var isKey = false
            /// In its org.
            var inOrg: Standing?

            func expects(_ row: AccessRow) -> Int {
                row.expected(of: self.standing, inOrg: self.inOrg, withKey: self.isKey)
            }
        }

        /// Makes tokens that Hookline never would: signs the claims with the secret, by this algorithm.
        private static let forger = """
            import base64, hashlib, hmac, json, sys
            encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
            algorithm, claims, secret = sys.argv[1:4]
            text = encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()) + "." + encode(claims.encode())
            signs = algorithm != "none"
            print(text + "." + (encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()) if signs else ""))
            """

        private static func forge(
            _ claims: String, algorithm: String = "HS256", secret: String = HooklineProcess.jwtSecret
        ) async throws -> String {
            try await ChildProcess.complete("python3", ["-c", Self.forger, algorithm, claims, secret])
                .trimmingCharacters(in: .whitespacesAndNewlines)
        }

        /// The owner's name is on those that are refused: it is not for want of a role.
        private static func callers() async throws -> [Caller] {
            let now = Int(Date().timeIntervalSince1970)
            let good = try await HooklineProcess.token(user: "owner")
            var callers = [
                Caller(name: "no token", token: "", standing: .refused),
                Caller(name: "nonsense", token: "nonsense", standing: .refused),
                Caller(name: "cut off", token: String(good.dropLast(3)), standing: .refused),
                Caller(
                    name: "expired", token: try await Self.forge(#"{"sub":"owner","root":true,"exp":\#(now - 3_600)}"#),
                    standing: .refused),
                Caller(
                    name: "not yet",
                    token: try await Self.forge(#"{"sub":"owner","nbf":\#(now + 3_600),"exp":\#(now + 7_200)}"#),
                    standing: .refused),
                Caller(
                    name: "signed with another secret",
                    token: try await Self.forge(
                        #"{"sub":"owner","root":true,"exp":\#(now + 3_600)}"#,
                        secret: "another secret, of more than 32 bytes as well"), standing: .refused),
                Caller(
                    name: "not signed",
                    token: try await Self.forge(#"{"sub":"owner","exp":\#(now + 3_600)}"#, algorithm: "none"),
                    standing: .refused),
                Caller(
                    name: "nobody's", token: try await Self.forge(#"{"sub":"","exp":\#(now + 3_600)}"#),
                    standing: .refused),
                Caller(
                    name: "root", token: try await HooklineProcess.token(user: "root", root: true), standing: .root),
            ]
            for (user, standing) in [
                ("stranger", .stranger), ("foreigner", .stranger), ("viewer", .viewer), ("editor", .editor),
                ("admin", .admin), ("owner", .owner),
            ] as [(String, Standing)] {
                callers.append(
                    Caller(name: user, token: try await HooklineProcess.token(user: user), standing: standing))
            }
            for (user, standing) in [("org-viewer", .viewer), ("org-admin", .admin)] as [(String, Standing)] {
                let token = try await HooklineProcess.token(user: user)
                callers.append(Caller(name: user, token: token, standing: .stranger, inOrg: standing))
            }
            return callers
        }

        /// What stands in the home group wherever something is that viewers must not see.
        static let secret = "s3cr3t-home"

        /// Keys of each role, one of another group, and one that was revoked.
        private func keys(
            of home: Place, _ abroad: Place, _ owner: APIClient, _ foreigner: APIClient
        ) async throws -> [Caller] {
            func make(_ place: Place, _ role: String, _ name: String, _ api: APIClient) async throws -> HTTPAnswer {
                let answer = try await api.call(
                    "POST", "/groups/\(place.group)/keys", #"[{"name":"\#(name)","role":"\#(role)"}]"#)
                try #require(answer.status == 201, "\(answer.body)")
                return answer
            }
            var callers: [Caller] = []
            for (role, standing) in [
                ("viewer", .viewer), ("editor", .editor), ("admin", .admin), ("owner", .owner),
            ] as [(String, Standing)] {
                let token = try await make(home, role, role, owner).value(of: "key") ?? ""
                callers.append(Caller(name: "key of \(role)", token: token, standing: standing, isKey: true))
            }
            let foreign = try await make(abroad, "owner", "foreign", foreigner).value(of: "key") ?? ""
            callers.append(Caller(name: "foreign key", token: foreign, standing: .stranger, isKey: true))
            let revoked = try await make(home, "owner", "revoked", owner)
            let id = revoked.value(of: "id") ?? ""
            #expect(
                try await owner.call("DELETE", "/groups/\(home.group)/keys", #"{"key_ids":["\#(id)"]}"#).status == 204)
            callers.append(
                Caller(name: "revoked key", token: revoked.value(of: "key") ?? "", standing: .refused, isKey: true))
            return callers
        }

        private func call(_ row: AccessRow, _ api: APIClient, in place: Place) async throws -> HTTPAnswer {
            try await api.call(row.method, row.path(in: place), row.body?(place))
        }

        @Test("every operation has a row, and nobody gets further than it says", .timeLimit(.minutes(10)))
        func table() async throws {
            let receiver = try await Receiver.start()
            receiver.set(.content(200, "\(Self.secret)-answer"))
            // They call faster than anybody may by default.
            try await Installation.with(settings: ["HTTP_CALLER_RATE": "0"]) { installation, running in
                let hookline = await running.hookline
                let description = try await HTTP.get("http://127.0.0.1:\(hookline.port)/openapi.json").body
                #expect(
                    try Self.operations(in: description).symmetricDifference(AccessTable.rows.map(\.operation)) == [])

                var callers = try await Self.callers()
                let owner = installation.api
                let foreigner = hookline.api(token: try #require(callers.first { $0.name == "foreigner" }).token)
                let root = hookline.api(token: try #require(callers.first { $0.name == "root" }).token)
                var home = try await self.place(owner, at: receiver, root: root)
                var abroad = try await self.place(
                    foreigner, at: receiver, members: [], secret: "s3cr3t-abroad", root: root)
                try await self.deliver(installation, &home, by: owner)
                try await self.deliver(installation, &abroad, by: foreigner)

                callers += try await self.keys(of: home, abroad, owner, foreigner)
                let before = try await self.state(of: [home, abroad], installation)
                try await self.refuse(callers, hookline, in: home)
                try await self.hide(abroad, from: owner)
                #expect(try await self.state(of: [home, abroad], installation) == before, "something was changed")
                try await self.admit(callers, hookline, in: home) {
                    try await self.place(owner, at: receiver, root: root)
                }
                #expect(try await self.state(of: [abroad], installation) == Array(before.suffix(1)))
            }
            await receiver.stop()
        }

        @Test("of a list of ids one that is another's is answered as one that there is not, whatever stands beside it")
        func lists() async throws {
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                let own = try await installation.webhook("own", "http://127.0.0.1:9/")
                let foreigner = hookline.api(token: try await HooklineProcess.token(user: "foreigner"))
                let group = try await foreigner.create("/groups", #"[{"name":"Abroad"}]"#)
                let foreign = try await foreigner.create(
                    "/groups/\(group)/webhooks", #"[{"name":"theirs","url":"http://127.0.0.1:9/"}]"#)
                let viewer = hookline.api(token: try await HooklineProcess.token(user: "viewer"))
                let set = try await installation.api.call(
                    "PUT", "/groups/\(installation.group)/members", #"[{"member_id":"viewer","role":"viewer"}]"#)
                #expect(set.status == 200)
                for (api, alone) in [(installation.api, 204), (viewer, 403)] {
                    for (method, path, more) in [
                        ("PUT", "/webhooks/status", #","status":"ENABLED""#), ("DELETE", "/webhooks", ""),
                        ("PATCH", "/webhooks", ""), ("PATCH", "/groups/\(installation.group)/webhooks", ""),
                    ] {
                        var answers: [String] = []
                        for id in [foreign, Place.random()] {
                            let answer = try await api.call(
                                method, path, #"{"webhook_ids":["\#(own)","\#(id)"]\#(more)}"#)
                            answers.append(
                                "\(answer.status) \(answer.body.replacingOccurrences(of: id, with: "<id>"))")
                        }
                        #expect(answers[0] == answers[1], "\(method) \(path)")
                        // What a group's path needs is asked before what its list names.
                        let asksFirst = alone == 403 && path.hasPrefix("/groups")
                        #expect(answers[0].hasPrefix(asksFirst ? "403" : "404"), "\(method) \(path): \(answers[0])")
                    }
                    let answer = try await api.call(
                        "PUT", "/webhooks/status", #"{"webhook_ids":["\#(own)"],"status":"ENABLED"}"#)
                    #expect(answer.status == alone)
                }
                #expect(try await foreigner.call("GET", "/webhooks/\(foreign)").status == 200)
            }
        }

        @Test("who is in none of an org's groups makes no group in it; who mentions it first, its members and root do")
        func orgs() async throws {
            try await Installation.with { installation, running in
                let hookline = await running.hookline
                let org = Place.random()
                func group(_ user: String, root: Bool = false, _ others: String = "") async throws -> HTTPAnswer {
                    let api = hookline.api(token: try await HooklineProcess.token(user: user, root: root))
                    return try await api.call(
                        "POST", "/groups", #"[\#(others){"name":"\#(Place.random())","org_id":"\#(org)"}]"#)
                }
                let first = try await group("owner")
                #expect(first.status == 201)
                let others = #"{"name":"Mine"},"#
                let refused = try await group("stranger", others)
                #expect(refused.status == 403 && refused.value(of: "field") == "[1].org_id", "\(refused.body)")
                let stranger = hookline.api(token: try await HooklineProcess.token(user: "stranger"))
                #expect(try await stranger.call("GET", "/groups").number(of: "total") == 0, "all or none")
                let path = "/groups/\(try #require(first.value(of: "id")))/members"
                let set = try await installation.api.call("PUT", path, #"[{"member_id":"viewer","role":"viewer"}]"#)
                #expect(set.status == 200)
                #expect(try await group("owner").status == 201)
                #expect(try await group("viewer").status == 201)
                #expect(try await group("root", root: true).status == 201)
            }
        }

        private static func operations(in description: String) throws -> Set<String> {
            let root = try JSONSerialization.jsonObject(with: Data(description.utf8)) as? [String: Any]
            let paths = root?["paths"] as? [String: [String: Any]] ?? [:]
            return Set(
                paths.flatMap { path, item in
                    item.keys.filter { $0 != "parameters" }.map { "\($0.uppercased()) \(path)" }
                })
        }

        /// All that there is of each place's group, as one number.
        private func state(of places: [Place], _ installation: Installation) async throws -> [String] {
            var states: [String] = []
            for place in places {
                let parts = ["webhooks", "things", "profiles", "sources", "memberships", "api_keys", "groups"].map {
                    table in
                    """
                    SELECT '\(table)' || t::text AS row FROM \(table) AS t
                    WHERE \(table == "groups" ? "id" : "group_id") = '\(place.group)'
                    """
                }
                let org = """
                    SELECT 'orgs' || o::text FROM orgs AS o WHERE id = '\(place.org)'
                    UNION ALL SELECT 'org_members' || m::text FROM org_members AS m WHERE org_id = '\(place.org)'
                    UNION ALL SELECT 'org_webhooks' || w::text FROM org_webhooks AS w WHERE id = '\(place.orgWebhook)'
                    """
                let rows = (parts + [org]).joined(separator: " UNION ALL ")
                states.append(
                    try await installation.sql("SELECT md5(string_agg(row, '' ORDER BY row)) FROM (\(rows)) AS r"))
            }
            return states
        }

        /// Who may not is told so, and nothing else.
        private func refuse(_ callers: [Caller], _ hookline: HooklineProcess, in place: Place) async throws {
            for row in AccessTable.rows {
                for caller in callers where caller.expects(row) != row.answer {
                    let answer = try await self.call(row, hookline.api(token: caller.token), in: place)
                    #expect(
                        answer.status == caller.expects(row),
                        "\(caller.name): \(row.operation)\(row.query) \(answer.body.prefix(300))")
                    #expect(!answer.body.contains(Self.secret), "\(caller.name): \(row.operation)")
                    if answer.status == 401 { #expect(answer.headers["www-authenticate"]?.hasPrefix("Bearer") == true) }
                }
            }
        }

        /// What belongs to others is answered exactly as what there is not, whatever names it.
        private func hide(_ place: Place, from caller: APIClient) async throws {
            let nowhere = Place()
            func words(_ answer: HTTPAnswer, _ place: Place) -> String {
                place.ids.reduce("\(answer.status) \(answer.body)") {
                    $0.replacingOccurrences(of: $1, with: "<id>")
                }
            }
            for row in AccessTable.rows {
                switch row.least {
                case .member, .orgMember: break
                case .nobody, .user, .rootAlone: continue
                }
                let (foreign, missing) = (
                    try await self.call(row, caller, in: place), try await self.call(row, caller, in: nowhere)
                )
                #expect(foreign.status == 404, "\(row.operation)\(row.query) \(foreign.body)")
                #expect(words(foreign, place) == words(missing, nowhere), "\(row.operation)\(row.query)")
            }
            for path in [
                "/groups", "/webhooks", "/webhooks?org_id=\(place.org)", "/groups?org_id=\(place.org)", "/orgs",
            ] {
                let list = try await caller.call("GET", "\(path)\(path.contains("?") ? "&" : "?")limit=200")
                #expect(list.status == 200 && !place.ids.contains { list.body.contains($0) }, "\(path)")
            }
        }

        /// Who may is let through, and viewers see no secret on the way.
        private func admit(
            _ callers: [Caller], _ hookline: HooklineProcess, in place: Place, makePlace: () async throws -> Place
        ) async throws {
            for row in AccessTable.rows {
                for caller in callers where caller.expects(row) == row.answer {
                    // A key is of one group alone.
                    if caller.isKey, row.usesUp, row.least != .nobody { continue }
                    let place = row.usesUp ? try await makePlace() : place
                    let answer = try await self.call(row, hookline.api(token: caller.token), in: place)
                    #expect(
                        answer.status == row.answer,
                        "\(caller.name): \(row.operation)\(row.query) \(answer.body.prefix(300))")
                    let mayKnow = (caller.inOrg ?? caller.standing) >= .editor && row.least != .nobody
                    #expect(mayKnow || !answer.body.contains(Self.secret), "\(caller.name): \(row.operation)")
                }
            }
            let editor = try #require(callers.first { $0.standing == .editor })
            for path in ["/webhooks/\(place.webhook)", "/sources/\(place.source)", "/deliveries/\(place.delivery)"] {
                let seen = try await hookline.api(token: editor.token).call("GET", path)
                #expect(seen.body.contains(Self.secret), "it was there to be seen: \(path)")
            }
        }
    }
}
