import LocalServices
import TestSupport
import Testing

extension WholeServiceTests {
    @Suite("A database that is set up in its own way")
    struct DatabaseSettingTests {
        /// A database of its own, with what else stands behind `CREATE DATABASE`, and how it is named to Hookline.
        private func database(_ name: String, _ options: String = "") async throws -> (LocalPostgres, String) {
            let (cluster, _) = try await SharedPostgres.shared.running()
            try await cluster.createDatabase("\(name) \(options)")
            return (cluster, cluster.url(database: name))
        }

        @Test("has limits for those who ask by hand: the schema is brought up to date all the same")
        func limits() async throws {
            let (cluster, url) = try await self.database("limited")
            for setting in ["statement_timeout = '1ms'", "lock_timeout = '1ms'", "standard_conforming_strings = off"] {
                try await cluster.psql("ALTER DATABASE limited SET \(setting)", database: "postgres")
            }
            let (end, output) = try await HooklineProcess.run(["migrate"], ["POSTGRES_URL": url])
            #expect(end == "exited(0)", "\(output)")
        }

        @Test("is read-only at the start: it is waited for, and why is said, and that it is over")
        func readOnly() async throws {
            let (cluster, url) = try await self.database("standing_by")
            let (end, output) = try await HooklineProcess.run(["migrate"], ["POSTGRES_URL": url])
            #expect(end == "exited(0)", "\(output)")
            try await cluster.psql(
                "ALTER DATABASE standing_by SET default_transaction_read_only = on", database: "postgres")
            let log = try Files.makeTemporaryFolder() + "/hookline.log"
            let hookline = try await HooklineProcess.serve(
                postgres: url, mqttPort: freePort(), logFile: log, awaitingReady: false)
            try await waitUntil("the log to say it") {
                let text = Files.read(log) ?? ""
                return text.contains("waiting for the database") && text.contains("it is read-only")
            }
            try await cluster.psql(
                "ALTER DATABASE standing_by RESET default_transaction_read_only", database: "postgres")
            try await waitUntil("the log to say its end") { (Files.read(log) ?? "").contains("no longer so") }
            await hookline.process.stop()
        }

        @Test(
            "gives the role too few connections or rights: nothing is begun, and what is wrong is said",
            .disabled(if: GivenPostgres.isThere, "\(GivenPostgres.skipped)"))
        func role() async throws {
            let (cluster, url) = try await self.database("roles")
            let (end, output) = try await HooklineProcess.run(["migrate"], ["POSTGRES_URL": url])
            #expect(end == "exited(0)", "\(output)")
            try await cluster.psql("CREATE ROLE few LOGIN CONNECTION LIMIT 6 IN ROLE hookline", database: "roles")
            try await cluster.psql("CREATE ROLE stranger LOGIN", database: "roles")
            let cases = [
                (
                    "few", "serve",
                    "lets in 6 connections at the most (CONNECTION LIMIT of the role few), and an instance needs 7"
                ),
                ("stranger", "serve", "its role may not do what is needed (permission denied for"),
                ("stranger", "migrate", "its role may not do what is needed (permission denied for"),
            ]
            for (role, command, words) in cases {
                let settings = [
                    "POSTGRES_URL": url.replacing("//hookline@", with: "//\(role)@"),
                    "AUTH_JWT_SECRET": HooklineProcess.jwtSecret,
                ]
                let (end, output) = try await HooklineProcess.run([command], settings)
                #expect(end == "exited(78)" && output.contains("POSTGRES_URL: \(words)"), "\(role): \(output)")
            }
        }

        @Test("cannot hold every text: nothing is begun, and what is wrong is said")
        func encoding() async throws {
            let (cluster, url) = try await self.database(
                "latin", "TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'")
            let settings = ["POSTGRES_URL": url, "AUTH_JWT_SECRET": HooklineProcess.jwtSecret]
            for command in ["migrate", "serve"] {
                let (end, output) = try await HooklineProcess.run([command], settings)
                #expect(end == "exited(78)", "\(command): \(output)")
                #expect(output.contains("POSTGRES_URL: the database's encoding is LATIN1"), "\(output)")
            }
            let tables = try await cluster.psql(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", database: "latin")
            #expect(tables == "0")
            let (end, output) = try await HooklineProcess.run(["doctor"], settings)
            #expect(end == "exited(1)" && output.contains("its encoding is LATIN1"), "\(output)")
        }
    }
}
