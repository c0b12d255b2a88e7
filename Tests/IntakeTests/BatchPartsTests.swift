import Domain
import Queue
import TestSupport
import Testing

@testable import Intake

@Suite("A batch apart by the nodes of the database")
struct BatchPartsTests {
    private static let nodes = (0..<3).map { DataNode(number: Int32($0), host: "node\($0)", port: 5432) }
    private static let groups = (0..<8).map { EntityID(high: 9, low: UInt64($0)) }

    /// Messages of these groups, one after the other, with a delivery each and something remembered of each.
    private static func batch(_ places: [Int]) throws -> SortedBatch {
        var batch = SortedBatch()
        for (number, place) in places.enumerated() {
            let group = Self.groups[place]
            let webhook = WebhookTarget(
                key: WebhookKey(rawValue: Int32(place)), id: group, group: group, version: 1,
                url: try WebhookURL("http://example.com/"), headers: [], policy: DeliveryPolicy())
            let message = Message(
                id: MessageID(rawValue: Int64(number)), thing: group, group: group, subtopic: "", contentType: "",
                payload: [], traceparent: nil, isKept: false, receivedNanoseconds: nil)
            batch.messages.append(message)
            batch.deliveries.append(Delivery(message: message, webhook: webhook))
            batch.memory[webhook.subject(message.thing)] = [0: "x"]
        }
        return batch
    }

    /// The number of the node, and those of the messages.
    private static func numbers(_ parts: [BatchPart]) -> [[Int]] {
        parts.map { [Int($0.node?.number ?? -1)] + $0.batch.messages.map { Int($0.id.rawValue) } }
    }

    @Test(
        "has a part for each node, in order, and what is of no known node at the end",
        arguments: [
            // Of each message its group; of each group its node; then of each part its node and messages.
            ([], [:], []),
            ([0, 0, 1], [0: 1, 1: 1], [[1, 0, 1, 2]]),
            ([0, 1, 0], [0: 1, 1: 2], [[1, 0, 2], [2, 1]]),
            ([0, 1, 2, 1], [0: 2, 2: 2], [[2, 0, 2], [-1, 1, 3]]),
            ([1, 0], [0: 1], [[1, 1], [-1, 0]]),
            ([0, 1], [:], [[-1, 0, 1]]),
        ] as [([Int], [Int: Int], [[Int]])])
    func table(messages: [Int], nodes: [Int: Int], parts: [[Int]]) throws {
        let places = Dictionary(uniqueKeysWithValues: nodes.map { (Self.groups[$0.key], Self.nodes[$0.value]) })
        #expect(Self.numbers(try Self.batch(messages).parts(at: places)) == parts)
    }

    @Test("has everything once, in the part of its group, whatever is where", arguments: 0..<50 as Range<UInt64>)
    func whole(seed: UInt64) throws {
        var generator = Seeded(seed)
        let count = Int.random(in: 1...40, using: &generator)
        let batch = try Self.batch((0..<count).map { _ in Int.random(in: 0..<8, using: &generator) })
        var nodes: [EntityID: DataNode] = [:]
        for group in Self.groups where Bool.random(using: &generator) {
            nodes[group] = Self.nodes.randomElement(using: &generator)
        }
        #expect(batch.groups == Set(batch.messages.map(\.group)))
        let parts = batch.parts(at: nodes)
        #expect(Set(parts.map(\.node)).count == parts.count)
        for part in parts {
            let ids = part.batch.messages.map(\.id)
            #expect(!ids.isEmpty && ids == ids.sorted { $0.rawValue < $1.rawValue })
            #expect(part.batch.deliveries.map(\.message.id) == ids)
            #expect(part.batch.messages.allSatisfy { nodes[$0.group] == part.node })
            #expect(part.batch.memory.keys.allSatisfy { nodes[$0.group] == part.node })
        }
        #expect(parts.flatMap { $0.batch.messages.map(\.id.rawValue) }.sorted() == (0..<Int64(count)).map { $0 })
        #expect(parts.reduce(0) { $0 + $1.batch.memory.count } == batch.memory.count)
    }

    @Test("keeps what is remembered of messages that nobody wants, though their node has no part")
    func memory() throws {
        var batch = try Self.batch([0])
        batch.memory.merge(try Self.batch([1]).memory) { $1 }
        #expect(batch.groups == [Self.groups[0], Self.groups[1]])
        let parts = batch.parts(at: [Self.groups[0]: Self.nodes[0], Self.groups[1]: Self.nodes[1]])
        #expect(Self.numbers(parts) == [[0, 0]])
        #expect(parts.first?.batch.memory.count == 2)
    }
}
