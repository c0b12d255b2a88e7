import Domain
import Postgres
import Registry
import Schema
import StoreTestSupport
import Testing

@Suite("Topic rules as they are stored")
struct TopicRuleStoreTests {
    private let fixture: Fixture
    private let groups: GroupStore
    private let rules: TopicRuleStore

    init() async throws {
        self.fixture = try await Fixture()
        self.groups = GroupStore(self.fixture.database)
        self.rules = TopicRuleStore(self.fixture.database)
    }

    private func grant(_ filters: [String], to group: EntityID? = nil) async throws {
        _ = try await self.groups.update(
            group ?? self.fixture.group, name: "\(group ?? self.fixture.group)", allowedNetworks: nil,
            allowedTopics: filters.compactMap { TopicFilter($0) })
    }

    private func makeGroup() async throws -> EntityID {
        let group = EntityID.random()
        try await self.groups.create([GroupRecord(id: group, org: nil, name: "\(group)")], owner: "o")
        return group
    }

    @discardableResult
    private func add(_ filter: String) async throws -> TopicRuleRecord {
        let rule = try TopicRule(.init(filter: filter))
        return try #require(try await self.rules.add(rule, to: self.fixture.group))
    }

    /// What is subscribed to, in the order of the numbers.
    private func subscribed() async throws -> [TopicTable.Subscription] {
        try await RouteStore(self.fixture.database, box: self.fixture.box).load().topics.subscriptions
    }

    @Test("are taken as far as a grant covers them, and wait where it is gone")
    func grants() async throws {
        try await self.grant(["a/#", "b/+/c"])
        for filter in ["a/{thing}", "a/{subtopic}/{thing}", "b/{thing}/c"] { try await self.add(filter) }
        for filter in ["c/{thing}", "b/{thing}", "b/{thing}/{subtopic:#}"] {
            await #expect(throws: TopicRuleStore.Refusal.self) { try await self.add(filter) }
        }
        #expect(try await self.subscribed().map(\.filter.description) == ["a/+", "a/+/+", "b/+/c"])
        try await self.grant(["b/#"])
        #expect(try await self.subscribed().map(\.filter.description) == ["b/+/c"])
        let kept = try #require(try await self.rules.find(self.fixture.group))
        #expect(kept.rules.count == 3)
        // They stay as they are, and none comes to them.
        let all: [(id: EntityID?, rule: TopicRule)] = try kept.rules.map { ($0.id, try TopicRule($0.draft)) }
        _ = try await self.rules.replace(in: self.fixture.group, with: all, choice: nil)
        await #expect(throws: TopicRuleStore.Refusal.self) { try await self.add("a/x/{thing}") }
    }

    @Test("cannot be for topics that another group's may be for, whoever was granted them first")
    func overlaps() async throws {
        let other = try await self.makeGroup()
        try await self.grant(["a/#"], to: other)
        for filter in ["a/b", "a/+/c", "+/b", "a/#"] {
            do {
                try await self.grant(["x/y", filter])
                Issue.record("\(filter) is granted")
            } catch let error as TopicGrants.Overlap {
                #expect(error.index == 1 && error.group == other && error.other.description == "a/#")
            }
        }
        #expect(try await self.groups.find(self.fixture.group)?.allowedTopics == [], "all or none")
        try await self.grant(["x/y", "b/#"])
        try await self.grant([], to: other)
        try await self.grant(["a/#"])
        #expect(try await self.groups.find(self.fixture.group)?.allowedTopics.map(\.description) == ["a/#"])
    }

