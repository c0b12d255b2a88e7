internal import Domain
internal import HTTPTypes
internal import Hummingbird
internal import Registry
internal import Schema
internal import Values

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
    let keys: APIKeyStore
    let orgs: OrgStore

    /// The caller's role in the group; root has all.
    ///
    /// - Parameters:
    ///   - definition: of what a copy of an org's webhook does in the group: that webhook.
    ///   - what: what the answer says was not found.
    @discardableResult
    func require(
        _ needed: Role, in group: EntityID, copyOf definition: EntityID? = nil, for caller: Caller, seeking what: String
    ) async throws -> Role {
        if caller.isRoot { return .owner }
        guard let role = try await self.role(of: caller, in: group, copyOf: definition) else {
            throw APIError.notFound(what).refused(in: group)
        }
        guard role >= needed else { throw APIError.forbidden(needed).refused(in: group) }
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

    /// The caller's role in an org that the path names and that may not exist; root is as an admin.
    @discardableResult
    func requireOrg(_ needed: Role, _ org: EntityID, for caller: Caller) async throws -> Role {
        if caller.isRoot {
            guard try await self.orgs.find(org) != nil else { throw APIError.notFound("org") }
            return .admin
        }
        return try Self.require(needed, try await self.role(of: caller, inOrg: org), in: org, seeking: "org")
    }

    /// - Parameters:
    ///   - role: what the caller is in the org; nil if they have none.
    ///   - what: what the answer says was not found.
    static func require(
        _ needed: Role, _ role: Role?, in org: EntityID, seeking what: String
    ) throws(APIError) -> Role {
        guard let role else { throw APIError.notFound(what).refused(in: org) }
        guard role >= needed else {
            throw APIError(status: .forbidden, message: "this needs the role \(needed.rawValue) in the org")
        }
        return role
    }

    /// The thing that the path names.
    func thing(_ context: APIContext, needing role: Role) async throws -> ThingRecord {
        guard let thing = try await self.things.find(try context.id(of: "thing")) else {
            throw APIError.notFound("thing")
        }
        try await self.require(role, in: thing.group, for: context.caller(), seeking: "thing")
        return thing
    }

    /// The caller's role in each group; nil where they have none.
    func standing(of caller: Caller) async throws -> (EntityID) -> Role? {
        if caller.isRoot { return { _ in .owner } }
        let roles = try await self.roles(ofMember: caller)
        return { roles[$0] }
    }

    /// The caller's role in each group of a list that holds only what they may see.
    func roles(of caller: Caller) async throws -> (EntityID) -> Role {
        let standing = try await self.standing(of: caller)
        return { standing($0) ?? .viewer }
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

private enum Flag: String, CaseIterable { case `true`, `false` }

extension Request {
    /// The first host header is the authority; what stands among the others is a second one.
    var namesOneHost: Bool {
        self.head.authority?.isEmpty == false
            && !self.head.headerFields.contains { $0.name.canonicalName == "host" }
    }

    /// The texts of the query, in their order. Forms and most clients write a space as `+`
    /// (https://url.spec.whatwg.org/#urlencoded-parsing).
    var queryTexts: [(name: String, value: String)] {
        let query = (self.uri.query ?? "").replacing("+", with: "%20")
        let items = URLComponents(string: "/?\(query)")?.queryItems ?? []
        return items.compactMap { item in item.value.map { (name: item.name, value: $0) } }
    }

    func text(_ name: String) -> String? {
        self.queryTexts.first { $0.name == name }?.value
    }

    /// A text that may be given several times.
    func texts(_ name: String) -> [String] {
        self.queryTexts.filter { $0.name == name }.map(\.value)
    }

    /// Labels, all of which something must have: `label=a&label=b`, or `label=a,b`.
    func labels() throws(InvalidField) -> [String] {
        let labels = self.texts("label").flatMap { $0.parts(between: ",").filter { !$0.isEmpty }.map(String.init) }
        guard labels.count <= Label.most, labels.allSatisfy(Label.isLabel) else {
            throw InvalidField("label", "must be at most \(Label.most) labels, each \(Label.expected)")
        }
        return labels
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

    func flag(_ name: String) throws(InvalidField) -> Bool? {
        try (self.choice(name) as Flag?).map { $0 == .true }
    }

    func queryID(_ name: String) throws(InvalidField) -> EntityID? {
        guard let text = self.uri.queryParameters.get(name) else { return nil }
        guard let id = EntityID(text) else { throw InvalidField(name, "must be a UUID") }
        return id
    }

    /// Which of a list are wanted, `ids=a,b`; nil if that is not said.
    func ids() throws(InvalidField) -> [EntityID]? {
        let texts = self.texts("ids")
        guard !texts.isEmpty else { return nil }
        let parts = texts.flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
        let ids = parts.compactMap { EntityID($0) }
        guard ids.count == parts.count, ids.count <= PageRequest.mostIDs else {
            throw InvalidField("ids", "must be at most \(PageRequest.mostIDs) UUIDs with commas between them")
        }
        return ids
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
