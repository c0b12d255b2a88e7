import Domain
import Postgres
import Schema
import StoreTestSupport
import Testing
import Values

@testable import Registry

@Suite("Things in the database")
struct ThingStoreTests {
    private struct Ground {
        let fixture: Fixture
        let things: ThingStore

        init() async throws {
            self.fixture = try await Fixture()
            self.things = ThingStore(self.fixture.database, box: self.fixture.box)
        }

        func record(
            _ name: String, _ externalID: String? = nil, _ labels: [String] = [], _ metadata: String = "{}"
        ) -> ThingRecord {
            ThingRecord(
                id: .random(), group: self.fixture.group, profile: self.fixture.profile, name: name,
                externalID: externalID, labels: labels, metadata: metadata)
        }

        func make(_ records: ThingRecord...) async throws {
            try await self.things.create(records, keys: records.map { _ in StoredKey("k") })
        }

        func makeAnotherGroup() async throws -> (group: EntityID, profile: EntityID) {
            let (group, profile) = (EntityID.random(), EntityID.random())
            let database = self.fixture.database
            try await GroupStore(database).create([GroupRecord(id: group, org: nil, name: "h")], owner: "o")
            try await ProfileStore(database).create([
                ProfileRecord(id: profile, group: group, name: "q", configJSON: "{}")
            ])
            return (group, profile)
        }

        func list(_ choice: ThingChoice) async throws -> Set<String> {
            Set(try await self.things.list(in: self.fixture.group, choosing: choice, PageRequest()).items.map(\.name))
        }
    }

