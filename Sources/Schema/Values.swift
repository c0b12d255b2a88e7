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
        // Of webhooks alone:
        case status, trigger, attempts
        case lastTriggeredAt = "last_triggered_at"

        /// What every list can be ordered by.
        package static let common: [Order] = [.id, .name, .createdAt, .updatedAt]
    }
    package enum Direction: String, Sendable, CaseIterable { case ascending = "asc", descending = "desc" }

    package static let defaultLimit: Int64 = 10
    package static let highestLimit: Int64 = 200

    package var offset: Int64 = 0
    package var limit = Self.defaultLimit
    package var order = Order.id
    package var direction = Direction.descending
    /// A part of the name, in any case.
    package var name: String?

    package init() {}

    /// `ORDER BY … LIMIT … OFFSET …`. Column and direction come from fixed texts, never from the caller's.
    package var clause: Query {
        let column: Query =
            switch self.order {
            case .id: "id"
            case .name: "lower(name)"
            case .createdAt: "created_at"
            case .updatedAt: "updated_at"
            case .status: "status"
            case .trigger: "trigger"
            case .attempts: "coalesce(attempts, 0)"
            case .lastTriggeredAt: "last_attempt_at"
            }
        let direction: Query = self.direction == .ascending ? "ASC" : "DESC"
        return "ORDER BY \(column) \(direction) NULLS LAST, id \(direction) LIMIT \(self.limit) OFFSET \(self.offset)"
    }

    /// True for all if no name was asked for. `position` knows no wildcards, so `%` means itself.
    package var nameCondition: Query {
        guard let name = self.name, !name.isEmpty else { return "true" }
        return "position(lower(\(name)) in lower(name)) > 0"
    }
}

package struct Page<Item: Sendable>: Sendable {
    package let total: Int64
    package let items: [Item]

    package init(total: Int64, items: [Item]) {
        self.total = total
        self.items = items
    }
}

extension Connection {
    /// A page and the count of all pages' rows, from one condition.
    package func page<Item: Sendable>(
        select columns: Query, from condition: Query, _ request: PageRequest, _ decode: (borrowing Row) throws -> Item
    ) throws -> Page<Item> {
        let total = try self.query("SELECT count(*) \(condition)") { try $0.int64(0) }
        let items = try self.query("SELECT \(columns) \(condition) \(request.clause)", decode)
        return Page(total: total.first ?? 0, items: items)
    }
}
