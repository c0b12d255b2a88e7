/// What a database server says of itself, and what an instance wants of it.
package struct DatabaseReading: Sendable, Equatable {
    /// As `server_version_num` has it: 150004 is 15.4.
    package var version: Int
    package var isStandby = false
    /// Whether a transaction may change nothing, for another reason than ``isStandby``.
    package var isReadOnly = false
    package var synchronousCommit = "on"
    /// As `server_encoding` has it.
    package var encoding = "UTF8"
    /// Whether two connections that were open at a time had one server process: a pooler gives it out by transactions.
    package var sharesBackend = false
    /// `max_connections`, and those of them that are for superusers.
    package var mostConnections: Int
    package var reservedConnections: Int
    /// What the role may have of them by itself, or all in this database, and what says so; nil if nothing does.
    package var ownLimit: Int?
    package var ownLimitSetting = ""
    /// Of others than Hookline.
    package var othersConnections: Int
    /// What an instance opens at the most; nil if its settings cannot be read.
    package var neededConnections: Int?
    /// How far this machine's clock is ahead of the database's, in microseconds, and how wrong that may be.
    package var clockLead: Int64
    package var clockUncertainty: Int64
    package var encryption = EncryptionReading(version: nil, isLocal: true)
    /// Whether the role may make tables where they are looked for.
    package var mayCreate = true
    /// Tables of Hookline that the role may not change the form of.
    package var othersTables: [String] = []

    package init(
        version: Int, mostConnections: Int, reservedConnections: Int, othersConnections: Int,
        neededConnections: Int?, clockLead: Int64, clockUncertainty: Int64
    ) {
        self.version = version
        self.mostConnections = mostConnections
        self.reservedConnections = reservedConnections
        self.othersConnections = othersConnections
        self.neededConnections = neededConnections
        self.clockLead = clockLead
        self.clockUncertainty = clockUncertainty
    }

    /// The major versions that the tests are run with.
    private static let tried = 14...17
    /// As far apart as clocks may be before nothing is removed or given up any more, in microseconds.
    private static let mostApart: Int64 = 60_000_000
    private static let noticeable: Int64 = 5_000_000

    package var findings: [InstallationFinding] {
        [
            self.server, self.writing, self.encoded, self.encryption.finding(of: "POSTGRES_URL"), self.rights,
            self.pooler, self.durability, self.connections, self.clock,
        ]
        .compactMap(\.self)
    }

    private var server: InstallationFinding {
        let major = self.version / 10_000
        let name = "PostgreSQL \(major).\(self.version % 10_000)"
        if major < Self.tried.lowerBound {
            return .init(
                .fail, "database", "reachable, but \(name) is too old",
                hint: "upgrade it: \(Self.tried.lowerBound) to \(Self.tried.upperBound) are supported")
        }
        if major > Self.tried.upperBound {
            return .init(
                .warn, "database", "reachable: \(name), newer than what this build was tried with",
                hint: "\(Self.tried.lowerBound) to \(Self.tried.upperBound) are supported")
        }
        return .init(.ok, "database", "reachable: \(name)")
    }

    private var writing: InstallationFinding? {
        if self.isStandby {
            return .init(
                .fail, "database", "it is a standby, and takes no changes",
                hint: "name the primary in POSTGRES_URL, or all hosts: the one that takes changes is used")
        }
        guard self.isReadOnly else { return nil }
        return .init(
            .fail, "database", "it is read-only",
            hint: "see default_transaction_read_only of the server, the database and the role")
    }

    private var encoded: InstallationFinding? {
        let hint = "make one with UTF8: createdb --encoding=UTF8 --template=template0"
        switch self.encoding {
        case "UTF8": return nil
        case "SQL_ASCII":
            return .init(
                .warn, "database", "its encoding is SQL_ASCII: names are compared and cut by bytes", hint: hint)
        default:
            return .init(
                .fail, "database", "its encoding is \(self.encoding), which has no place for most characters",
                hint: hint)
        }
    }

    private var rights: InstallationFinding {
        if !self.othersTables.isEmpty {
            return .init(
                .fail, "rights", "these tables are another role's: \(self.othersTables.joined(separator: ", "))",
                hint: "connect as their owner, or make the role of POSTGRES_URL a member of it")
        }
        guard self.mayCreate else {
            return .init(
                .fail, "rights", "the role may make no tables in the schema that is used",
                hint: "GRANT CREATE, USAGE ON SCHEMA public TO the role of POSTGRES_URL, and see its search_path")
        }
        return .init(.ok, "rights", "the role may make tables, and owns those that are there")
    }

    private var pooler: InstallationFinding? {
        guard self.sharesBackend else { return nil }
        return .init(
            .fail, "pooler", "two connections had one server process: a pooler gives it out by transactions",
            hint: "name PostgreSQL itself in POSTGRES_URL, or a pool in session mode (PgBouncer: pool_mode=session)")
    }

    private var durability: InstallationFinding {
        guard ["off", "local"].contains(self.synchronousCommit) else {
            return .init(.ok, "commits", "synchronous_commit is \(self.synchronousCommit)")
        }
        let isOff = self.synchronousCommit == "off"
        return .init(
            .warn, "commits",
            "synchronous_commit is \(self.synchronousCommit): "
                + (isOff
                    ? "messages may be acknowledged that a crash of the database takes"
                    : "messages may be acknowledged that no standby has"),
            hint: isOff ? "set it to on for the role or the database" : "set it to on if a standby is to take over")
    }

    private var connections: InstallationFinding? {
        guard let neededConnections else { return nil }
        let most = self.mostConnections - self.reservedConnections
        if let ownLimit, ownLimit < min(most, neededConnections) {
            return .init(
                .fail, "connections",
                "an instance opens up to \(neededConnections), and \(ownLimitSetting) is \(ownLimit)",
                hint: "raise it, or lower POSTGRES_POOL_SIZE")
        }
        let left = most - self.othersConnections
        let words = "an instance opens up to \(neededConnections) of \(most), others have \(self.othersConnections)"
        if neededConnections > most {
            return .init(
                .fail, "connections", words, hint: "raise max_connections, or lower POSTGRES_POOL_SIZE")
        }
        if neededConnections > left {
            return .init(
                .warn, "connections", words,
                hint: "raise max_connections: each instance needs as many beside what others have")
        }
        return .init(.ok, "connections", words)
    }

    private var clock: InstallationFinding {
        // What may be due to the way there is nobody's fault.
        let apart = max(0, Int64(clamping: self.clockLead.magnitude) - self.clockUncertainty)
        let direction = self.clockLead < 0 ? "behind" : "ahead of"
        let words = "this machine's is \(apart / 1_000) ms \(direction) the database's"
        let hint = "have both set by NTP (timedatectl, chronyc tracking)"
        if apart > Self.mostApart {
            return .init(
                .fail, "clock", "\(words): nothing is removed or given up while it is more than a minute", hint: hint)
        }
        return apart > Self.noticeable
            ? .init(.warn, "clock", words, hint: hint) : .init(.ok, "clock", words)
    }
}