    @Test("are changed and removed by the group alone that has them, and what is another's is no source's")
    func ofAnotherGroup() async throws {
        let ground = try await Ground()
        let thing = ground.record("t", "EUI:00/1", [], "{}")
        try await ground.make(thing)
        let other = EntityID.random()
        var change = ThingChange()
        change.key = StoredKey("another")
        #expect(try await ground.things.update(thing.id, in: other, change) == nil)
        #expect(try await !ground.things.remove(thing.id, from: other))
        #expect(try await ground.things.find(thing.id) != nil)
        let sources = SourceStore(ground.fixture.database, box: ground.fixture.box)
        try await GroupStore(ground.fixture.database).create([GroupRecord(id: other, org: nil, name: "h")], owner: "o")
        func source(of group: EntityID) -> Source {
            Source(
                id: .random(), group: group, name: "s", thing: thing.id, isEnabled: true, settings: SourceSettings(),
                createdAt: .first, updatedAt: .first)
        }
        await #expect(throws: StorageError.self) { try await sources.create([(source(of: other), .keyHash([1]))]) }
        let own = source(of: thing.group)
        try await sources.create([(own, .keyHash([1]))])
        await #expect(throws: StorageError.self) {
            try await sources.update(own.id) { $0.thing = .random() }
        }
    }

    @Test("come out as they went in, and change in what is said alone")
    func roundTrip() async throws {
        let ground = try await Ground()
        let metadata = #"{"z":1.50,"a":null,"z":2e400}"#
        let thing = ground.record("t", "EUI:00/1", ["outdoor", "site=Berlin East"], metadata)
        try await ground.make(thing)
        var found = try #require(try await ground.things.find(thing.id))
        #expect(found.externalID == "EUI:00/1" && found.labels == thing.labels && found.metadata == metadata)
        var change = ThingChange()
        change.labels = ["indoor"]
        found = try #require(try await ground.things.update(thing.id, in: thing.group, change))
        #expect(found.labels == ["indoor"] && found.metadata == metadata && found.externalID == "EUI:00/1")
        change = ThingChange()
        change.externalID = .some(nil)
        change.metadata = "{}"
        found = try #require(try await ground.things.update(thing.id, in: thing.group, change))
        #expect(found.externalID == nil && found.metadata == "{}" && found.labels == ["indoor"] && found.name == "t")
    }

    @Test("are listed by external id, profile and labels, all of which apply")
    func chosen() async throws {
        let ground = try await Ground()
        try await ground.make(
            ground.record("a", "1", ["x", "y"]), ground.record("b", "2", ["x"]), ground.record("c"))
        var choice = ThingChoice()
        choice.labels = ["x"]
        #expect(try await ground.list(choice) == ["a", "b"])
        choice.labels = ["x", "y"]
        #expect(try await ground.list(choice) == ["a"])
        choice.externalID = "2"
        #expect(try await ground.list(choice) == [])
        choice.labels = []
        #expect(try await ground.list(choice) == ["b"])
        choice.profile = .random()
        #expect(try await ground.list(choice) == [])
        choice = ThingChoice()
        choice.profile = ground.fixture.profile
        #expect(try await ground.list(choice) == ["a", "b", "c"])
    }

    @Test("are found by their ids in their group alone, whatever else is asked of them")
    func byIDs() async throws {
        let ground = try await Ground()
        let (one, two) = (ground.record("a", "1"), ground.record("b"))
        try await ground.make(one, two, ground.record("c"))
        var choice = ThingChoice()
        choice.ids = [one.id, two.id, .random(), one.id]
        #expect(try await ground.list(choice) == ["a", "b"])
        choice.externalID = "1"
        #expect(try await ground.list(choice) == ["a"])
        choice.externalID = nil
        let elsewhere = try await ground.things.list(in: .random(), choosing: choice, PageRequest())
        #expect(elsewhere.items.isEmpty && elsewhere.total == 0)
        choice.ids = []
        #expect(try await ground.list(choice) == [])
        var request = PageRequest()
        request.order = .lastSeen
        choice.ids = [one.id]
        #expect(try await ground.things.list(in: ground.fixture.group, choosing: choice, request).items.isEmpty)
    }

    @Test("have what their owners call them alone in their group, and may have nothing")
    func unique() async throws {
        let ground = try await Ground()
        try await ground.make(ground.record("a", "1"), ground.record("b"), ground.record("c"))
        await #expect(throws: StorageError.duplicate(field: "[0].external_id")) {
            try await ground.make(ground.record("d", "1"))
        }
    }

    @Test("are made all or none, with the place and field of each that cannot be")
    func all() async throws {
        let ground = try await Ground()
        try await ground.make(ground.record("a", "1"))
        func make(_ records: [ThingRecord], writes: Bool = true) async throws -> [ThingStore.Conflict] {
            try await ground.things.createAll(
                records, in: ground.fixture.group, keys: records.map { _ in StoredKey("k") }, writes: writes)
        }
        let conflicts = try await make([
            ground.record("b", "2"), ground.record("a", "3"), ground.record("c", "1"), ground.record("b", "4"),
            ground.record("d", "2"),
        ])
        #expect(
            conflicts == [
                .init(index: 1, field: "name"), .init(index: 2, field: "external_id"), .init(index: 3, field: "name"),
                .init(index: 4, field: "external_id"),
            ])
        let good = (0..<3_000).map { ground.record("t\($0)", "e\($0)", ["l"]) }
        #expect(try await make(good, writes: false) == [])
        #expect(try await ground.fixture.count("SELECT count(*) FROM things") == 1)
        #expect(try await make(good) == [])
        #expect(try await ground.fixture.count("SELECT count(*) FROM things WHERE labels = '{l}'") == 3_000)
    }

    @Test("are known by what is asked of them: labels and metadata only if they are, those of the profile with them")
    func facts() async throws {
        let ground = try await Ground()
        let thing = ground.record("t", "1", ["x"], #"{"site":"B"}"#)
        try await ground.make(thing)
        let profiles = ProfileStore(ground.fixture.database)
        _ = try await profiles.update(
            ground.fixture.profile, name: "p", configJSON: "{}", labels: ["kind=a"], metadata: #"{"m":1.0}"#)
        let store = RouteStore(ground.fixture.database, box: ground.fixture.box)
        let subject = ThingFacts.Subject(thing.id, in: ground.fixture.group)
        let names = try #require(try await store.facts(of: [subject])[subject])
        #expect(names.externalID == "1" && names.annotations == nil && names.extent == .names)
        _ = try await ground.fixture.webhooks().update(ground.fixture.webhook) { _ in
            try WebhookDraft(
                name: "w", url: "http://example.com/", headers: [Header(name: "X", value: "{thing.metadata.site}")])
        }
        // And so it stays for what still waits when the thing and its profile are gone.
        for _ in 0..<2 {
            let whole = try #require(try await store.facts(of: [subject], .annotations)[subject])
            #expect(whole.name == "t" && whole.externalID == "1")
            #expect(whole.annotations?.thing.labels == ["x"] && whole.annotations?.profile.labels == ["kind=a"])
            let texts = [whole.annotations?.thing, whole.annotations?.profile].map { annotations in
                String(decoding: annotations?.metadata?.text ?? [], as: UTF8.self)
            }
            #expect(texts == [#"{"site":"B"}"#, #"{"m":1.0}"#])
            _ = try await ground.things.remove(thing.id, from: thing.group)
            _ = try await profiles.remove(ground.fixture.profile)
        }
    }

    @Test("have annotations remembered up to a number of bytes, and forgotten with their profile")
    func memory() {
        var memory = FactsMemory(most: 100, mostBytes: 1_500)
        let (group, profile) = (EntityID.random(), EntityID.random())
        let things = (0..<4).map { _ in EntityID.random() }
        func facts(_ index: Int, bytes: Int?) -> [ThingFacts.Subject: ThingFacts] {
            let text = #"{"a":"\#(String(repeating: "x", count: bytes ?? 0))"}"#
            let annotations = ThingAnnotations(thing: Annotations(metadata: text), profile: Annotations())
            return [
                .init(things[index], in: group):
                    ThingFacts(name: "\(index)", profile: profile, annotations: bytes == nil ? nil : annotations)
            ]
        }
        func known(_ index: Int, _ extent: ThingFacts.Extent) -> Bool {
            memory.facts(of: .init(things[index], in: group), extent) != nil
        }
        memory.remember(facts(0, bytes: nil), readAt: memory.age)
        #expect(known(0, .names) && !known(0, .annotations))
        memory.remember(facts(1, bytes: 400), readAt: memory.age)
        memory.remember(facts(1, bytes: nil), readAt: memory.age)
        #expect(known(1, .annotations), "names do not take the place of more")
        memory.remember(facts(2, bytes: 400), readAt: memory.age)
        #expect(known(1, .annotations) && known(2, .annotations))
        memory.remember(facts(3, bytes: 400), readAt: memory.age)
        #expect(!known(1, .names) && known(3, .annotations), "there is room for two")
        memory.remember(facts(0, bytes: 4_000), readAt: memory.age)
        #expect(!known(0, .names), "one that is too large is not remembered")
        memory.forget(thingsOf: [.random()])
        memory.remember(facts(3, bytes: 10), readAt: memory.age)
        #expect(known(3, .annotations))
        memory.forget(thingsOf: [profile])
        #expect(!known(3, .names))
        memory.remember(facts(2, bytes: 400), readAt: memory.age)
        for _ in 1...9 {
            memory.remember(facts(1, bytes: 400), readAt: memory.age)
            memory.forget([things[1]])
        }
        #expect(known(2, .annotations), "what is forgotten takes no room")
    }

    @Test("are marked in routes with what webhooks of their group choose by, whichever comes first")
    func marks() async throws {
        let ground = try await Ground()
        let store = RouteStore(ground.fixture.database, box: ground.fixture.box)
        let (one, two) = (ground.record("one", "e1", ["x", "z"]), ground.record("two", "e2", ["y"]))
        try await ground.make(one, two)
        var routes = try await store.load()
        #expect(routes.resolve(one.id)?.traits.profile == ground.fixture.profile)
        #expect(routes.resolve(one.id)?.traits.marks == nil, "nobody chooses")
        func follow(_ changes: RouteStore.Change...) async throws {
            let (groups, selectors) = (routes.groups, routes.selectors)
            switch try await store.changes(changes, known: { groups[$0] }, selectors: selectors) {
            case .all(let all): routes.replace(with: all)
            case .some(let edit): edit.apply(to: &routes)
            }
        }
        _ = try await ground.fixture.webhooks().update(ground.fixture.webhook) { _ in
            var options = WebhookOptions()
            options.trigger = Trigger(externalIDs: ["e2"], labels: ["x"])
            return try WebhookDraft(name: "w", url: "http://example.com/", headers: [], options: options)
        }
        try await follow(.webhooks(group: ground.fixture.group))
        #expect(routes.resolve(one.id)?.traits.marks?.labels == ["x"])
        #expect(routes.resolve(two.id)?.traits.marks?.externalID == "e2")
        var change = ThingChange()
        change.labels = ["x"]
        _ = try await ground.things.update(two.id, in: two.group, change)
        try await follow(.thing(two.id))
        #expect(routes.resolve(two.id)?.traits.marks?.labels == ["x"])
        let fresh = try await store.load()
        #expect(fresh.resolve(one.id)?.traits.marks?.labels == ["x"])
    }

    @Test("stay where they are while a source posts for them, which is of their group")
    func held() async throws {
        let ground = try await Ground()
        let fixture = ground.fixture
        let (group, profile) = try await ground.makeAnotherGroup()
        let thing = ground.record("t")
        try await ground.make(thing)
        let sources = SourceStore(fixture.database, box: fixture.box)
        let source = Source(
            id: .random(), group: fixture.group, name: "s", thing: thing.id, isEnabled: true,
            settings: SourceSettings(), createdAt: .first, updatedAt: .first)
        try await sources.create([(source, .keyHash([1]))])
        await #expect(throws: StorageError.inUse(by: "sources")) {
            try await ground.things.move(thing.id, from: fixture.group, to: group, profile: profile)
        }
        #expect(try await ground.things.find(thing.id)?.group == fixture.group)
        _ = try await sources.remove(source.id)
        let moved = try await ground.things.move(thing.id, from: fixture.group, to: group, profile: profile)
        #expect(moved?.group == group)
    }

    @Test("move with what their former group's deliveries say of them, and are forgotten by its webhooks")
    func moved() async throws {
        let ground = try await Ground()
        let fixture = ground.fixture
        let (group, profile) = try await ground.makeAnotherGroup()
        _ = try await fixture.webhooks().update(fixture.webhook) { _ in
            try WebhookDraft(
                name: "w", url: "http://example.com/", headers: [Header(name: "X", value: "{thing.metadata.site}")])
        }
        let thing = ground.record("t", "1", ["x"], #"{"site":"B"}"#)
        try await ground.make(thing)
        _ = try await fixture.database.pool.withConnection { db in
            try db.execute(
                "INSERT INTO condition_memory VALUES (\(fixture.target.key.rawValue), \(thing.id), 0, '1')")
            try db.execute(
                "INSERT INTO thinned_things VALUES (\(fixture.target.key.rawValue), \(thing.id), '{}', '{1}')")
            try db.execute(
                """
                INSERT INTO alarms (webhook_key, thing_id, group_id, raised, changed, is_active, mark)
                SELECT \(fixture.target.key.rawValue), \(thing.id), \(fixture.group), 1, 1, true, 1
                """)
        }
        await #expect(throws: StorageError.missing(field: "profile_id")) {
            try await ground.things.move(thing.id, from: fixture.group, to: group, profile: fixture.profile)
        }
        let moved = try #require(
            try await ground.things.move(thing.id, from: fixture.group, to: group, profile: profile))
        #expect(moved.group == group && moved.externalID == "1" && moved.metadata == thing.metadata)
        for table in ["condition_memory", "thinned_things", "alarms"] as [Query] {
            #expect(try await fixture.count("SELECT count(*) FROM \(table)") == 0)
        }
        let again = try await ground.things.move(thing.id, from: fixture.group, to: group, profile: profile)
        #expect(again?.id == nil, "it is not there any more")
        let store = RouteStore(fixture.database, box: fixture.box)
        let (before, after) = (ThingFacts.Subject(thing.id, in: fixture.group), ThingFacts.Subject(thing.id, in: group))
        let facts = try await store.facts(of: [before, after], .annotations)
        #expect(facts[before]?.profile == fixture.profile && facts[before]?.annotations?.thing.labels == ["x"])
        #expect(facts[after]?.profile == profile)
        let told = try await fixture.count(
            "SELECT count(DISTINCT group_id) FROM audit WHERE object_kind = 'thing' AND action IN ('moved', 'updated')")
        #expect(told == 2, "both groups read it in their audit")
    }
}
