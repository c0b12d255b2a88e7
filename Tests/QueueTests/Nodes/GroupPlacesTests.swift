import Domain
import Queue
import TestSupport
import Testing

@Suite("Which node has which group")
struct GroupPlacesTests {
    private static let (one, two) = (
        DataNode(number: 1, host: "a", port: 5432), DataNode(number: 2, host: "b", port: 5432)
    )
    private static func group(_ number: UInt64) -> EntityID { EntityID(high: 1, low: number) }

    @Test("is asked once of a group that is met, and known from then on")
    func asked() {
        var places = GroupPlaces()
        places.place([101: Self.one, 102: Self.two])
        #expect(places.node(of: Self.group(1)) == nil)
        #expect(places.node(of: Self.group(1)) == nil)
        #expect(places.takeWanted() == [Self.group(1)])
        #expect(places.takeWanted().isEmpty)
        places.learn([(Self.group(1), 102)])
        #expect(places.node(of: Self.group(1)) == Self.two)
        #expect(places.takeWanted().isEmpty)
    }

    @Test("follows a shard that moves, without a question about its groups")
    func moves() {
        var places = GroupPlaces()
        places.place([101: Self.one])
        places.learn([(Self.group(1), 101)])
        places.place([101: Self.two])
        #expect(places.node(of: Self.group(1)) == Self.two)
        #expect(places.takeWanted().isEmpty)
    }

    @Test("is forgotten and asked again where a shard is not there any more, or is at no node that takes anything")
    func splits() {
        var places = GroupPlaces()
        places.place([101: Self.one, 102: Self.two])
        places.learn([(Self.group(1), 101), (Self.group(2), 102), (Self.group(3), 999)])
        places.place([102: Self.two, 103: Self.one])
        #expect(places.count == 1)
        #expect(places.node(of: Self.group(1)) == nil)
        #expect(places.node(of: Self.group(2)) == Self.two)
        #expect(places.node(of: Self.group(3)) == nil)
        #expect(Set(places.takeWanted()) == [Self.group(1), Self.group(3)])
    }

    @Test("takes no more memory than it may, and is never wrong for that", arguments: 0..<20 as Range<UInt64>)
    func bounds(seed: UInt64) {
        var generator = Seeded(seed)
        let (nodes, most) = ([Int64(0): Self.one, 1: Self.two], 10)
        var places = GroupPlaces(mostGroups: most, mostWanted: 3)
        places.place(nodes)
        for _ in 0..<500 {
            let number = UInt64.random(in: 0..<40, using: &generator)
            let node = places.node(of: Self.group(number))
            #expect(node == nil || node == nodes[Int64(number % 2)])
            guard Int.random(in: 0..<4, using: &generator) == 0 else { continue }
            let wanted = places.takeWanted()
            #expect(wanted.count <= 3 && Set(wanted).count == wanted.count)
            places.learn(wanted.map { ($0, Int64($0.low % 2)) })
            #expect(places.count <= most)
            for group in wanted { #expect(places.node(of: group) == nodes[Int64(group.low % 2)]) }
        }
    }
}
