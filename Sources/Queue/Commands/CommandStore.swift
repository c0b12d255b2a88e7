package import Domain
internal import Postgres
package import Schema
package import Values

/// What may be asked of commands.
package struct CommandLimits: Sendable {
    /// How many may wait for a thing, and for all things of a group.
    package var perThing: Int64 = 100
    package var perGroup: Int64 = 10_000
    /// How long one is good where its sender does not say.
    package var expiry: Duration = .seconds(86_400)
    package var longestExpiry: Duration = .seconds(30 * 86_400)
    /// How long a call may wait for an answer, and how many may at a time.
    package var longestWait: Duration = .seconds(60)
    package var mostWaiting = 200

    package init() {}
}

/// Whose command it is.
package enum CommandSender: Sendable, Equatable {
    case user(String)
    /// A webhook's receiver, with the key of a delivery; and what that was about, if it was an answer.
    case receiver(webhook: EntityID, of: CommandAnswer.Address?)
}

/// Why a command is not taken.
package enum CommandRefusal: Error, Sendable, Equatable {
    /// So many wait already.
    case tooManyOfThing(Int64), tooManyOfGroup(Int64)
    /// Receivers have sent so many to the thing within a minute.
    case tooManyOfReceivers(Int64)
    /// So many commands led to it, each by its answer.
    case tooManyHops(Int16)
    /// The group does not have the thing, perhaps not any more.
    case noThing
}

/// A command, and what came of it.
package struct CommandRecord: Sendable {
    package let command: Command
    package let state: Command.State
    /// Of the payload as a whole.
    package let bytes: Int64
    package let createdBy: String
    package let hops: Int16
    package let createdAt: Instant
    package let expiresAt: Instant
    package let tries: Int32
    package let publishedAt: Instant?
    package let endedAt: Instant?
    package let answer: [UInt8]?
    package let problem: String?
}

