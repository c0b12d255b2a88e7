internal import Crypto
internal import Domain
internal import Postgres
internal import Schema

/// Tells a row that was written for the same message from one that has its id by accident.
///
/// Ids never repeat as long as no two sessions share a part of them. Should it happen all the same, a message of somebody
/// else must not pass for this one, nor this one be taken for written.
enum Strangers {
    /// Whether no row has one of these messages' ids without being that message.
    static func areNone(among messages: [Message], on db: isolated Connection) throws -> Bool {
        try db.query(
            """
            SELECT NOT EXISTS (
                SELECT FROM unnest(\(messages.map(\.id.rawValue)), \(messages.map(\.thing)), \(messages.map(\.subtopic)),
                        \(messages.map { Bytes(Array(SHA256.hash(data: $0.payload))) }), \(messages.map(\.isKept)))
                    AS r (id, thing, subtopic, hash, kept)
                JOIN (SELECT id, thing_id, subtopic, payload, true AS kept FROM messages
                      WHERE id = ANY(\(messages.map(\.id.rawValue)))
                      UNION ALL
                      SELECT id, thing_id, subtopic, payload, false FROM transient_messages
                      WHERE id = ANY(\(messages.map(\.id.rawValue)))) AS m USING (id)
                WHERE (m.thing_id, m.subtopic, sha256(m.payload), m.kept) <> (r.thing, r.subtopic, r.hash, r.kept))
            """
        ) { try $0.bool(0) } == [true]
    }
}
