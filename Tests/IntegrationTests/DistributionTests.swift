import LocalServices
import TestSupport
import Testing

/// Citus is no package here. What stands in for it refuses what Citus refuses, and notes what it is asked to spread; how Citus carries
/// out statements on it is tried with `scripts/test-against`.
@Suite("Spreading the tables", .disabled(if: GivenPostgres.isThere, "it takes a server without Citus"))
struct DistributionTests {
    private static let standIn = """
        SET allow_system_table_mods = on;
        INSERT INTO pg_extension VALUES (99999, 'citus', 10, 2200, true, '12.1-1', NULL, NULL);
        CREATE TABLE pg_dist_partition (logicalrelid regclass, partmethod "char", colocate_with text);
        CREATE TABLE pg_dist_shard (logicalrelid regclass, shardid bigserial);
        CREATE TABLE pg_dist_object (classid oid, objid oid);
        CREATE TABLE pg_dist_node (nodeid int, nodename text, shouldhaveshards bool, noderole text);
        INSERT INTO pg_dist_node VALUES (1, 'c', false, 'primary'), (2, 'a', true, 'primary'), (3, 'b', true, 'primary');
        CREATE FUNCTION create_distributed_function(f regprocedure) RETURNS void LANGUAGE sql AS $$
            INSERT INTO pg_dist_object VALUES ('pg_proc'::regclass, f) $$;
        CREATE FUNCTION create_distributed_table(t regclass, c text, colocate_with text, shard_count int DEFAULT NULL)
        RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = t) THEN RAISE EXCEPTION '% is spread', t; END IF;
            IF EXISTS (SELECT FROM pg_inherits AS i JOIN pg_class AS k ON k.oid = i.inhparent
                WHERE t IN (i.inhrelid, i.inhparent) AND k.relkind <> 'p')
            THEN RAISE EXCEPTION '% is not a regular, foreign or partitioned table', t; END IF;
            IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = t AND NOT tgisinternal)
            THEN RAISE EXCEPTION '% has triggers', t; END IF;
            IF EXISTS (SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = t AND a.attname = c
                WHERE i.indrelid = t AND i.indisunique AND NOT a.attnum = ANY (i.indkey))
            THEN RAISE EXCEPTION 'a key of % is without the column', t; END IF;
            INSERT INTO pg_dist_partition VALUES (t, 'h', colocate_with);
            INSERT INTO pg_dist_shard (logicalrelid) SELECT t FROM generate_series(1, shard_count);
        END $$;
        CREATE FUNCTION truncate_local_data_after_distributing_table(t regclass) RETURNS void LANGUAGE sql AS 'SELECT';
        CREATE FUNCTION citus_add_local_table_to_metadata(t regclass) RETURNS void LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT FROM pg_inherits WHERE t IN (inhrelid, inhparent))
                OR EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND t IN (conrelid, confrelid))
            THEN RAISE EXCEPTION '% hangs together with others', t; END IF;
            INSERT INTO pg_dist_partition VALUES (t, 'n', NULL);
        END $$;
        CREATE FUNCTION run_command_on_all_nodes(c text) RETURNS TABLE (nodeid int, result text) LANGUAGE sql AS $$
            SELECT n.nodeid, 'sequential, local' FROM pg_dist_node AS n $$;
        """
    private func distribute(_ url: String, _ more: [String] = []) async throws -> String {
        let file = "\(HooklineProcess.root)/deploy/citus/distribute.sql"
        return try await ChildProcess.complete("psql", ["-X", "-q", "-A", "-t", "-d", url] + more + ["-f", file])
    }

    @Test("is refused where Citus or a row's group is missing, and otherwise done once, with nothing that waits lost")
    func spread() async throws {
        let (cluster, _) = try await SharedPostgres.shared.running()
        let url = try await SharedPostgres.shared.makeDatabase()
        let name = String(url.split(separator: "/").last ?? "")
        let (end, output) = try await HooklineProcess.run(["migrate"], ["POSTGRES_URL": url])
        try #require(end == "exited(0)", "\(output)")
        try await cluster.psql(
            """
            INSERT INTO waiting_messages (id, thing_id, group_id, subtopic, content_type, payload)
            VALUES (7, gen_random_uuid(), gen_random_uuid(), '', '', 'waits')
            """, database: name)
        let without = await #expect(throws: LocalServiceError.self) { try await self.distribute(url) }
        #expect("\(without.map { "\($0)" } ?? "")".contains("Citus is not there"))
        try await cluster.psql(Self.standIn, database: name)
        try await cluster.psql("ALTER TABLE messages ALTER COLUMN group_id DROP NOT NULL", database: name)
        let lacking = await #expect(throws: LocalServiceError.self) { try await self.distribute(url) }
        #expect("\(lacking.map { "\($0)" } ?? "")".contains("there are rows without a group"))
        #expect(try await cluster.psql("SELECT count(*) FROM pg_dist_partition", database: name) == "0")

        try await cluster.psql("ALTER TABLE messages ALTER COLUMN group_id SET NOT NULL", database: name)
        _ = try await self.distribute(url)
        let spread = "SELECT count(*), count(DISTINCT logicalrelid) FROM pg_dist_partition WHERE partmethod = "
        #expect(try await cluster.psql("\(spread) 'h'", database: name) == "14|14")
        #expect(try await cluster.psql("\(spread) 'n'", database: name) == "3|3")
        #expect(
            try await cluster.psql(
                "SELECT count(*) FROM pg_dist_partition WHERE colocate_with = 'messages'", database: name) == "13")
        #expect(try await cluster.psql("SELECT count(*) FROM pg_dist_shard", database: name) == "8", "four for each")
        #expect(try await cluster.psql("SELECT count(*) FROM pg_dist_object", database: name) == "1")
        let keys = """
            SELECT count(*) FROM pg_constraint WHERE contype = 'p' AND conname IN ('deliveries_pkey', 'webhook_counters_pkey',
                'webhook_stats_pkey', 'condition_memory_pkey', 'thinned_things_pkey') AND pg_get_constraintdef(oid) LIKE '%group_id)'
            """
        #expect(try await cluster.psql(keys, database: name) == "5", "under the names that statements say")
        #expect(try await cluster.psql("SELECT id FROM ONLY transient_messages", database: name) == "7")
        // Again, it has nothing to do.
        _ = try await self.distribute(url, ["-v", "shards=64"])
        #expect(try await cluster.psql("\(spread) 'h'", database: name) == "14|14")
        #expect(try await cluster.psql("SELECT count(*) FROM pg_dist_shard", database: name) == "8")
    }
}