    @Test("of two grants at once that have topics in common one is refused")
    func race() async throws {
        let others = [try await self.makeGroup(), try await self.makeGroup(), try await self.makeGroup()]
        let granted = await withTaskGroup(of: Bool.self) { tasks in
            for other in others {
                tasks.addTask {
                    do {
                        try await self.grant(["a/\(other)", "a/+"], to: other)
                        return true
                    } catch { return false }
                }
            }
            return await tasks.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(granted == 1)
    }

    @Test("have numbers that grow, also of a filter that was gone, and one for all that have the same filter")
    func numbers() async throws {
        try await self.grant(["a/#"])
        let first = try await self.add("a/{thing}")
        try await self.add("a/{thing}/{subtopic}")
        try await self.add("a/{name}/{thing}")
        let before = try await self.subscribed()
        #expect(before.map(\.filter.description) == ["a/+", "a/+/+"])
        try await self.rules.remove([first.id], from: self.fixture.group)
        #expect(try await self.subscribed() == Array(before.dropFirst()), "the other keeps its number")
        try await self.add("a/{thing}")
        let after = try await self.subscribed()
        #expect(after.map(\.filter.description) == ["a/+/+", "a/+"])
        #expect(after[0] == before[1] && after[1].number > before[1].number)
        try await self.grant([])
        try await self.grant(["a/+"])
        #expect(try await self.subscribed().first.map { $0.number > after[1].number } == true, "as if it were new")
    }

    @Test("keep how they tell a presence, and are not written while an instance lives that would not")
    func presence() async throws {
        try await self.grant(["a/#"])
        _ = try await self.fixture.store()
        let told = TopicPresence.Draft(path: "a.b", online: ["on", "1"], offline: ["off/x"], deliver: false)
        let rule = try TopicRule(.init(filter: "a/{thing}", presence: told))
        _ = try await self.fixture.database.pool.withConnection { try $0.execute("UPDATE sessions SET reads = 5") }
        await #expect(throws: StorageError.notYet(field: "presence")) {
            try await self.rules.add(rule, to: self.fixture.group)
        }
        await #expect(throws: StorageError.notYet(field: "presence")) {
            try await self.rules.replace(in: self.fixture.group, with: [(nil, rule)], choice: nil)
        }
        try await self.add("a/{thing}")
        _ = try await self.fixture.database.pool.withConnection { try $0.execute("UPDATE sessions SET reads = 6") }
        let added = try #require(try await self.rules.add(rule, to: self.fixture.group))
        let kept = try #require(try await self.rules.find(self.fixture.group))
        #expect(kept.rules.map(\.draft.presence) == [nil, told])
        #expect(try await self.subscribed().map(\.retained) == [true], "for the presence")
        // What is as it was stays the row that it was.
        let all: [(id: EntityID?, rule: TopicRule)] = try kept.rules.map { ($0.id, try TopicRule($0.draft)) }
        _ = try await self.rules.replace(in: self.fixture.group, with: all.reversed(), choice: nil)
        #expect(try await self.rules.find(self.fixture.group)?.rules.first?.id == added.id)
        let (group, broken) = (self.fixture.group, #"{"online":5}"#)
        _ = try await self.fixture.database.pool.withConnection { db in
            try db.execute("UPDATE topic_rules SET presence = \(broken) WHERE id = \(added.id) AND group_id = \(group)")
        }
        #expect(try await self.subscribed().map(\.retained) == [false], "one that cannot be read takes nothing")
    }

    @Test("keep how payloads are written, and are not written while an instance lives that would take them for JSON")
    func decoding() async throws {
        try await self.grant(["a/#"])
        _ = try await self.fixture.store()
        let rule = try TopicRule(.init(filter: "a/{subtopic}", thing: "id", split: "array", decode: "cbor"))
        let (before, form) = (StoredForm.decodingRules.rawValue - 1, StoredForm.decodingRules.rawValue)
        _ = try await self.fixture.database.pool.withConnection {
            try $0.execute("UPDATE sessions SET reads = \(before)")
        }
        await #expect(throws: StorageError.notYet(field: "decode")) {
            try await self.rules.add(rule, to: self.fixture.group)
        }
        await #expect(throws: StorageError.notYet(field: "decode")) {
            try await self.rules.replace(in: self.fixture.group, with: [(nil, rule)], choice: nil)
        }
        try await self.add("a/{thing}")
        _ = try await self.fixture.database.pool.withConnection {
            try $0.execute("UPDATE sessions SET reads = \(form)")
        }
        let added = try #require(try await self.rules.add(rule, to: self.fixture.group))
        let kept = try #require(try await self.rules.find(self.fixture.group))
        #expect(kept.rules.map(\.draft.decode) == [nil, "cbor"] && kept.rules.last?.draft == rule.draft)
        #expect(try await self.subscribed().map(\.filter.description) == ["a/+"])
        // What is as it was stays the row that it was; another format is another rule.
        let all: [(id: EntityID?, rule: TopicRule)] = try kept.rules.map { ($0.id, try TopicRule($0.draft)) }
        _ = try await self.rules.replace(in: self.fixture.group, with: all.reversed(), choice: nil)
        #expect(try await self.rules.find(self.fixture.group)?.rules.first?.id == added.id)
        var draft = rule.draft
        draft.decode = "msgpack"
        _ = try await self.rules.replace(in: self.fixture.group, with: [(added.id, try TopicRule(draft))], choice: nil)
        #expect(try await self.rules.find(self.fixture.group)?.rules.map(\.draft.decode) == ["msgpack"])
        _ = try await self.fixture.database.pool.withConnection { db in
            try db.execute("UPDATE topic_rules SET decode = 'asn1'")
        }
        #expect(try await self.subscribed().isEmpty, "one that cannot be read takes nothing")
    }

    @Test("are put in order as they stand in the list, and keep what they are")
    func order() async throws {
        try await self.grant(["a/#"])
        let one = try await self.add("a/{thing}")
        let two = try await self.add("a/x/{thing}")
        let numbers = try await self.subscribed()
        let list: [(id: EntityID?, rule: TopicRule)] = [
            (two.id, try TopicRule(two.draft)), (nil, try TopicRule(.init(filter: "a/y/{thing}"))),
            (one.id, try TopicRule(.init(filter: "a/{thing}", retained: true))),
        ]
        let stored = try #require(try await self.rules.replace(in: self.fixture.group, with: list, choice: .all))
        let filters = stored.rules.map(\.draft.filter)
        #expect(stored.choice == .all && filters == ["a/x/{thing}", "a/y/{thing}", "a/{thing}"])
        #expect(stored.rules.map(\.draft.retained) == [false, false, true] && stored.rules[2].id == one.id)
        #expect(try await self.subscribed().first == numbers[1])
        await #expect(throws: TopicRuleStore.Refusal.self) {
            _ = try await self.rules.replace(
                in: self.fixture.group, with: [(.random(), try TopicRule(two.draft))], choice: nil)
        }
    }

    @Test("go with their group, and nothing of them is left")
    func removal() async throws {
        try await self.grant(["a/#"])
        try await self.add("a/{thing}")
        #expect(try await self.groups.remove(self.fixture.group))
        #expect(try await self.fixture.count("SELECT count(*) FROM topic_rules") == 0)
        #expect(try await self.fixture.count("SELECT count(*) FROM topic_filters") == 0)
    }

    @Test("that this version cannot read take nothing, and the others do")
    func unknown() async throws {
        try await self.grant(["a/#"])
        try await self.add("a/{thing}")
        try await self.add("a/x/{thing}")
        _ = try await self.fixture.database.pool.withConnection { db in
            try db.execute("UPDATE topic_rules SET split = 'lines' WHERE place = 0")
        }
        #expect(try await self.subscribed().map(\.filter.description) == ["a/x/+"])
    }
}

