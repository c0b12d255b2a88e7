package import Domain
internal import Postgres
package import Schema

/// What keeps all that is stored under seal under the current key.
package struct Resealing: Sendable {
    private let pool: Pool
    private let box: SecretBox
    private let makeKey: @Sendable () -> SigningKey

    /// Of each column, how many rows that do not open are named.
    private static let mostNamed = 10_000
    /// In one transaction. What is announced of more than a hundred rows is that everything has changed.
    private static let page: Int64 = 100
    /// Of those that do not open, for who only wants to know how many they are.
    private static let mostCounted: Int64 = 1_000

    /// - Parameter makeKey: makes what webhooks sign with that have no key yet.
    package init(
        _ database: Database, box: SecretBox, makeKey: @escaping @Sendable () -> SigningKey = WebhookStore.randomKey
    ) {
        self.pool = database.pool
        self.box = box
        self.makeKey = makeKey
    }

    package struct Report: Sendable {
        /// How many values were sealed anew.
        package var sealed: [SealedColumn: Int] = [:]
        /// Rows whose value does not open, which stays as it is. Of very many not all.
        package var unreadable: [SealedColumn: [UnreadableRows.Row]] = [:]
    }

    /// Seals what is not sealed with the current key, and gives webhooks without a signing key one. What does not open
    /// stays as it is. Several instances may do so at once.
    ///
    /// - Throws: ``SecretBox/Unreadable`` if there are sealed secrets, and nothing that is stored opens.
    package func run() async throws -> Report {
        try await self.requireUse()
        var report = Report()
        for column in self.columns {
            var last: EntityID?
            repeat {
                let after = last
                let page = try await self.pool.transaction { db in try self.seal(column, after: after, on: db) }
                report.sealed[column, default: 0] += page.sealed
                let room = Self.mostNamed - report.unreadable[column, default: []].count
                report.unreadable[column, default: []] += page.unreadable.prefix(room)
                last = page.last
            } while last != nil
        }
        return report
    }

    /// All, unless no key seals: then some have nothing to do with this installation any more.
    private var columns: [SealedColumn] {
        SealedColumn.allCases.filter { self.box.keyID != nil || $0.isKeptWithoutKey }
    }

    private struct Page {
        var sealed = 0
        var unreadable: [UnreadableRows.Row] = []
        /// nil if there were no more.
        var last: EntityID?
    }

    private func seal(_ column: SealedColumn, after: EntityID?, on db: isolated Connection) throws -> Page {
        let isBehind: Query = after.map { "id > \($0)" } ?? "true"
        let rows = try db.query(
            """
            SELECT id, \(column.version), \(column.column), \(column.owner) FROM \(column.table)
            WHERE \(column.isDue(self.box)) AND \(isBehind) ORDER BY id LIMIT \(Self.page) FOR NO KEY UPDATE
            """
        ) { row in
            (id: try row.entityID(0), version: try row.string(1), bytes: try row.bytes(2), owner: try row.entityID(3))
        }
        var page = Page(last: rows.last?.id)
        var (ids, sealed): ([EntityID], [Bytes]) = ([], [])
        for row in rows {
            let opened: [UInt8]
            do throws(SecretBox.Unreadable) { opened = try self.box.open(row.bytes, of: row.owner) } catch {
                page.unreadable.append(.init(id: row.id, version: row.version, fault: "\(error)"))
                continue
            }
            ids.append(row.id)
            sealed.append(Bytes(try self.box.seal(try self.complete(opened, column), of: row.owner, in: column)))
        }
        guard !ids.isEmpty else { return page }
        // A thing whose key is only sealed anew is no other: its account at the broker stays as it is.
        try db.execute("SELECT set_config('hookline.resealing', 'on', true)")
        page.sealed = try db.execute(
            """
            UPDATE \(column.table) SET \(column.assignments(self.box))
            FROM unnest(\(ids), \(sealed)) AS r (row_id, sealed) WHERE id = r.row_id
            """)
        return page
    }

    private func complete(_ opened: [UInt8], _ column: SealedColumn) throws -> [UInt8] {
        column == .webhookSecrets ? try WebhookSecrets.completed(opened, self.makeKey) : opened
    }

    /// Of each column, how many rows are under a key that is not given, counted up to a thousand; those without such rows are
    /// left out. Nothing is changed.
    ///
    /// - Throws: ``SecretBox/Unreadable`` as ``run()`` does.
    package func strangers() async throws -> [SealedColumn: Int64] {
        try await self.requireUse()
        let given = self.box.prefixes.map { Bytes($0) }
        var found: [SealedColumn: Int64] = [:]
        for column in self.columns {
            let counts = try await self.pool.withConnection { db in
                try db.query(
                    """
                    SELECT count(*) FROM (SELECT FROM \(column.table)
                        WHERE substring(\(column.column) for 1) = '\\x01'
                            AND NOT substring(\(column.column) for 5) = ANY(\(given)) LIMIT \(Self.mostCounted)) AS strange
                    """
                ) { try $0.int64(0) }
            }
            if let count = counts.first, count > 0 { found[column] = count }
        }
        return found
    }

    /// Throws ``SecretBox/Unreadable`` if secrets are sealed and nothing of all that is stored opens with the keys that are
    /// given: it is the keys then that are wrong, and not a row.
    private func requireUse() async throws {
        let columns = self.columns
        let given = self.box.prefixes.map { Bytes($0) }
        let stranger = try await self.pool.withConnection { db -> Int32? in
            var stranger: Int32?
            for column in columns {
                let opens = try db.query(
                    """
                    SELECT EXISTS (SELECT FROM \(column.table) WHERE substring(\(column.column) for 5) = ANY(\(given))
                        OR substring(\(column.column) for 1) = '\\x00')
                    """
                ) { try $0.bool(0) }
                if opens == [true] { return nil }
                let sealed = try db.query(
                    "SELECT \(column.column) FROM \(column.table) WHERE substring(\(column.column) for 1) = '\\x01' LIMIT 1"
                ) { try $0.bytes(0) }
                stranger = stranger ?? sealed.first.flatMap(SecretBox.keyID(of:))
            }
            return stranger
        }
        if let stranger { throw SecretBox.Unreadable(missingKey: stranger) }
    }
}
