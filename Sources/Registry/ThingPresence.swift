internal import Postgres
package import Values

/// Whether a thing is connected, as topic rules tell it.
package struct ThingPresence: Sendable, Equatable {
    package let isConnected: Bool
    /// Since when it is, or was last; nil if that is not known.
    package let connectedAt: Instant?
    /// The same of its being away.
    package let disconnectedAt: Instant?

    package init(isConnected: Bool, connectedAt: Instant?, disconnectedAt: Instant?) {
        self.isConnected = isConnected
        self.connectedAt = connectedAt
        self.disconnectedAt = disconnectedAt
    }

    /// Of `things`: one text, so that it is looked up once for each. Times are microseconds since 1970.
    static let columns: Query = """
        (SELECT format('%s %s %s', p.connected, (extract(epoch FROM p.connected_at) * 1000000)::bigint,
            (extract(epoch FROM p.disconnected_at) * 1000000)::bigint)
            FROM thing_presence AS p WHERE p.thing_id = id AND p.group_id = things.group_id) AS presence
        """

    /// - Parameter column: of ``columns``.
    /// - Returns: nil if nothing is known.
    init?(_ row: borrowing Row, at column: Int) throws {
        guard !row.isNull(column) else { return nil }
        let parts = try row.string(column).split(separator: " ", omittingEmptySubsequences: false)
        func time(_ index: Int) -> Instant? {
            index < parts.count ? Int64(parts[index]).map { Instant(clampingMicroseconds: $0) } : nil
        }
        self.init(isConnected: parts.first == "t", connectedAt: time(1), disconnectedAt: time(2))
    }
}
