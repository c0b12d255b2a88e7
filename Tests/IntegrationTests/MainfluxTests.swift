import LocalServices
import TestSupport
import Testing

extension ManagementTests {
    @Suite("Coming from Mainflux")
    struct MainfluxTests {
        /// The tables of the things service as its migrations leave them: things_10, and things_2 with its channels.
        private static let things = """
            CREATE TABLE groups (id UUID PRIMARY KEY, org_id UUID NOT NULL, name VARCHAR(254) NOT NULL,
                description VARCHAR(1024), metadata JSONB, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ,
                CONSTRAINT org_name UNIQUE (org_id, name));
            CREATE TABLE group_memberships (group_id UUID NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
                member_id UUID NOT NULL, role VARCHAR(15), PRIMARY KEY (group_id, member_id));
            CREATE TABLE profiles (id UUID PRIMARY KEY, group_id UUID NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
                name VARCHAR(1024) NOT NULL, config JSONB, metadata JSONB,
                CONSTRAINT group_name_prs UNIQUE (group_id, name));
            CREATE TABLE things (id UUID PRIMARY KEY, group_id UUID NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
                key VARCHAR(4096) UNIQUE NOT NULL, external_key VARCHAR(1024) UNIQUE NULL CHECK (LENGTH(external_key) >= 5),
                name VARCHAR(1024) NOT NULL, metadata JSONB, profile_id UUID NOT NULL REFERENCES profiles (id),
                type VARCHAR(32) NOT NULL DEFAULT 'device', CONSTRAINT group_name_ths UNIQUE (group_id, name));
            """
        private static let webhooks = """
            CREATE TABLE webhooks (id UUID UNIQUE, thing_id UUID NOT NULL, group_id UUID NOT NULL,
                name VARCHAR(254) NOT NULL, url VARCHAR(254) NOT NULL, headers JSONB, metadata JSONB,
                PRIMARY KEY (thing_id, name));
            """
        private static let channels = """
            CREATE TABLE groups (id UUID UNIQUE NOT NULL, org_id UUID NOT NULL, owner_id UUID, name VARCHAR(254) NOT NULL,
                metadata JSONB);
            CREATE TABLE group_roles (group_id UUID NOT NULL, member_id UUID NOT NULL, role VARCHAR(15));
            CREATE TABLE channels (id UUID UNIQUE NOT NULL, owner_id UUID, group_id UUID NOT NULL, name VARCHAR(1024),
                profile JSONB, metadata JSONB);
            CREATE TABLE things (id UUID UNIQUE NOT NULL, owner_id UUID, group_id UUID NOT NULL,
                key VARCHAR(4096) UNIQUE NOT NULL, name VARCHAR(1024), metadata JSONB);
            CREATE TABLE connections (channel_id UUID NOT NULL, thing_id UUID UNIQUE NOT NULL);
            """

        private static func id(_ number: Int) -> String {
            "00000000-0000-4000-8000-" + String(repeating: "0", count: 12 - "\(number)".count) + "\(number)"
        }

        private static func database(_ sql: String) async throws -> String {
            let url = try await SharedPostgres.shared.makeDatabase()
            try await Self.execute(sql, url)
            return url
        }

        @discardableResult
        private static func execute(_ sql: String, _ url: String) async throws -> String {
            try await ChildProcess.complete("psql", ["-v", "ON_ERROR_STOP=1", "-qAtc", sql, url])
        }

        @Test("what docs/mainflux.md shows says what would come over")
        func page() async throws {
            let folder = try Files.makeTemporaryFolder()
            try Files.write("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", to: "\(folder)/secrets_key")
            let group = "INSERT INTO groups (id, org_id, name) VALUES ('\(Self.id(10))', '\(Self.id(1))', 'Plant')"
            let said = try await ShellBlock.type(
                ShellBlock.all(of: "docs/mainflux.md"), in: folder,
                changing: [
                    "host=127.0.0.1 dbname=hookline user=hookline": try await SharedPostgres.shared.makeDatabase(),
                    "/etc/hookline/secrets_key": "\(folder)/secrets_key",
                    "host=127.0.0.1 dbname=things user=mainflux": try await Self.database(Self.things + group),
                    "host=127.0.0.1 dbname=webhooks user=mainflux": try await Self.database(Self.webhooks),
                ])
            #expect(Self.rows(said).contains("groups 1 1 0 0"), "\(said)")
            #expect(said.contains("Nothing was changed (--dry-run)."), "\(said)")
        }

