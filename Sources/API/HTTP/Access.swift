internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import Registry
internal import Schema

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

/// Who may do what. What a caller has no role in does not exist for them (404); where they have a role that is not
/// enough, they are told so (403).
struct Access: Sendable {
    let groups: GroupStore
    let things: ThingStore

    /// The caller's role in the group; root has all.
    ///
    /// - Parameter what: what the answer says was not found.
    @discardableResult
    func require(_ needed: Role, in group: EntityID, for caller: Caller, seeking what: String) async throws -> Role {
        if caller.isRoot { return .owner }
        guard let role = try await self.groups.role(of: caller.id, in: group) else { throw APIError.notFound(what) }
        guard role >= needed else { throw APIError.forbidden(needed) }
        return role
    }

    /// As ``require(_:in:for:seeking:)``, for a group that the path names and that may not exist.
    @discardableResult
    func requireGroup(_ needed: Role, _ group: EntityID, for caller: Caller) async throws -> Role {
        if caller.isRoot {
            guard try await self.groups.find(group) != nil else { throw APIError.notFound("group") }
        }
        return try await self.require(needed, in: group, for: caller, seeking: "group")
    }

    /// The thing that the path names.
    func thing(_ context: APIContext, needing role: Role) async throws -> ThingRecord {
        guard let thing = try await self.things.find(try context.id(of: "thing")) else {
            throw APIError.notFound("thing")
        }
        try await self.require(role, in: thing.group, for: context.caller(), seeking: "thing")
        return thing
    }

    /// The caller's role in each group of a list that holds only what they may see.
    func roles(of caller: Caller) async throws -> (EntityID) -> Role {
        if caller.isRoot { return { _ in .owner } }
        let roles = try await self.groups.roles(of: caller.id)
        return { roles[$0] ?? .viewer }
    }
}

extension APIContext {
    /// An id of the path. One that is no UUID belongs to nothing.
    func id(of what: String) throws -> EntityID {
        guard let text = self.parameters.get("id"), let id = EntityID(text) else {
            throw APIError.badRequest("the \(what) id in the path must be a UUID")
        }
        return id
    }
}

extension Request {
    /// The first host header is the authority; what stands among the others is a second one.
    var namesOneHost: Bool {
        self.head.authority?.isEmpty == false
            && !self.head.headerFields.contains { $0.name.canonicalName == "host" }
    }

    /// `offset`, `limit`, `order`, `dir`, `name`; what is wrong is told by its name.
    ///
    /// - Parameter orders: what the list can be ordered by.
    func pageRequest(
        orders: [PageRequest.Order] = PageRequest.Order.common
    ) throws(InvalidField) -> PageRequest {
        var page = PageRequest()
        page.offset = try self.integer("offset", in: 0...Int64(Int32.max)) ?? 0
        page.limit = try self.integer("limit", in: 1...PageRequest.highestLimit) ?? PageRequest.defaultLimit
        page.order = try self.choice("order", among: orders) ?? .id
        page.direction = try self.choice("dir") ?? .descending
        page.name = self.text("name")
        return page
    }

    /// A text of the query. Forms and most clients write a space as `+` (https://url.spec.whatwg.org/#urlencoded-parsing).
    func text(_ name: String) -> String? {
        let query = (self.uri.query ?? "").replacing("+", with: "%20")
        return URLComponents(string: "/?\(query)")?.queryItems?.first { $0.name == name }?.value
    }

    func integer(_ name: String, in range: ClosedRange<Int64>) throws(InvalidField) -> Int64? {
        guard let text = self.uri.queryParameters.get(name) else { return nil }
        guard let value = Int64(text), range.contains(value) else {
            throw InvalidField(name, "must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String
    ) throws(InvalidField) -> Choice? where Choice.RawValue == String {
        try self.choice(name, among: Array(Choice.allCases))
    }

    func choice<Choice: RawRepresentable>(
        _ name: String, among choices: [Choice]
    ) throws(InvalidField) -> Choice? where Choice.RawValue == String {
        guard let text = self.uri.queryParameters.get(name) else { return nil }
        guard let choice = choices.first(where: { $0.rawValue == text }) else {
            throw InvalidField(name, "must be one of \(choices.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    func queryID(_ name: String) throws(InvalidField) -> EntityID? {
        guard let text = self.uri.queryParameters.get(name) else { return nil }
        guard let id = EntityID(text) else { throw InvalidField(name, "must be a UUID") }
        return id
    }
}

/// A part of a list, as it is answered: `{"total", "offset", "limit", "order", "dir", "name", "<things>": […]}`.
struct PageDTO<Item: Encodable & Sendable>: Encodable {
    let key: String
    let total: Int64
    let offset: Int64
    let limit: Int64
    let order: String
    let dir: String
    let name: String?
    let items: [Item]

    init(_ key: String, total: Int64, _ request: PageRequest, items: [Item]) {
        self.key = key
        self.total = total
        self.offset = request.offset
        self.limit = request.limit
        self.order = request.order.rawValue
        self.dir = request.direction.rawValue
        self.name = request.name
        self.items = items
    }

    init(_ key: String, total: Int64, offset: Int64, limit: Int64, order: String, dir: String, items: [Item]) {
        self.key = key
        self.total = total
        self.offset = offset
        self.limit = limit
        self.order = order
        self.dir = dir
        self.name = nil
        self.items = items
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(self.total, forKey: Key(stringValue: "total"))
        try container.encode(self.offset, forKey: Key(stringValue: "offset"))
        try container.encode(self.limit, forKey: Key(stringValue: "limit"))
        try container.encode(self.order, forKey: Key(stringValue: "order"))
        try container.encode(self.dir, forKey: Key(stringValue: "dir"))
        try container.encodeIfPresent(self.name, forKey: Key(stringValue: "name"))
        try container.encode(self.items, forKey: Key(stringValue: self.key))
    }
}

extension Response {
    static func json(_ value: some Encodable) throws -> Response {
        try Self.json(.ok, value)
    }

    static func json(_ status: HTTPResponse.Status, _ value: some Encodable) throws -> Response {
        Response(
            status: status, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: try JSON.encode(value)))
    }

    static var noContent: Response { Response(status: .noContent) }
}
