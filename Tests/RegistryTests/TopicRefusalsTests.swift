import Domain
import Registry
import StoreTestSupport
import Testing

@Suite("Messages that rules made nothing of")
struct TopicRefusalsTests {
    @Test("are counted by reason, and the last topic is shown")
    func counted() async throws {
        let fixture = try await Fixture()
        let refusals = TopicRefusals(fixture.database)
        let subject = TopicRefusals.Subject(group: fixture.group, reason: "unknown_thing")
        var count = TopicRefusals.Count(count: 1, topic: "a")
        count.add(.init(count: 2, topic: "b"))
        try await refusals.add([subject: count, .init(group: fixture.group, reason: "not_json"): count])
        try await refusals.add([subject: .init(count: 4, topic: "c"), .init(group: .random(), reason: "x"): count])
        let records = try await refusals.list(of: fixture.group)
        #expect(records.map(\.reason) == ["not_json", "unknown_thing"])
        #expect(records.map(\.count) == [3, 7] && records.map(\.topic) == ["b", "c"])
    }
}