/// Commands, on their way and after that. By the database's clock.
package struct CommandStore: Sendable {
    let pool: Pool
    /// The database's time; tests have their own.
    var now: Query = "now()"

    /// Of a thing, how many that nobody waits for any more are remembered.
    private static let mostEnded: Int64 = 1_000
    /// How many receivers may send to a thing in a minute.
    private static let mostOfReceivers: Int64 = 60

    package init(_ database: Database) {
        self.pool = database.pool
    }

    /// When it returns the command is durable, and is given to the broker before it expires if the broker takes it.
    ///
    /// - Throws: ``CommandRefusal``.
    package func post(
        _ command: Command, by sender: CommandSender, expiresIn: Duration, limits: CommandLimits
    ) async throws -> CommandRecord {
        try await self.pool.transaction { db in
            // One by one of each thing, so that they are numbered in their order, and counted right.
            try db.execute(
                "SELECT pg_advisory_xact_lock(hashtext('hookline commands'), hashtext(\(command.thing.description)))")
            // Who moves or removes it either waits for this, and sees the command, or is seen here.
            guard
                try !db.query(
                    """
                    SELECT id FROM things WHERE id = \(command.thing) AND group_id = \(command.group) FOR KEY SHARE
                    """, { _ in true }
                ).isEmpty
            else { throw CommandRefusal.noThing }
            let hops = try self.hops(of: command, by: sender, on: db)
            try self.replace(by: command, on: db)
            try Self.check(command, limits, on: db)
            let (creator, byReceiver) =
                switch sender {
                case .user(let id): (id, false)
                case .receiver(let webhook, _): (webhook.description, true)
                }
            let waits = command.deliver == .whenSeen
            if !waits { try self.callFormer(of: command.thing, on: db) }
            try db.execute(
                """
                INSERT INTO commands (id, group_id, thing_id, subtopic, payload, content_type, key, deliver, is_retained,
                    created_by, by_receiver, hops, created_at, expires_at, due_at, awaits_from)
                VALUES (\(command.id), \(command.group), \(command.thing), \(command.subtopic), \(Bytes(command.payload)),
                    \(command.contentType), \(command.key), \(command.deliver.rawValue), \(command.isRetained),
                    \(creator), \(byReceiver), \(hops), \(self.now),
                    \(self.now) + make_interval(secs => \(expiresIn.milliseconds) / 1000.0),
                    CASE WHEN NOT \(waits) THEN \(self.now) END, CASE WHEN \(waits) THEN \(self.now) END)
                """)
            return try Self.find(command.id, on: db)
        }
    }

    /// What nobody was subscribed for is tried once more, before a later one finds that its thing has come and is heard first.
    /// No more often than when the thing is heard of; who has some in hand or makes it due need not be waited for.
    private func callFormer(of thing: EntityID, on db: isolated Connection) throws {
        try db.execute(
            """
            UPDATE commands SET due_at = \(self.now), awaits_from = NULL
            WHERE number IN (SELECT number FROM commands
                WHERE thing_id = \(thing) AND state = 'pending' AND ended_at IS NULL AND deliver <> 'when_seen'
                    -- The second of two tries is a second after the first.
                    AND (awaits_from <= \(self.now) OR due_at > \(self.now) AND due_at <= \(self.now) + interval '1 second')
                ORDER BY number FOR UPDATE SKIP LOCKED)
            """)
    }

    /// How many commands led to this one.
    ///
    /// - Throws: ``CommandRefusal``.
    private func hops(
        of command: Command, by sender: CommandSender, on db: isolated Connection
    ) throws -> Int16 {
        guard case .receiver(_, let answer) = sender else { return 0 }
        let recent = try db.query(
            """
            SELECT count(*) FROM commands WHERE thing_id = \(command.thing) AND group_id = \(command.group) AND by_receiver
                AND created_at > \(self.now) - interval '1 minute'
            """
        ) { try $0.int64(0) }[0]
        guard recent < Self.mostOfReceivers else { throw CommandRefusal.tooManyOfReceivers(Self.mostOfReceivers) }
        guard let answer else { return 0 }
        let former: Query =
            switch answer {
            case .command(let id): "id = \(id) AND thing_id = \(command.thing)"
            case .newest(let subtopic):
                "thing_id = \(command.thing) AND state = 'answered' AND subtopic = \(subtopic) ORDER BY ended_at DESC LIMIT 1"
            }
        let hops = try db.query("SELECT hops FROM commands WHERE \(former)") { try $0.int16(0) }.first.map { $0 + 1 }
        guard let hops else { return 0 }
        guard hops <= Command.mostHops else { throw CommandRefusal.tooManyHops(Command.mostHops) }
        return hops
    }

    /// What has the same key and nobody has yet; and what stays with the broker for those who come.
    private func replace(by command: Command, on db: isolated Connection) throws {
        guard let key = command.key else { return }
        try db.execute(
            """
            UPDATE commands SET state = 'replaced', \(self.ending)
            WHERE thing_id = \(command.thing) AND group_id = \(command.group) AND key = \(key) AND \(self.canEnd)
            """)
    }

    /// Whether it can be taken back: nobody has it, or it is with the broker and nobody has answered; and no instance has it in hand.
    private var canEnd: Query {
        """
        (claimed_until IS NULL OR claimed_until <= \(self.now)) AND ended_at IS NULL
            AND (state = 'pending' OR is_retained OR deliver = 'until_answered')
        """
    }

    /// What becomes of the other columns of one that ends: what the broker keeps is taken off its topic.
    var ending: Query {
        """
        ended_at = \(self.now), awaits_from = NULL,
            due_at = CASE WHEN is_retained AND published_at IS NOT NULL THEN \(self.now) END
        """
    }

    private static func check(
        _ command: Command, _ limits: CommandLimits, on db: isolated Connection
    ) throws {
        func count(_ condition: Query, upTo most: Int64) throws -> Int64 {
            try db.query(
                "SELECT count(*) FROM (SELECT FROM commands WHERE \(condition) AND state = 'pending' LIMIT \(most)) AS c"
            ) { try $0.int64(0) }[0]
        }
        guard try count("thing_id = \(command.thing)", upTo: limits.perThing) < limits.perThing else {
            throw CommandRefusal.tooManyOfThing(limits.perThing)
        }
        guard try count("group_id = \(command.group)", upTo: limits.perGroup) < limits.perGroup else {
            throw CommandRefusal.tooManyOfGroup(limits.perGroup)
        }
        try db.execute(
            """
            DELETE FROM commands WHERE thing_id = \(command.thing) AND state <> 'pending' AND due_at IS NULL
                AND claimed_until IS NULL AND number <= (SELECT number FROM commands
                    WHERE thing_id = \(command.thing) AND state <> 'pending'
                    ORDER BY number DESC OFFSET \(Self.mostEnded) LIMIT 1)
            """)
    }

    /// What came of an attempt to take a command back.
    package enum Cancellation: Sendable, Equatable {
        case cancelled
        /// It has ended, or the broker has it for somebody.
        case tooLate
    }

    package func cancel(_ id: EntityID) async throws -> Cancellation {
        try await self.pool.transaction { db in
            let things = try db.query(
                "UPDATE commands SET state = 'cancelled', \(self.ending) WHERE id = \(id) AND \(self.canEnd) RETURNING thing_id"
            ) { try $0.entityID(0) }
            for thing in things { try db.note(AuditNote(.cancelled, .thing(thing))) }
            return things.isEmpty ? .tooLate : .cancelled
        }
    }
}
