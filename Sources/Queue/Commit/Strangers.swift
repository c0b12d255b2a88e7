internal import Domain
internal import Postgres
internal import Schema

/// Tells a row that was written for the same message from one that has its id by accident.
///
/// A session never gives out an id twice, and ids never repeat as long as no two sessions share a part of them. Should it
/// happen all the same, a message of somebody else must not pass for this one, nor this one be taken for written.
enum Strangers {
    /// Whether no row has one of these messages' ids that another session has written.
    static func areNone(among messages: [Message], of session: SessionID, on db: isolated Connection) throws -> Bool {
        let ids = messages.map(\.id.rawValue)
        return try db.query(
            """
            SELECT NOT EXISTS (
                SELECT FROM transient_messages WHERE id = ANY(\(ids)) AND session_id IS DISTINCT FROM \(session.rawValue))
            AND NOT EXISTS (
                SELECT FROM messages WHERE id = ANY(\(ids)) AND session_id IS DISTINCT FROM \(session.rawValue))
            """
        ) { try $0.bool(0) } == [true]
    }
    /// Whether one of these messages is there as this session has written it.
    static func isWritten(
        any messages: [Message], by session: SessionID, on db: isolated Connection
    ) throws -> Bool {
        let ids = messages.map(\.id.rawValue)
        return try db.query(
            """
            SELECT EXISTS (SELECT FROM transient_messages WHERE id = ANY(\(ids)) AND session_id = \(session.rawValue))
                OR EXISTS (SELECT FROM messages WHERE id = ANY(\(ids)) AND session_id = \(session.rawValue))
            """
        ) { try $0.bool(0) } == [true]
    }
}
