import Domain
import Journal
import Observability
import Queue
import Registry
import Testing

@testable import Intake
@testable import MQTT

@Suite("A batch with several messages of a thing that some are left out of")
struct BatchThinningTests {
    private struct Ground {
        var routes = Routes()
        let thing = EntityID.random()
        let other = EntityID.random()
        let group = EntityID.random()
        let profile = EntityID.random()
        let sorter = BatchSorter(ids: MessageIDGenerator(slot: 0, now: { 1_800_000_000_000 }), largestPayload: 1_000)

        /// - Parameter policies: of each webhook.
        init(isKept: Bool = false, _ policies: [DeliveryPolicy]) throws {
            self.routes.set(profile: self.profile, to: ProfileConfig(write: isKept, webhook: true))
            let url = try WebhookURL("http://example.com/")
            self.routes.set(
                webhooksOf: self.group,
                to: policies.enumerated().map { [group] index, policy in
                    WebhookTarget(
                        key: WebhookKey(rawValue: Int32(index)), id: .random(), group: group, version: 1, url: url,
                        headers: [], policy: policy)
                })
            for thing in [self.thing, self.other] {
                self.routes.set(thing: thing, to: .init(group: self.group, profile: self.profile))
            }
        }

        func sort(_ payloads: [(EntityID, String)], memory: ConditionMemory? = [:], things: ThinnedThings = [:])
            -> SortedBatch
        {
            var batch = Batch()
            batch.messages = payloads.map { thing, payload in
                ReceivedMessage(topic: "things/\(thing)/messages", payload: Array(payload.utf8), traceparent: nil)
            }
            return self.sorter.sort(batch, memory: memory, things: things) { things in
                things.map { self.routes.resolve($0) }
            }
        }
    }

    private static func policy(_ change: (inout DeliveryPolicy) -> Void) -> DeliveryPolicy {
        var policy = DeliveryPolicy()
        change(&policy)
        return policy
    }

    private static func text(_ message: Message) -> String { String(decoding: message.payload, as: UTF8.self) }

    @Test("sends the first, has the newest wait, and writes nothing of those between, which are counted and told")
    func last() throws {
        let ground = try Ground([Self.policy { $0.perThing = ThingRate(every: 60) }])
        var sorted = ground.sort([
            (ground.thing, "1"), (ground.thing, "2"), (ground.other, "x"), (ground.thing, "3"), (ground.thing, "4"),
        ])
        #expect(sorted.deliveries.map { Self.text($0.message) } == ["1", "x"])
        #expect(sorted.thinning.later.map { Self.text($0.delivery.message) } == ["4"])
        #expect(sorted.messages.map(Self.text) == ["1", "x", "4"])
        #expect(sorted.thinning.leftOut == [.perThing: 2] && sorted.thinning.skips.count == 2)
        #expect(sorted.thinning.changes.count == 2 && sorted.thinning.changes.allSatisfy { $0.replaced == nil })
        // The next batch begins where this one ended, by what was read.
        let change = try #require(sorted.thinning.changes.first { $0.subject.thing == ground.thing })
        let things = [change.subject: ThinnedThing(memory: change.memory, changedBy: change.changedBy)]
        let waiting = sorted.thinning.later[0].delivery.id
        sorted = ground.sort([(ground.thing, "5")], things: things)
        #expect(sorted.deliveries.isEmpty && sorted.thinning.later.count == 1)
        let next = try #require(sorted.thinning.changes.first)
        #expect(next.replaced == waiting.message && next.former == change.changedBy)
        #expect(sorted.thinning.leftOut.isEmpty, "whether it still waited is for the commit to say")
        sorted.thinning.note(removed: [DeliveryID(message: waiting.message, webhook: WebhookKey(rawValue: 99))])
        #expect(sorted.thinning.leftOut.isEmpty, "that was another's")
        sorted.thinning.note(removed: [waiting])
        #expect(sorted.thinning.leftOut == [.perThing: 1] && sorted.thinning.skips.map(\.delivery) == [waiting])
    }

    @Test("keeps what others want of the same messages")
    func others() throws {
        let thinned = Self.policy { $0.perThing = ThingRate(every: 60, keep: .first) }
        let ground = try Ground(
            isKept: true, [thinned, DeliveryPolicy(), Self.policy { $0.duplicates = DuplicateRule() }])
        let sorted = ground.sort([(ground.thing, "1"), (ground.thing, "1"), (ground.thing, "2")])
        #expect(sorted.deliveries.map(\.webhook.key.rawValue) == [0, 1, 2, 1, 1, 2])
        #expect(sorted.messages.count == 3)
        #expect(sorted.thinning.leftOut == [.perThing: 2, .duplicate: 1])
    }

    @Test("keeps all of what is to be kept, whatever is left out")
    func kept() throws {
        let ground = try Ground(isKept: true, [Self.policy { $0.perThing = ThingRate(every: 60) }])
        let sorted = ground.sort((1...4).map { (ground.thing, "\($0)") })
        #expect(sorted.messages.map(Self.text) == ["1", "2", "3", "4"])
        #expect(sorted.thinning.later.map { Self.text($0.delivery.message) } == ["4"])
        #expect(sorted.thinning.leftOut == [.perThing: 2])
    }

    @Test("asks for what is remembered only where something is left out")
    func missing() throws {
        let ground = try Ground([DeliveryPolicy(), Self.policy { $0.duplicates = DuplicateRule() }])
        let sorted = ground.sort([(ground.thing, "1")], memory: nil)
        #expect(sorted.missingThings.map(\.webhook.rawValue) == [1] && sorted.missingMemory.isEmpty)
        let usual = try Ground([DeliveryPolicy()])
        let plain = usual.sort([(usual.thing, "1")], memory: nil)
        #expect(plain.missingThings.isEmpty && !plain.thinning.hasJudged && plain.deliveries.count == 1)
    }
}
