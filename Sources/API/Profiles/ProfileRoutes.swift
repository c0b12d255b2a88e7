internal import Domain
internal import Hummingbird
internal import Registry
internal import Schema

/// `/profiles` and the profiles of groups.
struct ProfileRoutes: Sendable {
    let profiles: ProfileStore
    let access: Access
    let refresh: RouteRefresh

    func add(to routes: RouterGroup<APIContext>) {
        routes.post("groups/:id/profiles") { try await self.create($0, $1) }
        routes.get("groups/:id/profiles") { request, context in
            let group = try context.id(of: "group")
            try await self.access.requireGroup(.viewer, group, for: context.caller())
            let pageRequest = try request.pageRequest()
            let page = try await self.profiles.list(
                in: group, ids: try request.ids(), labels: try request.labels(), pageRequest)
            return try Response.json(PageDTO("profiles", page, pageRequest, ProfileDTO.init))
        }
        routes.get("profiles/:id") { _, context in
            try Response.json(ProfileDTO(try await self.find(context, needing: .viewer)))
        }
        routes.put("profiles/:id") { request, context in
            let profile = try await self.find(context, needing: .admin)
            let object = try JSONObject(try await JSON.body(of: request, as: .profile), at: "")
            let draft = try ProfileDraft(object, insteadOf: profile.name)
            try await self.checkReference(of: draft, in: profile.group)
            guard
                let updated = try await self.profiles.update(
                    profile.id, name: draft.name, configJSON: JSON.text(draft.config),
                    labels: draft.annotations.labels, metadata: draft.annotations.metadata,
                    reading: draft.descriptors)
            else { throw APIError.notFound("profile") }
            await self.refresh([.profile(profile.id)])
            return try Response.json(ProfileDTO(updated))
        }
        routes.get("profiles/:id/descriptors") { _, context in
            let profile = try await self.find(context, needing: .viewer)
            guard let digest = profile.descriptorDigest,
                let bytes = try await self.profiles.descriptors(digest, in: profile.group)
            else { throw APIError.notFound("descriptor set") }
            return try Response.json(DescriptorSetDTO(bytes))
        }
        routes.delete("profiles/:id") { _, context in
            let profile = try await self.find(context, needing: .admin)
            guard try await self.profiles.remove(profile.id) else { throw APIError.notFound("profile") }
            return Response.noContent
        }
    }

    private func create(_ request: Request, _ context: APIContext) async throws -> Response {
        let group = try context.id(of: "group")
        try await self.access.requireGroup(.admin, group, for: context.caller())
        var created: [ProfileRecord] = []
        var descriptors: [DescriptorUse] = []
        for object in try JSONObject.list(try await JSON.body(of: request, as: .list(.profile))) {
            let draft = try ProfileDraft(object)
            try await self.checkReference(of: draft, in: group)
            if let use = draft.descriptors { descriptors.append(use) }
            created.append(
                ProfileRecord(
                    id: .random(), group: group, name: draft.name, configJSON: JSON.text(draft.config),
                    labels: draft.annotations.labels ?? [], metadata: draft.annotations.metadata ?? "{}"))
        }
        try await self.profiles.create(created, reading: descriptors)
        await self.refresh(created.map { .profile($0.id) })
        return try Response.json(.created, created.map(ProfileDTO.init))
    }

    /// A descriptor set that is named by its digest is one that the group has.
    private func checkReference(of draft: ProfileDraft, in group: EntityID) async throws {
        guard let use = draft.descriptors, use.bytes == nil, let decoder = draft.decoder else { return }
        guard let bytes = try await self.profiles.descriptors(use.digest, in: group) else {
            throw InvalidField("\(draft.decodePath).descriptors", "is no set that the group has: give it in base64")
        }
        if decoder.descriptors?.isMissing == true { decoder.descriptors?.fill(with: bytes) }
        try decoder.checkTypes(at: draft.decodePath)
    }

    private func find(_ context: APIContext, needing role: Role) async throws -> ProfileRecord {
        guard let profile = try await self.profiles.find(try context.id(of: "profile")) else {
            throw APIError.notFound("profile")
        }
        try await self.access.require(role, in: profile.group, for: context.caller(), seeking: "profile")
        return profile
    }
}

/// What a caller says of a profile, checked. Keys of `config` that Hookline does not know are kept as they are.
private struct ProfileDraft {
    let name: String
    let config: JSONValue
    let annotations: AnnotationDraft
    private(set) var decoder: PayloadDecoder?
    private(set) var descriptors: DescriptorUse?
    let decodePath: String

    /// - Parameter former: what it is called already.
    init(_ object: JSONObject, insteadOf former: String? = nil) throws {
        self.annotations = try AnnotationDraft(object)
        self.name = try Name.chosen(try object.string("name"), insteadOf: former, field: object.name("name"))
        self.decodePath = "\(object.name("config")).decode"
        guard let config = try object.object("config") else {
            self.config = .object([:])
            return
        }
        _ = try config.bool("write")
        _ = try config.bool("webhook")
        _ = try config.string("smtp_id")
        let failure = try config.string("decode_failure")
        do throws(InvalidField) {
            if let type = try config.string("content_type") { _ = try ProfileConfig.checkedOwnType(type) }
            if let failure { _ = try ProfileConfig.DecodeFailure.checked(failure) }
        } catch {
            throw InvalidField(object.name(error.field), error.reason)
        }
        var fields = config.fields
        if let decode = fields["decode"] {
            let decoder = try PayloadDecoder.checked(decode, at: self.decodePath)
            self.decoder = decoder
            if let reference = decoder?.descriptors, case .object(var options) = decode {
                // The set itself is kept apart.
                let bytes = try DescriptorSet.given(in: decode, at: self.decodePath)
                self.descriptors = DescriptorUse(digest: reference.digest, bytes: bytes)
                if let bytes {
                    options["descriptors"] = DescriptorSet.reference(to: bytes)
                    fields["decode"] = .object(options)
                }
            }
        }
        self.config = .object(fields)
    }
}

struct ProfileDTO: Encodable {
    let id: String
    let group_id: String
    let name: String
    /// null if it cannot be read.
    let config: JSONValue
    let labels: [String]
    /// null if it cannot be read.
    let metadata: JSONValue
    /// What of its config this version cannot read.
    let unreadable: String?

    init(_ profile: ProfileRecord) {
        self.id = profile.id.description
        self.group_id = profile.group.description
        self.name = profile.name
        self.labels = profile.labels
        self.metadata = (try? JSON.decode(profile.metadata)) ?? .null
        let config = try? JSON.decode(profile.configJSON)
        self.config = config ?? .null
        self.unreadable = config == nil ? "this version cannot read its config" : profile.fault
    }
}

/// A profile's descriptor set, as it was given.
struct DescriptorSetDTO: Encodable {
    let sha256: String
    /// In bytes.
    let size: Int
    /// The full names of its messages; empty if this version cannot read it.
    let types: [String]
    /// In base64.
    let descriptors: String

    init(_ bytes: [UInt8]) {
        self.sha256 = DescriptorReference.digest(of: bytes)
        self.size = bytes.count
        self.types = DescriptorSet(bytes)?.types ?? []
        self.descriptors = Base64.encode(bytes)
    }
}

extension ProfileRecord {
    /// Of the descriptor set that its config names.
    fileprivate var descriptorDigest: String? {
        guard let config = RawJSON(Array(self.configJSON.utf8)) else { return nil }
        return config.member("decode")?.member("descriptors")?.member("sha256")?.string
    }
}
