package import Domain
package import Registry
package import Schema
internal import Values

/// Takes groups, members, profiles, things and webhooks over from Mainflux, with their ids.
///
/// What is here already stays as it is, so an import that was interrupted is simply run again, and one that is run again
/// later brings what is new.
package struct MainfluxImport: Sendable {
    /// Told how far one kind is: rows looked at, of how many.
    package typealias Progress = @Sendable (ImportKind, _ done: Int64, _ total: Int64) -> Void

    private let source: MainfluxDatabase
    private let webhookSource: MainfluxWebhookDatabase?
    private let store: ImportStore
    private let things: ThingStore
    private let webhooks: WebhookStore
    private let wallClock: WallClock
    private let progress: Progress

    private static let pageSize: Int64 = 2_000

    package init(
        from source: MainfluxDatabase, webhooks: MainfluxWebhookDatabase?, to database: Database, box: SecretBox,
        wallClock: WallClock, progress: @escaping Progress
    ) {
        self.source = source
        self.webhookSource = webhooks
        self.store = ImportStore(database)
        self.things = ThingStore(database, box: box)
        self.webhooks = WebhookStore(database, box: box)
        self.wallClock = wallClock
        self.progress = progress
    }

    /// - Parameter writes: false only looks, and reports what it would do.
    package func run(writes: Bool) async throws -> ImportReport {
        var pass = Pass(writes: writes)
        let counts = try await self.source.counts()
        pass.report.externalKeys = Int(counts.externalKeys)
        try await self.takeGroups(&pass, of: counts.groups)
        try await self.takeMembers(&pass, of: counts.members)
        try await self.takeProfiles(&pass, of: counts.profiles)
        try await self.takeThings(&pass, of: counts.things)
        try await self.takeWebhooks(&pass)
        return pass.report
    }

    /// What a pass knows of what it has seen.
    private struct Pass {
        let writes: Bool
        var report = ImportReport()
        var groups: Set<EntityID> = []
        /// Groups of the profiles.
        var profiles: [EntityID: EntityID] = [:]
        var refusedThings: Set<EntityID> = []
    }

    /// Reads page after page, each from the last row of the one before.
    private func pages<Row>(
        of kind: ImportKind, total: Int64, after: (Row?) async throws -> [Row], body: ([Row]) async throws -> Void
    ) async throws {
        var (last, done): (Row?, Int64) = (nil, 0)
        self.progress(kind, 0, total)
        while true {
            let page = try await after(last)
            guard !page.isEmpty else { break }
            try await body(page)
            last = page.last
            done += Int64(page.count)
            self.progress(kind, done, max(done, total))
        }
        self.progress(kind, done, done)
    }

    /// Parts what is new from what is here already, and refuses what has a name that something else has here.
    private func select<Row>(
        _ rows: [Row], _ kind: ImportKind, _ storeKind: ImportStore.Kind, _ pass: inout Pass,
        as named: (Row) -> ImportStore.Named
    ) async throws -> (new: [Row], present: Set<EntityID>) {
        let names = rows.map(named)
        let present = try await self.store.present(names.map(\.id), of: storeKind)
        let taken = try await self.store.taken(names.filter { !present.contains($0.id) }, of: storeKind)
        var new: [Row] = []
        for (row, name) in zip(rows, names) {
            if present.contains(name.id) {
                pass.report[kind].present += 1
            } else if taken.contains(name.id) {
                pass.report.refuse(kind, name.id, "the name \(name.name.debugDescription) is taken here")
            } else {
                new.append(row)
            }
        }
        pass.report[kind].added += new.count
        return (new, present)
    }

    private func name(_ name: String, of id: EntityID, _ pass: inout Pass) -> String {
        let mapped = MainfluxMapping.name(name, of: id)
        if mapped != name { pass.report.renamed += 1 }
        return mapped
    }

    // MARK: Groups and members

    private func takeGroups(_ pass: inout Pass, of total: Int64) async throws {
        try await self.pages(
            of: .groups, total: total, after: { try await self.source.groups(after: $0?.id, limit: Self.pageSize) }
        ) { (page: [GroupRecord]) in
            pass.report[.groups].found += page.count
            let groups = page.map { GroupRecord(id: $0.id, org: $0.org, name: self.name($0.name, of: $0.id, &pass)) }
            let (new, present) = try await self.select(groups, .groups, .groups, &pass) {
                ImportStore.Named(id: $0.id, scope: $0.org, name: $0.name)
            }
            pass.groups.formUnion(present)
            pass.groups.formUnion(new.map(\.id))
            if pass.writes, !new.isEmpty { try await self.store.add(new) }
        }
    }

    private func takeMembers(_ pass: inout Pass, of total: Int64) async throws {
        try await self.pages(
            of: .members, total: total, after: { try await self.source.members(after: $0, limit: Self.pageSize) }
        ) { (page: [MainfluxMember]) in
            pass.report[.members].found += page.count
            var members: [(group: EntityID, member: Member)] = []
            for row in page {
                guard pass.groups.contains(row.group) else {
                    pass.report.refuse(.members, "\(row.member) of group \(row.group)", "the group is left out")
                    continue
                }
                do throws(InvalidField) {
                    members.append((row.group, try MainfluxMapping.member(row)))
                } catch {
                    pass.report.refuse(.members, "\(row.member) of group \(row.group)", error)
                }
            }
            let present = try await self.store.present(members)
            if pass.writes, present < members.count { try await self.store.add(members) }
            pass.report[.members].added += members.count - present
            pass.report[.members].present += present
        }
    }

    // MARK: Profiles and things

    private func takeProfiles(_ pass: inout Pass, of total: Int64) async throws {
        try await self.pages(
            of: .profiles, total: total, after: { try await self.source.profiles(after: $0?.id, limit: Self.pageSize) }
        ) { (page: [MainfluxProfile]) in
            pass.report[.profiles].found += page.count
            var profiles: [(record: ProfileRecord, config: ProfileConfig)] = []
            for row in page {
                guard let group = row.group, pass.groups.contains(group) else {
                    pass.report.refuse(.profiles, row.id, "it has no group, or one that is left out")
                    continue
                }
                if row.hasTransformer { pass.report.transformers += 1 }
                profiles.append(
                    (
                        ProfileRecord(
                            id: row.id, group: group, name: self.name(row.name, of: row.id, &pass),
                            configJSON: row.configJSON, metadata: Self.metadata(row.metadata, &pass)),
                        MainfluxMapping.config(of: row)
                    ))
            }
            let (new, present) = try await self.select(profiles, .profiles, .profiles, &pass) {
                ImportStore.Named(id: $0.record.id, scope: $0.record.group, name: $0.record.name)
            }
            for (profile, _) in profiles where present.contains(profile.id) {
                pass.profiles[profile.id] = profile.group
            }
            for (profile, _) in new { pass.profiles[profile.id] = profile.group }
            if pass.writes, !new.isEmpty { try await self.store.add(new) }
        }
    }

    private func takeThings(_ pass: inout Pass, of total: Int64) async throws {
        try await self.pages(
            of: .things, total: total, after: { try await self.source.things(after: $0?.id, limit: Self.pageSize) }
        ) { (page: [MainfluxThing]) in
            pass.report[.things].found += page.count
            var things: [(record: ThingRecord, key: StoredKey)] = []
            for row in page {
                do throws(InvalidField) {
                    things.append(try self.thing(row, &pass))
                } catch {
                    pass.report.refuse(.things, row.id, error)
                    pass.refusedThings.insert(row.id)
                }
            }
            let (new, _) = try await self.select(things, .things, .things, &pass) {
                ImportStore.Named(id: $0.record.id, scope: $0.record.group, name: $0.record.name)
            }
            if pass.writes, !new.isEmpty { try await self.things.create(new.map(\.record), keys: new.map(\.key)) }
        }
    }

    private static func metadata(_ text: String?, _ pass: inout Pass) -> String {
        let (metadata, isTaken) = MainfluxMapping.metadata(text)
        if !isTaken { pass.report.metadataLeftOut += 1 }
        return metadata
    }

    private func thing(
        _ row: MainfluxThing, _ pass: inout Pass
    ) throws(InvalidField) -> (record: ThingRecord, key: StoredKey) {
        guard let group = row.group, pass.groups.contains(group) else {
            throw InvalidField("group", "is missing, or left out")
        }
        guard let profile = row.profile, let owner = pass.profiles[profile] else {
            throw InvalidField("profile", "is missing, or left out")
        }
        guard owner == group else { throw InvalidField("profile", "is one of another group") }
        let record = ThingRecord(
            id: row.id, group: group, profile: profile, name: self.name(row.name, of: row.id, &pass),
            metadata: Self.metadata(row.metadata, &pass))
        return (record, try MainfluxMapping.key(row.key))
    }

    // MARK: Webhooks

    private func takeWebhooks(_ pass: inout Pass) async throws {
        guard let webhookSource else { return }
        let now = self.wallClock.now
        var names = NamesTaken(store: self.store)
        try await self.pages(
            of: .webhooks, total: try await webhookSource.count(),
            after: { try await webhookSource.webhooks(after: $0?.id, limit: Self.pageSize) }
        ) { (page: [MainfluxWebhook]) in
            pass.report[.webhooks].found += page.count
            let present = try await self.store.present(page.map(\.id), of: .webhooks)
            pass.report[.webhooks].present += present.count
            // A thing that was moved to another group took its webhooks along; what they say of their group is older.
            let owners = try await self.source.things(page.compactMap(\.thing))
            let groups = Dictionary(owners.map { ($0.id, $0.group) }) { first, _ in first }
            var new: [(webhook: Webhook, keys: SigningKeys)] = []
            for row in page where !present.contains(row.id) {
                do {
                    let group = try self.group(of: row, groups, pass)
                    let name = try await names.unique(MainfluxMapping.name(row.name, of: row.id), in: group)
                    if name != row.name { pass.report.renamed += 1 }
                    let draft = try MainfluxMapping.draft(row, named: name)
                    new.append((Self.webhook(row.id, in: group, draft, at: now), Self.newKeys()))
                } catch let error as InvalidField {
                    pass.report.refuse(.webhooks, row.id, error)
                }
            }
            pass.report[.webhooks].added += new.count
            if pass.writes, !new.isEmpty { try await self.webhooks.create(new) }
        }
    }

    private func group(
        of row: MainfluxWebhook, _ groups: [EntityID: EntityID?], _ pass: Pass
    ) throws(InvalidField) -> EntityID {
        var group: EntityID? = row.group
        if let thing = row.thing {
            guard let found = groups[thing], !pass.refusedThings.contains(thing) else {
                throw InvalidField("thing", "is missing, or left out")
            }
            group = found
        }
        guard let group, pass.groups.contains(group) else { throw InvalidField("group", "is missing, or left out") }
        return group
    }

    private static func webhook(_ id: EntityID, in group: EntityID, _ draft: WebhookDraft, at now: Instant) -> Webhook {
        var webhook = Webhook(
            id: id, group: group, name: draft.name, url: draft.url, headers: draft.headers, policy: draft.policy,
            options: draft.options)
        webhook.record.createdAt = now
        webhook.record.updatedAt = now
        return webhook
    }

    private static func newKeys() -> SigningKeys {
        var generator = SystemRandomNumberGenerator()
        return SigningKeys(current: .random(.hmac, using: &generator))
    }
}

/// The names of webhooks in the groups that came up, those that an import is about to give included.
private struct NamesTaken {
    let store: ImportStore
    private var byGroup: [EntityID: Set<String>] = [:]

    init(store: ImportStore) {
        self.store = store
    }

    mutating func unique(_ name: String, in group: EntityID) async throws -> String {
        var taken: Set<String>
        if let known = self.byGroup[group] {
            taken = known
        } else {
            taken = try await self.store.webhookNames(in: group)
        }
        // Not kept twice while it changes.
        self.byGroup[group] = nil
        let unique = MainfluxMapping.uniqueName(name, among: &taken)
        self.byGroup[group] = taken
        return unique
    }
}
