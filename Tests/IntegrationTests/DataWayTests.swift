import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Two ways to the database")
    struct DataWayTests {
        /// What docs/scaling.md names, and deploy/citus distributes or makes known to all nodes.
        private static let tables = [
            "messages", "transient_messages", "waiting_messages", "deliveries", "delivery_batches", "waiting_batches",
            "attempts", "attempt_batches", "skips", "webhook_counters", "webhook_stats", "group_stats",
            "condition_memory",
            "thinned_things", "sessions", "alarms", "alarm_crossings",
        ]

        /// A database that is migrated, by its name and as the settings have it.
        private func database() async throws -> (cluster: LocalPostgres, name: String, url: String) {
            let (cluster, _) = try await SharedPostgres.shared.running()
            let url = try await SharedPostgres.shared.makeDatabase()
            let (end, output) = try await HooklineProcess.run(["migrate"], ["POSTGRES_URL": url])
            try #require(end == "exited(0)", "\(output)")
            return (cluster, String(url.split(separator: "/").last ?? ""), url)
        }

        @Test(
            "what goes by the one to the data is about its tables alone, takes no turns and listens to nothing",
            .disabled(if: GivenPostgres.isThere, "\(GivenPostgres.skipped)"))
        func rights() async throws {
            let (cluster, name, url) = try await self.database()
            // Whoever comes by that way may do nothing else.
            let role = "entrance_\(name)"
            let tables = Self.tables.joined(separator: ", ")
            try await cluster.psql(
                """
                CREATE ROLE \(role) LOGIN;
                GRANT SELECT, INSERT, UPDATE, DELETE ON \(tables) TO \(role);
                REVOKE EXECUTE ON FUNCTION pg_advisory_xact_lock(int, int), pg_advisory_xact_lock(bigint),
                    pg_try_advisory_xact_lock(int, int), pg_try_advisory_xact_lock(bigint) FROM PUBLIC
                """, database: name)
            let receiver = try await Receiver.start()
            let entrance = "postgresql://\(role)@127.0.0.1:\(cluster.port)/\(name)"
            try await Installation.with(
                database: (cluster, url), profile: #"{"content_type":"application/json","write":true,"webhook":true}"#,
                settings: ["POSTGRES_DATA_URL": entrance]
            ) { installation, _ in
                let webhook = try await installation.webhook("hook", receiver.url())
                // What it remembers is read and written on the way of a message.
                _ = try await installation.webhook(
                    "changes", receiver.url("/changes"), #""conditions":{"rules":[{"path":"n","operator":"changed"}]}"#)
                try await installation.publish(1...20)
                try await waitUntil("the messages") { receiver.requests(at: "/hook").count == 20 }
                // One that fails is tried again, and both are in the log.
                receiver.set(.answer(500))
                try await installation.publish("21")
                try await waitUntil("the failure") { receiver.requests(at: "/hook").count > 20 }
                receiver.set(.answer(200))
                try await waitUntil("another try") { receiver.has(body: "21") }
                try await waitUntil("the log") {
                    let log = try await installation.api.call("GET", "/webhooks/\(webhook)/log?limit=100")
                    return log.values(of: "status").contains("FAILED") && log.values(of: "status").contains("OK")
                }
                // Counts go that way too.
                try await waitUntil("the counts") {
                    try await installation.sql(
                        """
                        SELECT coalesce(sum(s.succeeded), 0) >= 21 FROM webhook_stats AS s JOIN webhooks AS w ON w.key = s.webhook_key
                        WHERE w.id = '\(webhook)' AND s.period = 'm'
                        """) == "t"
                }
                // What comes of the webhook itself goes the other way.
                receiver.set(.answer(410))
                try await installation.publish("22")
                try await waitUntil("the receiver to be gone") {
                    try await installation.api.call("GET", "/webhooks/\(webhook)").body.contains(
                        "DISABLED_DUE_TO_ERRORS")
                }
                let connections = try await cluster.psql(
                    """
                    SELECT count(*) > 0, count(*) FILTER (WHERE query ILIKE 'LISTEN%' OR query ILIKE '%advisory%')
                    FROM pg_stat_activity WHERE usename = '\(role)'
                    """, database: name)
                #expect(connections == "t|0")
                let said = Files.read("\(installation.folder)/hookline.log") ?? ""
                #expect(!said.contains("permission denied"), "\(said)")
            }
            await receiver.stop()
        }

        @Test("while the one to the data is cut nothing is acknowledged, that is told, and nothing is lost")
        func cut() async throws {
            let (cluster, _, url) = try await self.database()
            let proxy = try await Proxy.start(to: cluster.port, speaking: .postgres)
            let receiver = try await Receiver.start()
            try await Installation.with(
                database: (cluster, url),
                settings: ["POSTGRES_DATA_URL": url.replacing(":\(cluster.port)/", with: ":\(proxy.port)/")]
            ) { installation, running in
                let port = await running.hookline.port
                func waitForDatabase(_ status: Int, _ words: String) async throws {
                    try await waitUntil("/ready to say \(words)") {
                        let answer = try await HTTP.get("http://127.0.0.1:\(port)/ready")
                        return answer.status == status && answer.body.contains(#""database":"\#(words)"#)
                    }
                }
                let webhook = try await installation.webhook("hook", receiver.url())
                try await installation.publish(1...10)
                try await waitUntil("the first messages") { receiver.bodies.unique == 10 }
                try await waitForDatabase(200, "ok")
                await proxy.refuse()
                try await waitForDatabase(503, "by POSTGRES_DATA_URL: not reachable")
                // The broker keeps them.
                try await installation.publish(11...30)
                // The way to everything else is as it was.
                let named = try await installation.api.call(
                    "PATCH", "/things/\(installation.thing)", #"{"name":"Another"}"#)
                #expect(named.status == 200, "\(named.body)")
                #expect(try await installation.api.call("GET", "/webhooks/\(webhook)").status == 200)
                #expect(receiver.bodies.unique == 10)
                try await proxy.carry()
                try await waitForDatabase(200, "ok")
                try await waitUntil("all messages") { receiver.bodies.unique == 30 }
            }
            await receiver.stop()
            await proxy.stop()
        }

        @Test("that lead to two databases, or to none that is known, end it before a message is taken")
        func others() async throws {
            let (_, _, url) = try await self.database()
            let (_, _, other) = try await self.database()
            let empty = try await SharedPostgres.shared.makeDatabase()
            func serve(_ data: String, _ command: String = "serve") async throws -> (end: String, output: String) {
                try await HooklineProcess.run(
                    [command],
                    [
                        "POSTGRES_URL": url, "POSTGRES_DATA_URL": data, "AUTH_JWT_SECRET": HooklineProcess.jwtSecret,
                        "MQTT_PORT": "\(try freePort())", "HTTP_PORT": "\(try freePort())",
                    ])
            }
            let apart = try await serve(other)
            #expect(apart.end == "exited(78)", "\(apart.output)")
            #expect(
                apart.output.contains("POSTGRES_DATA_URL: leads to another database than POSTGRES_URL"),
                "\(apart.output)")
            let unknown = try await serve(empty)
            #expect(unknown.end == "exited(78)", "\(unknown.output)")
            #expect(
                unknown.output.contains("POSTGRES_DATA_URL: does not show the sessions of POSTGRES_URL"),
                "\(unknown.output)")
            let wrong = try await serve("postgresql://:secret@[", "check-config")
            #expect(
                wrong.end == "exited(78)" && wrong.output.contains("POSTGRES_DATA_URL: not a libpq"), "\(wrong.output)")
            #expect(!wrong.output.contains("secret@"))
            let well = try await serve(url, "check-config")
            #expect(well.output.contains("POSTGRES_DATA_URL=(set, hidden)"), "\(well.output)")
        }

        @Test(
            "lead on to the nodes of one that is spread, where what they have is committed",
            .disabled(if: GivenPostgres.isThere, "it stands in for what may be there"))
        func nodes() async throws {
            let (cluster, name, url) = try await self.database()
            let node = try await Proxy.start(to: cluster.port, speaking: .postgres)
            try await cluster.psql(
                """
                CREATE TABLE pg_dist_partition (logicalrelid regclass, partmethod "char");
                INSERT INTO pg_dist_partition VALUES ('messages', 'h');
                CREATE TABLE pg_dist_shard (logicalrelid regclass, shardid bigint);
                INSERT INTO pg_dist_shard VALUES ('messages', 1);
                CREATE FUNCTION get_shard_id_for_distribution_column(t regclass, g uuid) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
                CREATE TABLE pg_dist_placement (shardid bigint, groupid int);
                INSERT INTO pg_dist_placement VALUES (1, 1);
                CREATE TABLE pg_dist_node (groupid int, nodename text, nodeport int, noderole text, isactive bool);
                INSERT INTO pg_dist_node VALUES (1, '127.0.0.1', \(node.port), 'primary', true)
                """, database: name)
            let receiver = try await Receiver.start()
            try await Installation.with(database: (cluster, url), settings: ["POSTGRES_DATA_URL": url]) {
                installation, _ in
                _ = try await installation.webhook("hook", receiver.url())
                var sent = 0
                // Far more often than it is looked at whether the node can be entered.
                try await waitUntil("commits by the node's own entrance") {
                    sent += 1
                    try await installation.publish("\(sent)")
                    return node.counted.turns.count > 60
                }
                let count = sent
                try await waitUntil("all messages") { receiver.bodies.unique == count }
                let said = Files.read("\(installation.folder)/hookline.log") ?? ""
                #expect(!said.contains("which node has which group"), "\(said)")
                #expect(!said.contains("cannot be entered"), "\(said)")
            }
            await receiver.stop()
            await node.stop()
        }

        @Test("are both looked at by the doctor")
        func doctor() async throws {
            let (_, _, url) = try await self.database()
            let empty = try await SharedPostgres.shared.makeDatabase()
            func look(_ data: String?) async throws -> String {
                var settings = [
                    "POSTGRES_URL": url, "AUTH_JWT_SECRET": HooklineProcess.jwtSecret, "LOG_LEVEL": "critical",
                    "MQTT_PORT": "\(try freePort())", "HTTP_PORT": "\(try freePort())",
                ]
                settings["POSTGRES_DATA_URL"] = data
                return try await HooklineProcess.run(["doctor", "-o", "json"], settings).output
            }
            #expect(try await look(url).contains(#"{"check":"data","result":"ok""#))
            #expect(try await look(empty).contains("not to be written there: messages, transient_messages"))
            let away = try await look("host=127.0.0.1 port=\(try freePort()) password=not-to-be-shown")
            #expect(away.contains(#"{"check":"data","result":"fail","text":"not reachable"#), "\(away)")
            #expect(!away.contains("not-to-be-shown"))
            #expect(!(try await look(nil)).contains(#""check":"data""#))
        }
    }
}