/// How far the schema is.
package enum SchemaReading: Sendable, Equatable {
    /// What is still to be applied, by name.
    case known(pending: [String], hasTables: Bool)
    /// It is of another build, for this reason.
    case strange(String)

    package var isCurrent: Bool { self == .known(pending: [], hasTables: true) }

    package var finding: InstallationFinding {
        switch self {
        case .strange(let reason):
            .init(
                .fail, "schema", reason,
                hint: "run the build that made it, or a newer one; migrations are never taken back")
        case .known(let pending, false):
            .init(
                .warn, "schema", "there is none yet: \(pending.count) migrations are to be applied",
                hint: "hookline migrate, or the next hookline serve, does it")
        case .known(let pending, true) where !pending.isEmpty:
            .init(
                .warn, "schema", "behind this build by \(pending.count): \(pending.joined(separator: ", "))",
                hint: "hookline migrate, or the next hookline serve, does it")
        case .known: .init(.ok, "schema", "current")
        }
    }
}

/// How much there is of what waits and of what is kept.
package struct QueueReading: Sendable, Equatable {
    /// In bytes, with indexes: what waits, messages that are kept, the log.
    package var waiting: Int64
    package var messages: Int64
    package var log: Int64
    /// How old the oldest message is that somebody waits for, in seconds; nil if nothing waits.
    package var oldest: Int64?
    /// How long the longest transaction lasts, in seconds; nil if there is none.
    package var longestTransaction: Int64?

    package init(waiting: Int64, messages: Int64, log: Int64, oldest: Int64?, longestTransaction: Int64?) {
        self.waiting = waiting
        self.messages = messages
        self.log = log
        self.oldest = oldest
        self.longestTransaction = longestTransaction
    }

    /// In seconds.
    private static let longWait: Int64 = 3_600
    private static let longTransaction: Int64 = 900

    package var findings: [InstallationFinding] {
        typealias Words = InstallationWords
        var findings: [InstallationFinding] = [
            .init(
                .ok, "disk",
                "what waits has \(Words.size(self.waiting)), kept messages \(Words.size(self.messages)), the log \(Words.size(self.log))"
            )
        ]
        switch self.oldest {
        case nil: findings.append(.init(.ok, "backlog", "nothing waits"))
        case let oldest? where oldest > Self.longWait:
            findings.append(
                .init(
                    .warn, "backlog", "the oldest message waits for \(Words.time(seconds: oldest))",
                    hint: "hookline top names the webhooks that fall behind; the log of each says why"))
        case let oldest?:
            findings.append(.init(.ok, "backlog", "the oldest message waits for \(Words.time(seconds: oldest))"))
        }
        if let longestTransaction, longestTransaction > Self.longTransaction {
            findings.append(
                .init(
                    .warn, "vacuum",
                    "a transaction lasts for \(Words.time(seconds: longestTransaction)): what was removed since keeps its room",
                    hint:
                        "SELECT pid, state, xact_start, query FROM pg_stat_activity ORDER BY xact_start; end the one that was forgotten"
                ))
        } else {
            findings.append(.init(.ok, "vacuum", "no transaction lasts for long"))
        }
        return findings
    }
}
