import Domain
import Journal
import TestSupport
import Testing

@testable import Queue

@Suite("The lanes' memory among groups", .ownThreads)
struct GroupSharesTests {
    /// A group's webhooks, of which each may get a message at the same time.
    private struct Crowd {
        let group = EntityID.random()
        let webhooks: [WebhookTarget]

        init(_ keys: Range<Int32>) throws {
            let (group, url) = (self.group, try WebhookURL("http://example.com"))
            self.webhooks = keys.map { key in
                WebhookTarget(
                    key: WebhookKey(rawValue: key), id: .random(), group: group, version: 1, url: url, headers: [])
            }
        }

        /// - Parameters:
        ///   - count: for each of the webhooks.
        func deliveries(_ count: Int = 1, to range: Range<Int>? = nil, bytes: Int = 10) -> [Delivery] {
            let payload = [UInt8](repeating: 0, count: bytes)
            return self.webhooks[range ?? self.webhooks.indices].flatMap { webhook in
                (0..<count).map { number in
                    let message = Message(
                        id: MessageID(rawValue: Int64(number)), thing: self.group, group: self.group, subtopic: "",
                        contentType: "a/b", payload: payload, traceparent: nil, isKept: false,
                        receivedNanoseconds: nil)
                    return Delivery(message: message, webhook: webhook)
                }
            }
        }
    }

    /// Plans them; those that had no room are claimed and done with at once.
    ///
    /// - Returns: those that are in memory.
    private func lease(_ deliveries: [Delivery], in ledger: LaneLedger) -> [Delivery] {
        var deliveries = deliveries
        ledger.plan(&deliveries)
        for key in ledger.committed(deliveries) { ledger.stopSpilling(key) }
        return deliveries.filter(\.isLeased)
    }

    private func done(_ deliveries: some Sequence<Delivery>, in ledger: LaneLedger) {
        let results = deliveries.map { DeliveryResult(delivery: $0, ending: .succeeded, attempt: nil) }
        ledger.completed(results)
        ledger.release(results)
    }

    private static let total = LaneLedger.Limits().totalDeliveries

    @Test(
        "takes another group's message in at once beside 20,000 lanes of one, moving or not",
        arguments: [
            (false, false), (false, true), (true, false), (true, true),
        ])
    func burst(crowdMoves: Bool, otherMoves: Bool) throws {
        let ledger = LaneLedger()
        let (crowd, other) = (try Crowd(1..<20_001), try Crowd(30_000..<30_001))
        self.done(self.lease(other.deliveries(), in: ledger), in: ledger)
        if !otherMoves { for _ in 0..<2 { _ = ledger.turn() } }
        if crowdMoves {
            for part in 0..<2 {
                let range = part * 10_000..<(part + 1) * 10_000
                self.done(self.lease(crowd.deliveries(to: range), in: ledger), in: ledger)
            }
        }
        let held = self.lease(crowd.deliveries(2), in: ledger)
        #expect(held.count > Self.total * 5 / 8 && held.count < Self.total)
        var mine: [Delivery] = []
        // Some that are not recorded yet: of a second, if it has completed something.
        for _ in 0..<(otherMoves ? 100 : 10) { mine += self.lease(other.deliveries(), in: ledger) }
        #expect(mine.count == (otherMoves ? 100 : 10))
        #expect(ledger.count == held.count + mine.count && ledger.count <= Self.total)
        self.done(mine, in: ledger)
        #expect(self.lease(other.deliveries(), in: ledger).count == 1)
    }

    @Test("takes in what is large beside a group that has all the bytes that it may")
    func large() throws {
        let ledger = LaneLedger()
        let (crowd, other) = (try Crowd(1..<1_001), try Crowd(2_000..<2_001))
        self.done(self.lease(other.deliveries(), in: ledger), in: ledger)
        for _ in 0..<2 { _ = ledger.turn() }
        let held = self.lease(crowd.deliveries(bytes: 200_000), in: ledger)
        #expect(held.count > 60 && held.count < 120)
        #expect(self.lease(other.deliveries(bytes: 1_000_000), in: ledger).count == 1)
        #expect(ledger.used.bytes <= LaneLedger.Limits().totalBytes)
    }

