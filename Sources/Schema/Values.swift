package import Domain
package import Postgres

/// Ids as `uuid`.
extension EntityID: PostgresEncodable {
    package static var postgresOID: UInt32 { 2950 }
    package static var postgresArrayOID: UInt32 { 2951 }
    package func encode(into buffer: inout [UInt8]) {
        buffer.append(bigEndian: self.high)
        buffer.append(bigEndian: self.low)
    }
}

extension ArrayParameter {
    package mutating func append(_ id: EntityID) {
        self.append(high: id.high, low: id.low)
    }
}

extension Row {
    package func entityID(_ column: Int) throws(PostgresError) -> EntityID {
        let uuid = try self.uuid(column)
        return EntityID(high: uuid.high, low: uuid.low)
    }

    package func messageID(_ column: Int) throws(PostgresError) -> MessageID {
        MessageID(rawValue: try self.int64(column))
    }
}

/// Which part of a list a caller wants.
package struct PageRequest: Sendable {
    package enum Order: String, Sendable, CaseIterable {
        case id, name
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        // Of things alone:
        case lastSeen = "last_seen"
        // Of webhooks alone:
        case status, trigger, attempts
        case lastTriggeredAt = "last_triggered_at"

        /// What every list can be ordered by.
        package static let common: [Order] = [.id, .name, .createdAt, .updatedAt]
        package static let ofThings: [Order] = Self.common + [.lastSeen]
        package static let ofWebhooks: [Order] = Self.common + [.status, .trigger, .attempts, .lastTriggeredAt]
    }
    package enum Direction: String, Sendable, CaseIterable { case ascending = "asc", descending = "desc" }

    package static let defaultLimit: Int64 = 10
    package static let highestLimit: Int64 = 200
    /// How many ids a list may be narrowed down to.
    package static let mostIDs = 100

    /// Where in the list it begins.
    package var start = PageStart()
    package var limit = Self.defaultLimit
    package var order = Order.id
    package var direction = Direction.descending
    /// Whether names are ordered by their bytes, as where what begins alike has to stand together.
    package var isByBytes = false
    /// A part of the name, in any case.
    package var name: String?

    package init() {}

    /// True for all if no name was asked for. `position` knows no wildcards, so `%` means itself.
    package var nameCondition: Query {
        guard let name = self.name, !name.isEmpty else { return "true" }
        return "position(lower(\(name)) in lower(name)) > 0"
    }
}