        @Test("groups, members, profiles, things and webhooks come over with their ids, and things go on publishing")
        func head() async throws {
            let settings = ["SECRETS_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]
            let receiver = try await Receiver.start()
            try await Installation.with(settings: settings) { installation, running in
                let (org, group, boiler, pump) = (Self.id(1), Self.id(10), Self.id(30), Self.id(31))
                let source = try await Self.database(
                    Self.things + """
                        INSERT INTO groups (id, org_id, name) VALUES ('\(group)', '\(org)', 'Plant');
                        INSERT INTO group_memberships VALUES ('\(group)', '\(Self.id(2))', 'owner'),
                            ('\(group)', '\(Self.id(3))', 'viewer');
                        INSERT INTO profiles (id, group_id, name, config) VALUES
                            ('\(Self.id(20))', '\(group)', 'On', '{"content_type":"application/senml+json",
                                "write_enabled":true,"webhook_enabled":true,"rule_enabled":false,"transformer":{}}'),
                            ('\(Self.id(21))', '\(group)', 'Off', '{"write_enabled":false,"webhook_enabled":false,
                                "transformer":{"data_field":"d"}}');
                        INSERT INTO things (id, group_id, key, external_key, name, profile_id) VALUES
                            ('\(boiler)', '\(group)', 'key-of-the-boiler', 'external', 'Boiler', '\(Self.id(20))'),
                            ('\(pump)', '\(group)', 'key-of-the-pump', NULL, '\(String(repeating: "p", count: 300))',
                                '\(Self.id(20))'),
                            ('\(Self.id(32))', '\(group)', 'key-3', NULL, 'Silent', '\(Self.id(21))');
                        UPDATE profiles SET metadata = '{"maker": "A", "n": 1.50}' WHERE name = 'On';
                        UPDATE things SET metadata = CASE name WHEN 'Boiler' THEN '{"site": "B"}'::jsonb ELSE '[1]' END
                            WHERE name <> 'Silent';
                        """)
                let webhooks = try await Self.database(
                    Self.webhooks + """
                        INSERT INTO webhooks (id, thing_id, group_id, name, url, headers, metadata) VALUES
                            ('\(Self.id(40))', '\(boiler)', '\(Self.id(99))', 'alarm', '\(receiver.url("/boiler"))',
                                '{"X-Api-Key":"secret"}', '{}'),
                            ('\(Self.id(41))', '\(pump)', '\(group)', 'alarm', '\(receiver.url("/pump"))', '{}', '{}');
                        """)
                let environment = settings.merging(["POSTGRES_URL": installation.postgresURL]) { $1 }
                let command = ["import", "mainflux", source, "--webhooks", webhooks]

                let dry = try await HooklineProcess.run(command + ["--dry-run"], environment)
                #expect(dry.end == "exited(0)", "\(dry.output)")
                #expect(dry.output.contains("Nothing was changed (--dry-run)."))
                #expect(try await installation.sql("SELECT count(*) FROM things") == "1")

                let done = try await HooklineProcess.run(command, environment)
                #expect(done.end == "exited(0)", "\(done.output)")
                for row in [
                    "groups 1 1 0 0", "members 2 2 0 0", "profiles 2 2 0 0", "things 3 3 0 0", "webhooks 2 2 0 0",
                ] {
                    #expect(Self.rows(done.output).contains(row), "\(row) in \(done.output)")
                }
                #expect(done.output.contains("2 names were too long"))
                #expect(done.output.contains("1 profiles have a transformer"))
                #expect(done.output.contains("1 things have an external key"))
                #expect(done.output.contains("1 have metadata that is no object"))
                #expect(!done.output.contains("secret") && !done.output.contains("key-of"))

                // As the API shows it, to a member whose role came along.
                let owner = await running.hookline.api(
                    token: try await HooklineProcess.token(user: Self.id(2)))
                let profile = try await owner.call("GET", "/profiles/\(Self.id(20))").body
                #expect(
                    profile.contains(#""content_type":"application\/senml+json""#) || profile.contains("senml+json"))
                #expect(profile.contains(#""rule_enabled":false"#))
                #expect(profile.contains(#""metadata":{"n":1.50,"maker":"A"}"#), "\(profile)")
                let noted = try await owner.call("GET", "/things/\(boiler)").body
                #expect(noted.contains(#""metadata":{"site":"B"}"#), "\(noted)")
                #expect(profile.contains(#""write":true"#) && profile.contains(#""webhook":true"#))
                let off = try await owner.call("GET", "/profiles/\(Self.id(21))").body
                #expect(off.contains(#""write":false"#) && off.contains(#""webhook":false"#))
                #expect(try await owner.call("GET", "/webhooks/\(Self.id(41))").value(of: "name") == "alarm (2)")
                #expect(
                    try await owner.call("GET", "/groups/\(group)").body.contains(#""org_id":"\#(org)""#))
                let viewer = await running.hookline.api(
                    token: try await HooklineProcess.token(user: Self.id(3)))
                #expect(try await viewer.call("DELETE", "/groups/\(group)").status == 403)
                #expect(try await viewer.call("GET", "/webhooks/\(Self.id(40))").body.contains(#""X-Api-Key":"***""#))
                // The key is the one that the device has.
                #expect(
                    try await installation.sql(
                        "SELECT key_hash = sha256('key-of-the-boiler') FROM things WHERE id = '\(boiler)'") == "t")

                // A webhook of a thing stays one of that thing.
                try await installation.publish("warm", topic: "things/\(boiler)/messages")
                try await installation.publish("pumping", topic: "things/\(pump)/messages/flow")
                try await installation.publish("nothing", topic: "things/\(Self.id(32))/messages")
                try await waitUntil("both messages") { receiver.requests.count == 2 }
                #expect(receiver.requests(at: "/boiler").map(\.body) == ["warm"])
                #expect(receiver.requests(at: "/boiler").first?.headers["x-api-key"] == "secret")
                #expect(receiver.requests(at: "/boiler").first?.headers["content-type"] == "application/senml+json")
                #expect(receiver.requests(at: "/pump").map(\.body) == ["pumping"])

                // Again: what is here stays as it is, and what is new comes.
                try await Self.execute(
                    """
                    INSERT INTO things (id, group_id, key, name, profile_id)
                    VALUES ('\(Self.id(33))', '\(group)', 'key-4', 'New', '\(Self.id(20))')
                    """, source)
                let seen = Self.rows(try await HooklineProcess.run(command + ["--dry-run"], environment).output)
                #expect(seen.isSuperset(of: ["members 2 0 2 0", "things 4 1 3 0"]), "\(seen)")
                let again = try await HooklineProcess.run(command, environment)
                #expect(again.end == "exited(0)", "\(again.output)")
                #expect(Self.rows(again.output).contains("things 4 1 3 0"), "\(again.output)")
                #expect(Self.rows(again.output).contains("webhooks 2 0 2 0"), "\(again.output)")
            }
            await receiver.stop()
        }

        @Test("what cannot be taken is listed and nothing is changed, unless the rest is asked for")
        func problems() async throws {
            let target = try await SharedPostgres.shared.makeDatabase()
            let environment = ["POSTGRES_URL": target]
            let (group, thing) = (Self.id(10), Self.id(30))
            let source = try await Self.database(
                Self.things + """
                    INSERT INTO groups (id, org_id, name) VALUES ('\(group)', '\(Self.id(1))', 'Plant'),
                        ('\(Self.id(11))', '\(Self.id(1))', 'Other');
                    INSERT INTO group_memberships VALUES ('\(group)', '\(Self.id(2))', 'chief');
                    INSERT INTO profiles (id, group_id, name, config) VALUES ('\(Self.id(20))', '\(group)', 'On', '{}'),
                        ('\(Self.id(21))', '\(Self.id(11))', 'On', NULL);
                    INSERT INTO things (id, group_id, key, name, profile_id) VALUES
                        ('\(thing)', '\(group)', 'a-key', 'Boiler', '\(Self.id(20))'),
                        ('\(Self.id(31))', '\(group)', 'b-key', 'Pump', '\(Self.id(21))');
                    """)
            let webhooks = try await Self.database(
                Self.webhooks + """
                    INSERT INTO webhooks (id, thing_id, group_id, name, url, headers) VALUES
                        ('\(Self.id(40))', '\(thing)', '\(group)', 'good', 'https://hooks.example.com', '{}'),
                        ('\(Self.id(41))', '\(thing)', '\(group)', 'file', 'file:///etc/passwd', '{}'),
                        ('\(Self.id(42))', '\(Self.id(77))', '\(group)', 'gone', 'https://hooks.example.com', '{}'),
                        ('\(Self.id(43))', '\(Self.id(31))', '\(group)', 'of one left out', 'https://hooks.example.com', '{}');
                    """)
            let command = ["import", "mainflux", source, "--webhooks", webhooks]
            // The schema has to be there.
            let unready = try await HooklineProcess.run(command, environment)
            #expect(unready.end == "exited(78)" && unready.output.contains("hookline migrate"), "\(unready.output)")
            #expect(try await HooklineProcess.run(["migrate"], environment).end == "exited(0)")

            let refused = try await HooklineProcess.run(command, environment)
            #expect(refused.end == "exited(1)", "\(refused.output)")
            for problem in [
                #"members \#(Self.id(2)) of group \#(group): role is "chief""#,
                "things \(Self.id(31)): profile is one of another group",
                "webhooks \(Self.id(41)): url must start with http",
                "webhooks \(Self.id(42)): thing is missing, or left out",
                "webhooks \(Self.id(43)): thing is missing, or left out",
                "Nothing was changed. --skip-invalid",
            ] {
                #expect(refused.output.contains(problem), "\(problem) in \(refused.output)")
            }
            #expect(try await Self.execute("SELECT count(*) FROM groups", target).hasPrefix("0"))

            let partly = try await HooklineProcess.run(command + ["--skip-invalid"], environment)
            #expect(partly.end == "exited(1)", "\(partly.output)")
            #expect(Self.rows(partly.output).contains("webhooks 4 1 0 3"), "\(partly.output)")
            #expect(try await Self.execute("SELECT name FROM things", target).hasPrefix("Boiler\n"))

            // A name that something else has here.
            try await Self.execute("UPDATE things SET id = gen_random_uuid() WHERE name = 'Boiler'", target)
            let taken = try await HooklineProcess.run(command + ["--dry-run"], environment)
            #expect(taken.output.contains(#"things \#(thing): the name "Boiler" is taken here"#), "\(taken.output)")
        }

        @Test("a database from the time of channels is read too")
        func channels() async throws {
            let target = try await SharedPostgres.shared.makeDatabase()
            let environment = ["POSTGRES_URL": target]
            #expect(try await HooklineProcess.run(["migrate"], environment).end == "exited(0)")
            let group = Self.id(10)
            let source = try await Self.database(
                Self.channels + """
                    INSERT INTO groups (id, org_id, name) VALUES ('\(group)', '\(Self.id(1))', 'Plant');
                    INSERT INTO group_roles VALUES ('\(group)', '\(Self.id(2))', 'editor');
                    INSERT INTO channels (id, group_id, name, profile) VALUES
                        ('\(Self.id(20))', '\(group)', NULL, '{"content_type":"application/json","write":true,"webhook_id":""}');
                    INSERT INTO things (id, group_id, key, name) VALUES ('\(Self.id(30))', '\(group)', 'a-key', ''),
                        ('\(Self.id(31))', '\(group)', 'b-key', 'Unconnected');
                    INSERT INTO connections VALUES ('\(Self.id(20))', '\(Self.id(30))');
                    """)
            let result = try await HooklineProcess.run(["import", "mainflux", source, "--skip-invalid"], environment)
            #expect(
                result.output.contains("things \(Self.id(31)): profile is missing, or left out"), "\(result.output)")
            #expect(
                try await Self.execute(
                    "SELECT t.name, p.name, p.config->>'webhook', role FROM things t JOIN profiles p ON p.id = t.profile_id JOIN memberships m ON m.group_id = t.group_id",
                    target
                ).hasPrefix("imported 00000000|imported 00000000|false|editor"))
        }

        @Test("a database that is none of Mainflux' is refused with what is missing, and a wrong one with why")
        func strangers() async throws {
            let target = try await SharedPostgres.shared.makeDatabase()
            #expect(try await HooklineProcess.run(["migrate"], ["POSTGRES_URL": target]).end == "exited(0)")
            let empty = try await SharedPostgres.shared.makeDatabase()
            for (source, expected) in [
                (empty, "<conninfo>: it has no column groups.id"), (target, "<conninfo>: it has no column things.key"),
                ("nonsense", "<conninfo>: not a libpq connection string"),
                ("host=127.0.0.1 port=1 password=do-not-show", "<conninfo>: "),
            ] {
                let result = try await HooklineProcess.run(["import", "mainflux", source], ["POSTGRES_URL": target])
                #expect(result.end == "exited(78)", "\(result.output)")
                #expect(result.output.contains(expected), "\(expected) in \(result.output)")
                #expect(!result.output.contains("do-not-show"))
            }
        }

        /// The table's rows, with one space between the cells.
        private static func rows(_ output: String) -> Set<String> {
            Set(output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") })
        }
    }
}
