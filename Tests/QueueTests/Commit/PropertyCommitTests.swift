import Domain
import Journal
import Postgres
import Queue
import Schema
import StoreTestSupport
import Testing
import Values

@Suite("What publishes say of themselves, stored")
struct PropertyCommitTests {
    private static func properties(_ expiry: Int64) -> MessageProperties {
        var parts = MessageProperties.Parts()
        parts.expiry = expiry
        parts.user = [("site", "é\u{0}\"")]
        parts.correlationData = [0, 1]
        return MessageProperties(parts)
    }

    /// Of the given places some have properties.
    private static func with(_ places: Set<Int>, _ deliveries: [Delivery]) -> [Delivery] {
        deliveries.enumerated().map { index, delivery in
            guard places.contains(index) else { return delivery }
            let old = delivery.message
            let message = Message(
                id: old.id, thing: old.thing, group: old.group, subtopic: old.subtopic, contentType: old.contentType,
                payload: old.payload, traceparent: old.traceparent, isKept: old.isKept, receivedNanoseconds: nil,
                properties: Self.properties(Int64(index)))
            return Delivery(message: message, webhook: delivery.webhook, isLeased: delivery.isLeased)
        }
    }

    @Test(
        "come back with a claim, whether the message is kept, and whether it was committed once or again",
        arguments: [([], [false]), ([1], [false]), ([0, 2], [true]), ([3, 4], [false, true])] as [(Set<Int>, [Bool])])
    func claimed(places: Set<Int>, kept: [Bool]) async throws {
        let fixture = try await Fixture()
        let session = try await SessionStore(fixture.database).start(clientID: "a", lease: .seconds(3_600)).id
        var deliveries = kept.enumerated().flatMap { index, isKept in
            fixture.deliveries(Int64(index) * 3 + 1...Int64(index) * 3 + 3, leased: false, kept: isKept)
        }
        deliveries = Self.with(places, deliveries)
        deliveries.formBatches()
        let intake = IntakeStore(fixture.database, session: session)
        let commit = IntakeStore.Commit(messages: deliveries.map(\.message), deliveries: deliveries)
        try await intake.commit(commit, now: .first)
        #expect(try await intake.commitAgain(commit, now: .first) != nil)
        let store = try await fixture.store("b")
        let claim = try await store.claim(
            fixture.target, inOrder: false, count: 100, bytes: 100_000, now: 1_900_000_000_000_000)
        let found = claim.deliveries.map(\.message).sorted { $0.id < $1.id }
        #expect(found.map(\.payload) == deliveries.map(\.message.payload))
        for (index, message) in found.enumerated() {
            #expect(message.properties?.text == (places.contains(index) ? Self.properties(Int64(index)).text : nil))
            #expect(message.properties?.expiry == (places.contains(index) ? Int64(index) : nil))
        }
        let history = try await LogStore(fixture.database).history(
            of: DeliveryID(message: found[0].id, webhook: fixture.target.key))
        #expect(history?.message?.properties?.text == found[0].properties?.text)
    }

    @Test("have a statement of another shape, so that the usual one stays as it is")
    func shapes() async throws {
        let fixture = try await Fixture()
        let intake = IntakeStore(fixture.database, session: SessionID(rawValue: 1))
        func sql(_ places: Set<Int>) throws -> String {
            var deliveries = Self.with(places, fixture.deliveries(1...3, leased: true))
            deliveries.formBatches()
            let commit = IntakeStore.Commit(messages: deliveries.map(\.message), deliveries: deliveries)
            return try #require(intake.statement(of: commit, now: .first, isRepeat: false)).sql
        }
        for _ in 1...2 {
            #expect(try !sql([]).contains("properties"))
            #expect(try sql([1]).contains("properties"))
        }
    }
}
