package import Domain
package import Postgres
package import Schema
package import Values

/// Writes what came in: one statement, and so one commit and one round trip, per batch.
package struct IntakeStore: Sendable {
    let pool: Pool
    private let session: SessionID
    /// Whether each commit is a transaction that is begun and ended: where rows are spread over nodes, a statement by itself is sent on
    /// even to the node that it came in by.
    private let beginsTransactions: Bool
    private let shapes = QueryShapes<Shape>()

    /// What tells the texts of commits apart.
    private struct Shape: Hashable {
        let isRepeat: Bool
        /// Whether there are kept messages, transient ones, batches, single deliveries, memory.
        let holdsParts: [Bool]
        /// What few messages have, of the kept ones and of the others.
        let ofKept: MessageColumns.Extras
        let ofTransient: MessageColumns.Extras
    }

    /// - Parameter session: in whose name leased deliveries are written.
    package init(_ database: Database, session: SessionID) {
        self.pool = database.pool
        self.session = session
        self.beginsTransactions = false
    }

    /// For rows that are all at the node that the database is entered by.
    init(atNode database: Database, session: SessionID) {
        self.pool = database.pool
        self.session = session
        self.beginsTransactions = true
    }

    /// What is committed together.
    package struct Commit: Sendable {
        /// Those to keep, and those that have deliveries.
        package let messages: [Message]
        /// Each of one of the messages, in their order and in batches as far as may be. One that is leased is this
        /// session's to send; the others can be claimed by any.
        package let deliveries: [Delivery]
        /// What conditions are to remember from now on.
        package let memory: ConditionMemory
        /// In the order of their messages, which are among these or could not be written.
        package let alarms: [AlarmChange]
        /// What is left out of things' messages, and those of the messages' deliveries that wait for their time.
        package var thinning: [ThinningChange] = []
        package var later: [LaterDelivery] = []
        /// Whether what others have changed meanwhile is passed over: some come too soon then, and none is lost.
        package var isForced = false

        package init(
            messages: [Message], deliveries: [Delivery], memory: ConditionMemory = [:], alarms: [AlarmChange] = []
        ) {
            self.alarms = alarms
            self.messages = messages
            self.deliveries = deliveries
            self.memory = memory
        }

        var thins: Bool { !self.thinning.isEmpty || !self.later.isEmpty }

        /// - Throws: ``AlarmsMoved``.
        func writeAlarms(on db: isolated Connection) throws {
            guard !self.alarms.isEmpty else { return }
            guard try AlarmRows(self.alarms).write(on: db) != .moved else { throw AlarmsMoved() }
        }
    }

    /// An alarm is not what the messages were judged by any more; nothing was written.
    package struct AlarmsMoved: Error {}

    /// Commits messages and their deliveries. When it returns they are durable.
    ///
    /// - Parameter now: when the deliveries fall due.
    /// - Returns: deliveries that waited for their time and were left out for newer ones.
    /// - Throws: ``AlarmsMoved`` or ``ThinningConflict``, and nothing is written.
    @discardableResult
    package func commit(_ commit: Commit, now: Instant) async throws -> [DeliveryID] {
        guard let statement = self.statement(of: commit, now: now, isRepeat: false) else { return [] }
        guard commit.thins || !commit.alarms.isEmpty || self.beginsTransactions else {
            _ = try await self.pool.withConnection { try $0.execute(statement) }
            return []
        }
        return try await self.pool.transaction { db in
            try commit.writeAlarms(on: db)
            let replaced = commit.thins ? try commit.thin(isRepeat: false, on: db) : []
            try db.execute(statement)
            return replaced
        }
    }

    /// Commits what may have been committed already: what is there stays as it is, what is not is written.
    ///
    /// - Returns: as ``commit(_:now:)``; nil, and nothing is written, if rows with the same ids are there that are not these messages.
    /// - Throws: as ``commit(_:now:)``.
    @discardableResult
    package func commitAgain(_ commit: Commit, now: Instant) async throws -> [DeliveryID]? {
        guard let statement = self.statement(of: commit, now: now, isRepeat: true) else { return [] }
        return try await self.pool.transaction { db in
            guard try Strangers.areNone(among: commit.messages, of: self.session, on: db) else { return nil }
            // What is there was written together with what it changed.
            if !commit.alarms.isEmpty, try !Strangers.isWritten(any: commit.messages, by: self.session, on: db) {
                try commit.writeAlarms(on: db)
            }
            let replaced = commit.thins ? try commit.thin(isRepeat: true, on: db) : []
            try db.execute(statement)
            return replaced
        }
    }

    /// Whether a message would be taken in the place of this one, with the deliveries that it has: what is tried is not
    /// left there.
    ///
    /// - Throws: what the database says if it takes no other either.
    package func probe(inPlaceOf message: Message, deliveries: [Delivery], now: Instant) async throws {
        struct Undone: Error {}
        let blank = Message(
            id: message.id, thing: message.thing, group: message.group, subtopic: "",
            contentType: ProfileConfig.defaultContentType, payload: [], traceparent: nil, isKept: message.isKept,
            receivedNanoseconds: nil)
        let commit = Commit(messages: [blank], deliveries: deliveries)
        guard let statement = self.statement(of: commit, now: now, isRepeat: false) else { return }
        do {
            try await self.pool.transaction { db in
                try db.execute(statement)
                throw Undone()
            }
        } catch is Undone {}
    }

    /// Removes messages that were committed without anybody being sure of it, and that came again: their deliveries find
    /// nothing to send.
    package func forget(_ messages: [MessageID]) async throws {
        guard !messages.isEmpty else { return }
        let ids = messages.map(\.rawValue)
        try await self.pool.transaction { db in
            try db.execute("DELETE FROM transient_messages WHERE id = ANY(\(ids))")
            // What is put apart at this moment is not seen where it was, and is not there yet for the same statement.
            try db.execute("DELETE FROM waiting_messages WHERE id = ANY(\(ids))")
            try db.execute("DELETE FROM messages WHERE id = ANY(\(ids))")
            // What went out by what is remembered of them does not.
            try db.execute("DELETE FROM thinned_things WHERE changed_by && \(ids)")
        }
    }

    /// What commits it; nil if there is nothing to be written.
    package func statement(of commit: Commit, now: Instant, isRepeat: Bool) -> Query? {
        let kept = MessageColumns(commit.messages, areKept: true, session: self.session)
        let transient = MessageColumns(commit.messages, areKept: false, session: self.session)
        let batches = DeliveryBatchColumns(commit.deliveries, session: self.session, now: now)
        let single = DeliveryColumns(commit.deliveries, session: self.session, now: now).insertion
        let memory = ConditionMemoryColumns(commit.memory).upsert
        let parts = [
            kept.parameters, transient.parameters, batches.parameters, single?.parameters ?? [],
            memory?.parameters ?? [],
        ]
        guard parts.contains(where: { !$0.isEmpty }) else { return nil }
        return self.shapes.query(
            Shape(
                isRepeat: isRepeat, holdsParts: parts.map { !$0.isEmpty }, ofKept: kept.extras,
                ofTransient: transient.extras), parts.flatMap { $0 }
        ) {
            let insertions =
                isRepeat
                ? [
                    kept.insertion(into: "messages").map { "\($0) ON CONFLICT DO NOTHING" },
                    transient.repeatedInsertion(into: "transient_messages"), batches.repeatedInsertion,
                    single.map { "\($0) ON CONFLICT DO NOTHING" },
                ]
                : [
                    kept.insertion(into: "messages"), transient.insertion(into: "transient_messages"),
                    batches.insertion, single,
                ]
            return Self.statement(of: (insertions + [memory]).compactMap { $0 })
        }
    }

    /// Parts that have no rows cost a little all the same, so each combination has a text of its own.
    private static func statement(of parts: [Query]) -> Query {
        let last = parts[parts.count - 1]
        return switch parts.count {
        case 1: last
        case 2: "WITH first AS (\(parts[0])) \(last)"
        case 3: "WITH first AS (\(parts[0])), second AS (\(parts[1])) \(last)"
        case 4: "WITH first AS (\(parts[0])), second AS (\(parts[1])), third AS (\(parts[2])) \(last)"
        default:
            "WITH first AS (\(parts[0])), second AS (\(parts[1])), third AS (\(parts[2])), fourth AS (\(parts[3])) \(last)"
        }
    }
}
