import Domain
import NIOCore
import Testing

@testable import Delivery

@Suite("What a lane was told of things")
struct LaneFactsTests {
    private let subject = ThingFacts.Subject(.random(), in: .random())

    private func message(_ id: Int64) -> Message {
        Message(
            id: MessageID(rawValue: id), thing: self.subject.thing, group: self.subject.group, subtopic: "",
            contentType: "a/b", payload: [], traceparent: nil, isKept: false, receivedNanoseconds: nil)
    }

    @Test("is used for what it asked for and a while, not for what came in since, nor where more is needed")
    func told() {
        let start = NIODeadline.uptimeNanoseconds(1)
        var facts = LaneFacts()
        func isKnown(
            _ id: Int64, _ extent: ThingFacts.Extent = .names, after time: TimeAmount = .zero
        ) -> Bool {
            facts.of(self.message(id), self.subject, extent, now: start + time)?.name == "n"
        }
        #expect(!isKnown(5))
        facts.ask(for: [self.message(5), self.message(7), self.message(6)])
        #expect(facts.isAsking && !isKnown(5))
        facts.come([self.subject: ThingFacts(name: "n", profile: nil)], now: start)
        #expect(!facts.isAsking && isKnown(5) && isKnown(7))
        #expect(!isKnown(8), "the thing may have been renamed before it came")
        #expect(!isKnown(7, .annotations))
        #expect(isKnown(7, after: .seconds(4)) && !isKnown(7, after: .seconds(5)))
        facts.come(
            [self.subject: ThingFacts(name: "n", profile: nil, annotations: .nothing)], now: start + .seconds(9))
        #expect(isKnown(7, .annotations, after: .seconds(9)))
        facts.ask(for: [self.message(8)])
        #expect(!isKnown(7, after: .seconds(9)))
    }
}
