internal import Crypto
internal import Domain
internal import Hummingbird
internal import Schema

extension Request {
    /// `offset` or `cursor`, `limit`, `order`, `dir`, `name`; what is wrong is told by its name.
    ///
    /// - Parameters:
    ///   - orders: what the list can be ordered by.
    ///   - byBeginning: whether names are asked for that begin alike. Then the order is theirs.
    ///   - ids: what identifies what is listed.
    func pageRequest(
        orders: [PageRequest.Order] = PageRequest.Order.common, byBeginning: Bool = false,
        ids: PageRequest.IDKind = .uuid
    ) throws -> PageRequest {
        var page = PageRequest()
        page.limit = try self.limit()
        page.isByBytes = byBeginning
        let usual: PageRequest.Order = byBeginning ? .name : .id
        page.order = try self.choice("order", among: byBeginning ? [usual] : orders) ?? usual
        page.direction = try self.choice("dir") ?? .descending
        page.name = self.text("name")
        page.start = PageStart(offset: try self.offset())
        if let cursor = try self.cursor(), !page.start(behind: cursor, of: ids) { throw Self.strangeCursor }
        page.start.list = self.list
        return page
    }

    /// Where a page of a list begins that has one order.
    ///
    /// - Parameters:
    ///   - order: as in ``PageCursor/order``.
    ///   - key: what it is ordered by.
    func pageStart(
        order: String, key: [PageCursor.KeyPart], offsets: ClosedRange<Int64> = 0...Int64(Int32.max)
    ) throws -> PageStart {
        var start = PageStart(offset: try self.offset(in: offsets))
        if let cursor = try self.cursor() {
            guard cursor.order == order, cursor.numbers(key) != nil else { throw Self.strangeCursor }
            start = PageStart(cursor)
        }
        start.list = self.list
        return start
    }

    /// Which list this is, for cursors: what its path comes to, whose ids are nobody's to read out of a cursor.
    private var list: String {
        let path = self.uri.path.lowercased().split(separator: "/").joined(separator: "/")
        return Hex.encode(SHA256.hash(data: Array(path.utf8)).prefix(8))
    }

    func limit() throws(InvalidField) -> Int64 {
        try self.integer("limit", in: 1...PageRequest.highestLimit) ?? PageRequest.defaultLimit
    }

    private func offset(in range: ClosedRange<Int64> = 0...Int64(Int32.max)) throws(InvalidField) -> Int64 {
        try self.integer("offset", in: range) ?? 0
    }

    private static let strangeCursor = InvalidField(
        "cursor", "must be the next of a page of the same list in the same order, or left out")

    private func cursor() throws(InvalidField) -> PageCursor? {
        guard let text = self.uri.queryParameters.get("cursor"), !text.isEmpty else { return nil }
        guard try self.offset() == 0 else { throw InvalidField("cursor", "or offset may be given, not both") }
        // One that does not say of which list it is comes from an instance of an earlier build: who pages while the instances are
        // replaced by others goes on.
        guard let cursor = PageCursor(text: String(text)), cursor.list.map({ $0 == self.list }) ?? true else {
            throw Self.strangeCursor
        }
        return cursor
    }
}

/// A part of a list, as it is answered: `{"total", "total_is_capped"?, "offset", "limit", "order", "dir", "name"?, "next"?,
/// "<things>": […]}`.
struct PageDTO<Item: Encodable & Sendable>: Encodable {
    let key: String
    let total: Int64
    /// Absent unless there are more than `total`.
    let isCapped: Bool?
    /// How many came before, whichever way they were passed over.
    let offset: Int64
    let limit: Int64
    let order: String
    let dir: String
    let name: String?
    let next: String?
    let items: [Item]

    init<Row>(_ key: String, _ page: Page<Row>, _ request: PageRequest, _ item: (Row) throws -> Item) throws {
        try self.init(
            key, page, from: request.start, limit: request.limit, order: request.order.rawValue,
            dir: request.direction.rawValue, name: request.name, item)
    }

    init<Row>(
        _ key: String, _ page: Page<Row>, from start: PageStart, limit: Int64, order: String, dir: String,
        name: String? = nil, _ item: (Row) throws -> Item
    ) throws {
        self.key = key
        self.total = page.total
        self.isCapped = page.isCapped ? true : nil
        self.offset = start.position
        self.limit = limit
        self.order = order
        self.dir = dir
        self.name = name
        self.next = try page.next?.of(list: start.list).text
        self.items = try page.items.map(item)
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(_ stringValue: String) { self.stringValue = stringValue }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(self.total, forKey: Key("total"))
        try container.encodeIfPresent(self.isCapped, forKey: Key("total_is_capped"))
        try container.encode(self.offset, forKey: Key("offset"))
        try container.encode(self.limit, forKey: Key("limit"))
        try container.encode(self.order, forKey: Key("order"))
        try container.encode(self.dir, forKey: Key("dir"))
        try container.encodeIfPresent(self.name, forKey: Key("name"))
        try container.encodeIfPresent(self.next, forKey: Key("next"))
        try container.encode(self.items, forKey: Key(self.key))
    }
}