@Suite("Things that are not known when they send their first message")
struct NewThingTests {
    private let fixture: Fixture
    private let store: NewThingStore

    init() async throws {
        self.fixture = try await Fixture()
        self.store = NewThingStore(self.fixture.database, box: self.fixture.box)
    }

    private func allow(_ perHour: Int32) async throws {
        let (group, profile) = (self.fixture.group, self.fixture.profile)
        _ = try await self.fixture.database.pool.withConnection { db in
            try db.execute(
                """
                UPDATE groups SET new_thing_profile_id = \(profile), new_things_per_hour = \(perHour)
                WHERE id = \(group)
                """)
        }
    }

    private func names(_ texts: String...) -> Set<ThingName> {
        Set(texts.map { ThingName($0, in: self.fixture.group) })
    }

    @Test("are made where their group wants that, each once, up to so many in an hour")
    func made() async throws {
        #expect(try await self.store.make(self.names("a")) == nil)
        try await self.allow(3)
        #expect(try await self.store.make(self.names("a", "b")) == 2)
        #expect(try await self.store.make(self.names("a", "b")) == 0, "done again")
        #expect(try await self.store.make(self.names("a", "c", "d")) == 1)
        #expect(try await self.store.make(self.names("e")) == 0)
        let group = self.fixture.group
        #expect(try await self.fixture.count("SELECT count(*) FROM things WHERE group_id = \(group)") == 3)
        _ = try await self.fixture.database.pool.withConnection { db in
            try db.execute("UPDATE new_thing_counts SET hour = hour - interval '1 hour'")
        }
        #expect(try await self.store.make(self.names("e")) == 1, "the next hour")
    }

    @Test("are made beside a thing whose name is what they are called")
    func sameName() async throws {
        try await self.allow(10)
        let thing = EntityID.random()
        try await self.fixture.makeThing(thing)
        #expect(try await self.store.make(self.names("\(thing)")) == 1)
    }

    @Test("are found by what they are called in their own group, or by their id there")
    func lookedUp() async throws {
        try await self.allow(10)
        _ = try await self.store.make(self.names("a"))
        let thing = EntityID.random()
        try await self.fixture.makeThing(thing)
        let store = RouteStore(self.fixture.database, box: self.fixture.box)
        // What they are called is in memory where a rule may ask for it.
        #expect(try await store.load().thing(ThingName("a", in: self.fixture.group)) == nil)
        _ = try await GroupStore(self.fixture.database).update(
            self.fixture.group, name: "g", allowedNetworks: nil, allowedTopics: [try #require(TopicFilter("a/#"))])
        _ = try await TopicRuleStore(self.fixture.database)
            .add(try TopicRule(.init(filter: "a/{thing}")), to: self.fixture.group)
        let routes = try await store.load()
        #expect(routes.thing(ThingName("a", in: self.fixture.group)) != nil)
        #expect(routes.thing(ThingName("\(thing)", in: self.fixture.group)) == thing)
        for name in ["a", "\(thing)"] { #expect(routes.thing(ThingName(name, in: .random())) == nil) }
    }
}
