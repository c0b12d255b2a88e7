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
