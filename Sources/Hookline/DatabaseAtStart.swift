internal import Domain
internal import Journal
internal import Logging
internal import Observability
internal import Postgres
internal import Queue
internal import Registry
internal import Schema

/// What a database has to be, and is made, before anything is done with it.
extension Assembly {
    func migrate(_ database: Database, beside pools: Pools) async throws {
        let log = RateLimitedLog(logger: self.logger)
        while true {
            do {
                try await self.requireWays(database, beside: pools, log)
                // One that is current would let a read-only database pass.
                try await database.requireWritable(within: .seconds(5))
                self.progress.come(to: .migrating)
                let applied = try await database.migrate()
                log.over("database")
                for name in applied {
                    self.logger.info("applied migration", metadata: ["migration": "\(name)"])
                }
                return
            } catch let error as PostgresError {
                if let refusal = Self.refusal(error) { throw refusal }
                guard DatabaseAvailability.isAway(error) else { throw error }
                // Started together with its database, which may need longer. What a migration does wrong stays wrong.
                self.progress.come(to: .waitingForDatabase)
                log.trouble("database", "waiting for the database", "\(error)")
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    /// What is wrong with a database for as long as nobody changes it, as the fault of what leads there; nil if it may pass.
    static func refusal(_ error: PostgresError, of setting: String = "POSTGRES_URL") -> InvalidSetting? {
        switch error.sqlState {
        case .insufficientPrivilege?, .invalidSchemaName?:
            InvalidSetting(
                setting: setting,
                reason:
                    "its role may not do what is needed (\(error.message)): connect as the owner of the tables, "
                    + "who may make others in their schema; hookline doctor says what is missing")
        default: error.kind == .configuration ? InvalidSetting(setting: setting, reason: error.message) : nil
        }
    }

    private func requireWays(_ database: Database, beside pools: Pools, _ log: RateLimitedLog) async throws {
        let isDirect = try await Sessions.require(database.pool, pools.probe, by: pools.endpoint)
        if let data = pools.data {
            do {
                try await Sessions.require(data.general, data.probe, by: data.endpoint)
            } catch let error as PostgresError {
                throw Self.refusal(error, of: "POSTGRES_DATA_URL") ?? error
            }
        }
        // Most are opened when there is something for them to do, so with fewer things take longer; without these nothing goes on.
        let (least, most) = (Pools.leastConnections(self.configuration), Pools.mostConnections(self.configuration))
        let limit = try await ServerFacts.connectionLimit(database)
        guard limit.count >= least else {
            throw InvalidSetting(
                setting: "POSTGRES_URL",
                reason:
                    "lets in \(limit.count) connections at the most (\(limit.setting)), and an instance needs \(least), "
                    + "and up to \(most) with a POSTGRES_POOL_SIZE of \(self.configuration.poolSize): raise that")
        }
        if limit.count < most {
            log.warning(
                "connections", "the database lets in fewer connections than an instance may open",
                metadata: ["limit": "\(limit.count)", "by": "\(limit.setting)", "most": "\(most)"])
        }
        if !isDirect { try await Sessions.requirePlaces(least, open: 2, by: pools.endpoint) }
    }

    /// What is committed to another database is acknowledged and never sent.
    static func requireSame(
        _ sessions: SessionStore, _ data: SessionStore, _ session: SessionIdentity
    ) async throws {
        let isSame: Bool
        do { isSame = try await sessions.isSeen(session, by: data) } catch let error as PostgresError
            where error.kind == .server && !DatabaseAvailability.isAway(error)
        {
            // Such as that there is no such table.
            throw InvalidSetting(
                setting: "POSTGRES_DATA_URL", reason: "does not show the sessions of POSTGRES_URL: \(error.message)")
        }
        guard !isSame else { return }
        throw InvalidSetting(setting: "POSTGRES_DATA_URL", reason: "leads to another database than POSTGRES_URL")
    }

    /// Brings every stored secret under the current key. One that does not open is named, and stays as it is; if none does
    /// it is the keys that are wrong.
    func sealSecrets(_ database: Database, _ box: SecretBox, _ unreadable: UnreadableRows) async throws {
        if box.keyID == nil {
            self.logger.warning(
                "SECRETS_KEY is not set: header values and signing keys are stored unencrypted in the database")
        }
        do {
            let report = try await Author.sealing.changing { try await Resealing(database, box: box).run() }
            // Webhooks that do not open are named when the routes are read.
            for (column, rows) in report.unreadable where column.kind != .webhook && !rows.isEmpty {
                unreadable.set(column.kind, to: rows)
            }
            for (column, count) in report.sealed where count > 0 {
                try await AuditStore(database).note(
                    AuditNote(.resealed, .kept("secrets", name: column.rawValue), count: Int64(count)))
                self.logger.notice(
                    "sealed with the current key", metadata: ["column": "\(column.rawValue)", "values": "\(count)"])
            }
        } catch let error as SecretBox.Unreadable {
            throw InvalidSetting(
                setting: "SECRETS_KEY or SECRETS_FORMER_KEYS", reason: "no stored secret can be opened: \(error)")
        }
    }
}