    @Test("lets another group claim beside 20,000 lanes that do")
    func claims() throws {
        let ledger = LaneLedger()
        let (crowd, other) = (EntityID.random(), EntityID.random())
        func claim(_ key: Int32, of group: EntityID) -> LaneLedger.ClaimRoom? {
            ledger.reserveForClaim(WebhookKey(rawValue: key), of: group, most: 10, mostBytes: 1_000)
        }
        let before = try #require(claim(30_000, of: other))
        ledger.settle(before, of: WebhookKey(rawValue: 30_000), claimed: [])
        let rooms = (1...20_000 as ClosedRange<Int32>).compactMap { claim($0, of: crowd) }
        #expect(rooms.count > 1_000 && rooms.count < 2_000)
        #expect(claim(20_001, of: crowd) == nil)
        #expect(claim(30_000, of: other) != nil)
        for (key, room) in zip(1... as PartialRangeFrom<Int32>, rooms) {
            ledger.settle(room, of: WebhookKey(rawValue: key), claimed: [])
        }
        #expect(ledger.count == 10)
    }

    @Test("leaves everything to a group that is alone")
    func alone() throws {
        let ledger = LaneLedger()
        let crowd = try Crowd(1..<10_001)
        self.done(self.lease(crowd.deliveries(), in: ledger), in: ledger)
        #expect(self.lease(crowd.deliveries(2), in: ledger).count == Self.total)
    }

    @Test("shares it among groups that want more than there is, whoever has it first", arguments: [2, 3, 5])
    func several(count: Int) throws {
        let ledger = LaneLedger()
        let crowds = try (0..<Int32(count)).map { try Crowd($0 * 5_000..<$0 * 5_000 + 5_000) }
        for crowd in crowds { self.done(self.lease(crowd.deliveries(), in: ledger), in: ledger) }
        // Oldest first, as they are done.
        var held = self.lease(crowds[0].deliveries(4), in: ledger)
        for round in 0..<120 {
            self.done(held.prefix(250), in: ledger)
            held.removeFirst(250)
            // Each in its turn is the first to ask.
            let start = round * 250 % 5_000
            for index in crowds.indices {
                let crowd = crowds[(round + index) % count]
                held += self.lease(crowd.deliveries(to: start..<start + 250), in: ledger)
            }
            #expect(ledger.count == held.count && held.count <= Self.total)
        }
        let shares = crowds.map { crowd in held.count { $0.webhook.group == crowd.group } }
        let (least, most) = (shares.min() ?? 0, shares.max() ?? 0)
        #expect(least > Self.total * 3 / 4 / count, "\(shares)")
        #expect(most - least < Self.total / 8, "\(shares)")
    }

    @Test("keeps something for a lane that moves beside many groups that stand still")
    func standingStill() throws {
        let ledger = LaneLedger()
        let fast = try Crowd(1..<2)
        for _ in 0..<10 { self.done(self.lease(fast.deliveries(100), in: ledger), in: ledger) }
        var held = 0
        for key in 100..<1_600 as Range<Int32> {
            held += self.lease(try Crowd(key..<key + 1).deliveries(16), in: ledger).count
        }
        #expect(held <= Self.total * 7 / 8)
        #expect(self.lease(fast.deliveries(300), in: ledger).count == 250, "what it gets done in a quarter of a second")
    }

