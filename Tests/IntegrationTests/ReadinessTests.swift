import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("Whether it is ready")
    struct ReadinessTests {
        /// Waits until the database's part of `/ready` is this.
        private func waitForDatabase(_ hookline: HooklineProcess, _ status: Int, _ words: String) async throws {
            try await waitUntil("/ready to say \(words)") {
                let answer = try await HTTP.get("http://127.0.0.1:\(hookline.port)/ready")
                return answer.status == status && answer.body.contains(#""database":"\#(words)"#)
            }
        }

        @Test("is told with a broker that grants QoS 0 alone, which it works with all the same")
        func weakBroker() async throws {
            try await Installation.with(prepareBroker: {
                try LocalMosquitto.prepare(in: $0, port: $1, extra: ["max_qos 0"])
            }) { installation, running in
                let base = "http://127.0.0.1:\(await running.hookline.port)"
                try await waitUntil("/ready to name the broker") {
                    let answer = try await HTTP.get("\(base)/ready")
                    return answer.status == 200 && answer.body.contains(#""broker":"grants QoS 0 alone"#)
                }
                #expect(try await HTTP.get("\(base)/metrics").body.contains("\nhookline_filters_unacknowledged 1\n"))
                let log = Files.read("\(installation.folder)/hookline.log") ?? ""
                #expect(log.contains("the broker grants QoS 0 alone: messages can be lost"))
            }
        }

        @Test("is told as yes again once a message whose topic is no text was passed over, which costs no other")
        func unreadable() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, _ in
                _ = try await installation.webhook("Pipeline", receiver.url())
                let kept = [
                    ScriptedBroker.Kept("1", on: "things/x/messages/\u{1}"),
                    ScriptedBroker.Kept("2", on: "things/\(installation.thing)/messages"),
                ]
                let broker = try await ScriptedBroker.start(keeping: kept, of: "second") { _ in .silence }
                let log = "\(installation.folder)/second.log"
                let hookline = try await HooklineProcess.serve(
                    postgres: installation.postgresURL, mqttPort: broker.port, logFile: log,
                    settings: ["MQTT_CLIENT_ID": "second"], awaitingReady: false)
                try await waitUntil("what stands behind it", within: .seconds(60)) { receiver.has(body: "2") }
                try await waitUntil("/ready to say so", within: .seconds(60)) {
                    try await HTTP.get("http://127.0.0.1:\(hookline.port)/ready").status == 200
                }
                #expect(try await hookline.metric(#"hookline_messages_refused_total{reason="topic"}"#) == 1)
                #expect(broker.isRid)
                #expect((Files.read(log) ?? "").contains("messages refused"))
                await hookline.process.stop()
                await broker.stop()
            }
            await receiver.stop()
        }

        @Test("is told as no while what comes in cannot be committed, though the database answers")
        func commits() async throws {
            let receiver = try await Receiver.start()
            try await Installation.with { installation, running in
                let url = "http://127.0.0.1:\(await running.hookline.port)/ready"
                _ = try await installation.webhook("Pipeline", receiver.url())
                // As a disk that is full shows.
                _ = try await installation.sql(
                    """
                    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
                        'BEGIN RAISE ''No space left on device'' USING ERRCODE = ''53100''; END';
                    CREATE TRIGGER full_disk BEFORE INSERT ON delivery_batches EXECUTE FUNCTION full_disk()
                    """)
                try await installation.publish("1")
                try await waitUntil("/ready to say why") {
                    let answer = try await HTTP.get(url)
                    return answer.status == 503 && answer.body.contains(#""database":"ok""#)
                        && answer.body.contains(#""commits":"what came in is not committed for "#)
                        && answer.body.contains("the database refuses: No space left on device")
                }
                _ = try await installation.sql("DROP FUNCTION full_disk CASCADE")
                try await waitUntil("/ready to be well again") {
                    let answer = try await HTTP.get(url)
                    return answer.status == 200 && answer.body.contains(#""commits":"ok""#)
                }
                try await waitUntil("the delivery") { receiver.requests.count == 1 }
                try await waitUntil("the log to have its end") {
                    let log = Files.read("\(installation.folder)/hookline.log") ?? ""
                    return log.contains(#""message":"no longer so""#)
                        && log.contains(#""what":"a batch cannot be committed; trying again""#)
                }
            }
            await receiver.stop()
        }

        @Test(
            "depends on whether the database takes changes, in PostgreSQL's words if it refuses, and on an answer",
            .disabled(if: GivenPostgres.isThere, "\(GivenPostgres.skipped)"))
        func database() async throws {
            try await Installation.with { installation, running in
                let first = await running.hookline
                let name = String(installation.postgresURL.split(separator: "/").last ?? "")
                let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '\(name)'"
                try await self.waitForDatabase(first, 200, "ok")
                try await installation.postgres.psql(
                    "ALTER DATABASE \(name) SET default_transaction_read_only = on", database: "postgres")
                try await installation.postgres.psql(others, database: "postgres")
                try await self.waitForDatabase(first, 503, "the database refuses: it is read-only")
                try await installation.postgres.psql(
                    "ALTER DATABASE \(name) RESET default_transaction_read_only", database: "postgres")
                try await self.waitForDatabase(first, 200, "ok")
                try await installation.postgres.psql(
                    "ALTER DATABASE \(name) ALLOW_CONNECTIONS false", database: "postgres")
                try await installation.postgres.psql(others, database: "postgres")
                try await self.waitForDatabase(first, 503, "the database refuses: FATAL")
                try await installation.postgres.psql(
                    "ALTER DATABASE \(name) ALLOW_CONNECTIONS true", database: "postgres")
                try await self.waitForDatabase(first, 200, "ok")
                await first.process.stop()

                // From now on through a wire, of which nothing gets to the database any more.
                let wire = try await Wire.start(to: installation.postgres.port)
                let url = installation.postgresURL.replacing(
                    ":\(installation.postgres.port)/", with: ":\(wire.port)/")
                let second = try await HooklineProcess.serve(
                    postgres: url, mqttPort: installation.mosquitto.port, logFile: "\(installation.folder)/hookline.log"
                )
                await running.replace(hookline: second)
                try await self.waitForDatabase(second, 200, "ok")
                wire.cutTowardsServer()
                try await self.waitForDatabase(second, 503, "not reachable")
                await wire.stop()
            }
        }
    }
}
