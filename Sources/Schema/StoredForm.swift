package import Postgres

/// A form of stored rows that builds before did not know. Each instance says in its session's row what it reads, so that nothing
/// is written while one lives that could not read it.
package enum StoredForm: Int16, Sendable {
    /// Urls of webhooks without their query, which is under seal beside them.
    case sealedQuery = 1
    /// Conditions of webhooks with an edge.
    case edges = 2
    /// Triggers that choose things by external ids, profiles and labels: a build before would fire for all things.
    case chosenThings = 3
    /// Conditions of webhooks that look into more than payloads.
    case subjects = 4
    /// Triggers that a build before does not know, and those that ask something of payloads: it would fire for all messages. And
    /// answers that are kept for a time: it would not keep them.
    case dataTriggers = 5
    /// Triggers of presence, and topic rules that tell it: a build before would tell nothing.
    case presence = 6
    /// Copies of orgs' webhooks, whose seal is bound to another id than theirs: a build before would open none, and let groups
    /// change them.
    case orgWebhooks = 7
    /// Payloads in Protocol Buffers: a build before would read them, and the messages that wait, as if they were JSON.
    case protobuf = 8
    /// Topic rules that decode payloads: a build before would take these for JSON, and make nothing of them.
    case decodingRules = 9

    /// The newest that this build reads, and with it all before.
    package static let newest = StoredForm.decodingRules

    /// Whether every instance that lives reads it. One that was taken for dead and comes back may be another that does not.
    package func isReadByAll(on db: isolated Connection) throws -> Bool {
        try db.query(
            """
            SELECT NOT EXISTS (SELECT FROM sessions
                WHERE stopped_at IS NULL AND NOT is_over AND reads < \(self.rawValue))
            """
        ) { try $0.bool(0) } == [true]
    }
}