    @Test("never passes the total, and gives everything back", arguments: 0..<40 as Range<UInt64>)
    func schedule(seed: UInt64) throws {
        var generator = Seeded(seed)
        var limits = LaneLedger.Limits()
        (limits.laneDeliveries, limits.laneBytes, limits.totalDeliveries, limits.totalBytes) = (12, 1_000, 64, 4_000)
        (limits.shareDeliveries, limits.shareBytes, limits.groupDeliveries, limits.groupBytes) = (2, 100, 4, 300)
        let ledger = LaneLedger(limits: limits)
        let crowds = try (0..<5 as Range<Int32>).map { try Crowd($0 * 10..<$0 * 10 + 10) }
        var held: [Delivery] = []
        var rooms: [(room: LaneLedger.ClaimRoom, crowd: Int, place: Int)] = []
        for _ in 0..<400 {
            let crowd = Int.random(in: 0..<5, using: &generator)
            let place = Int.random(in: 0..<10, using: &generator)
            let webhook = crowds[crowd].webhooks[place]
            switch Int.random(in: 0..<6, using: &generator) {
            case 0, 1:
                let (count, bytes) = (
                    Int.random(in: 1...9, using: &generator), Int.random(in: 0...400, using: &generator)
                )
                held += self.lease(crowds[crowd].deliveries(count, to: place..<place + 1, bytes: bytes), in: ledger)
            case 2:
                let room = ledger.reserveForClaim(
                    webhook.key, of: webhook.group, most: .random(in: 1...9, using: &generator), mostBytes: 400,
                    least: .random(in: 1...600, using: &generator))
                if let room { rooms.append((room, crowd, place)) }
            case 3:
                guard let (room, crowd, place) = rooms.popLast() else { continue }
                let claimed = crowds[crowd].deliveries(
                    room.deliveries, to: place..<place + 1, bytes: room.bytes / room.deliveries)
                ledger.settle(room, of: crowds[crowd].webhooks[place].key, claimed: claimed.map(\.message))
                held += claimed
            case 4: _ = ledger.turn()
            default:
                held.shuffle(using: &generator)
                let count = min(held.count, Int.random(in: 0...20, using: &generator))
                self.done(held.suffix(count), in: ledger)
                held.removeLast(count)
            }
            let used = ledger.used
            #expect(used.deliveries <= 64 && used.bytes <= 4_000 && used.deliveries >= 0 && used.bytes >= 0)
            #expect(used.deliveries == held.count + rooms.reduce(0) { $0 + $1.room.deliveries })
        }
        for (room, crowd, place) in rooms {
            ledger.settle(room, of: crowds[crowd].webhooks[place].key, claimed: [])
        }
        self.done(held, in: ledger)
        #expect(ledger.used == LaneLedger.Size())
    }

    @Test("knows what each group has, and what all have beyond their shares", arguments: 0..<20 as Range<UInt64>)
    func sums(seed: UInt64) {
        var generator = Seeded(seed)
        var shares = GroupShares(share: LaneLedger.Size(deliveries: 4, bytes: 100))
        let groups = (0..<6).map { _ in EntityID.random() }
        // Of each lane that is of interest its group, that one's place, and what it has.
        var lanes: [(group: Int, place: Int, size: LaneLedger.Size)] = []
        for _ in 0..<300 {
            if lanes.isEmpty || Bool.random(using: &generator) {
                let group = Int.random(in: groups.indices, using: &generator)
                let size = LaneLedger.Size(
                    deliveries: .random(in: 0...9, using: &generator), bytes: .random(in: 0...90, using: &generator))
                let place = shares.enter(groups[group])
                shares.add(size, to: place)
                lanes.append((group, place, size))
            } else {
                let lane = lanes.remove(at: .random(in: lanes.indices, using: &generator))
                shares.add(LaneLedger.Size(deliveries: -lane.size.deliveries, bytes: -lane.size.bytes), to: lane.place)
                shares.leave(lane.place)
            }
            var (beyond, count) = (LaneLedger.Size(), 0)
            for group in groups.indices {
                let mine = lanes.filter { $0.group == group }
                guard let place = mine.first?.place else { continue }
                count += 1
                let size = mine.reduce(into: LaneLedger.Size()) { $0 += $1.size }
                #expect(shares.standing(at: place).size == size && mine.allSatisfy { $0.place == place })
                beyond += LaneLedger.Size(deliveries: max(0, size.deliveries - 4), bytes: max(0, size.bytes - 100))
            }
            #expect(shares.count == count && shares.beyond == beyond)
        }
    }

    @Test("takes a group to be alone when no other has had anything for an hour")
    func forgetting() {
        var shares = GroupShares(share: LaneLedger.Size(deliveries: 4, bytes: 100))
        let (first, second) = (EntityID.random(), EntityID.random())
        let place = shares.enter(first)
        #expect(!shares.standing(at: place).areSeveral)
        let other = shares.enter(second)
        for _ in 0..<4_000 { shares.turn() }
        #expect(shares.standing(at: place).areSeveral, "both have something")
        shares.leave(other)
        for _ in 0..<3_599 { shares.turn() }
        #expect(shares.standing(at: place).areSeveral)
        shares.turn()
        #expect(!shares.standing(at: place).areSeveral)
        // By turns, so that never both have something at a time.
        shares.leave(place)
        let again = shares.enter(second)
        #expect(shares.standing(at: again).areSeveral)
    }
}
