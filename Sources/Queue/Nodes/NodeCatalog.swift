internal import Domain
internal import Postgres
internal import Schema

/// What Citus says of its nodes. Each of them knows it of all.
struct NodeCatalog: Sendable {
    let pool: Pool

    private static let patience: Duration = .seconds(5)

    /// Whether there is a Citus, and the tables of messages and deliveries are spread by it.
    func isSpread() async throws -> Bool {
        try await self.pool.withConnection { db in
            var isThere: Query = "SELECT to_regclass('pg_dist_partition') IS NOT NULL"
            isThere.timeout = Self.patience
            isThere.isPrepared = false
            guard try db.query(isThere, { try $0.bool(0) }) == [true] else { return false }
            var isSpread: Query = """
                SELECT EXISTS (
                    SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass('messages') AND partmethod = 'h')
                """
            isSpread.timeout = Self.patience
            isSpread.isPrepared = false
            return try db.query(isSpread) { try $0.bool(0) } == [true]
        }
    }

    /// Where the shards of messages are, by their numbers. Those of the other tables are beside them.
    func shards() async throws -> [Int64: DataNode] {
        let rows = try await self.pool.withConnection { db in
            var query: Query = """
                SELECT s.shardid, n.groupid, n.nodename, n.nodeport FROM pg_dist_shard AS s
                JOIN pg_dist_placement AS p ON p.shardid = s.shardid
                JOIN pg_dist_node AS n ON n.groupid = p.groupid AND n.noderole = 'primary' AND n.isactive
                WHERE s.logicalrelid = to_regclass('messages')
                """
            query.timeout = Self.patience
            return try db.query(query) { row in
                (
                    try row.int64(0),
                    DataNode(number: try row.int32(1), host: try row.string(2), port: try row.int32(3))
                )
            }
        }
        return Dictionary(rows) { first, _ in first }
    }

    /// In which shard each of these groups is.
    func shards(of groups: [EntityID]) async throws -> [(group: EntityID, shard: Int64)] {
        try await self.pool.withConnection { db in
            var query: Query = """
                SELECT g, get_shard_id_for_distribution_column('messages', g) FROM unnest(\(groups)) AS wanted (g)
                """
            query.timeout = Self.patience
            return try db.query(query) { (group: try $0.entityID(0), shard: try $0.int64(1)) }
        }
    }
}
